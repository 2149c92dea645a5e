"""xAI takes video requests."""

from support.spoken import TAKES_TASKS, Spoken

SPOKEN = Spoken(
    provider="xai",
    protocol="xai-video",
    upstream_model="generations/grok-imagine-video",
    fields={"duration": 4, "resolution": "480p", "aspect_ratio": "16:9"},
    expected={
        **TAKES_TASKS,
        "forbidden": "auth",
        "moderated": "content_policy",
        "expired": "failed_generation",
        "old_form": "ok",
    },
)
