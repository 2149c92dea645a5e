"""Model Studio takes video tasks."""

from support.spoken import TAKES_TASKS, Spoken

SPOKEN = Spoken(
    provider="dashscope",
    protocol="dashscope-video",
    upstream_model="happyhorse-1.0-t2v",
    fields={"duration": 4, "resolution": "720P", "ratio": "16:9", "watermark": False},
    expected={
        **TAKES_TASKS,
        "allocation": "quota",
        "green_net": "content_policy",
        "invalid_late": "invalid_request",
        "forgotten": "failed_generation",
        "suspended": "pending",
    },
)
