"""fal takes requests into a queue."""

from support.spoken import TAKES_TASKS, Spoken

SPOKEN = Spoken(
    provider="fal",
    protocol="fal-queue",
    upstream_model="bytedance/seedance-2.0/text-to-video",
    fields={"duration": "5", "resolution": "480p", "aspect_ratio": "16:9"},
    expected=TAKES_TASKS,
)
