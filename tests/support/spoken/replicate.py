"""Replicate takes predictions."""

from support.spoken import TAKES_TASKS, Spoken

SPOKEN = Spoken(
    provider="replicate",
    protocol="replicate",
    upstream_model="bytedance/seedance-2.0",
    fields={"duration": 5, "resolution": "480p", "aspect_ratio": "16:9"},
    expected={
        **TAKES_TASKS,
        "nsfw": "content_policy",
        "invalid_late": "invalid_request",
        "high_demand": "unavailable",
        "aborted": "failed_generation",
        "data_removed": "failed_generation",
    },
)
