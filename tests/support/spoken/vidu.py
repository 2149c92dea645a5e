"""Vidu takes video tasks."""

from support.spoken import TAKES_TASKS, Spoken

SPOKEN = Spoken(
    provider="vidu",
    protocol="vidu-video",
    upstream_model="text2video/viduq3-pro",
    fields={"duration": 4, "resolution": "540p", "aspect_ratio": "16:9"},
    expected={**TAKES_TASKS, "audited": "content_policy"},
)
