"""Ark takes video tasks."""

from support.spoken import TAKES_TASKS, Spoken

SPOKEN = Spoken(
    provider="ark",
    protocol="ark-video",
    upstream_model="dreamina-seedance-2-0-260128",
    fields={"duration": 5, "resolution": "480p", "ratio": "16:9"},
    expected={**TAKES_TASKS, "overloaded": "unavailable", "partial_output": "ok"},
)
