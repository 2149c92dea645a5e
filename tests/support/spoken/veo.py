"""Veo takes predictions; its films come with the answer, so a broken one is found here."""

from support.spoken import TAKES_TASKS, Spoken

_TAKEN = {name: kind for name, kind in TAKES_TASKS.items() if name != "expired_url"}
SPOKEN = Spoken(
    provider="veo",
    protocol="vertex-video",
    upstream_model="veo-3.1-generate-001",
    fields={"durationSeconds": 4, "resolution": "720p", "aspectRatio": "16:9"},
    expected={
        **_TAKEN,
        "truncated_output": "failed_generation",
        "html_output": "failed_generation",
        "oversized_output": "failed_generation",
        "slow_output": "timeout",
        "exhausted_late": "unavailable",
        "unavailable_late": "unavailable",
        "invalid_late": "invalid_request",
    },
)
