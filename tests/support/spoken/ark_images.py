"""Ark answers with pictures by URL; what a task ends in, an item of the answer says here."""

from dispatcher.domain.jobs import Input
from support.spoken import ANSWERS_WITH_OUTPUTS, LINKED, Spoken

SPOKEN = Spoken(
    provider="ark",
    protocol="ark-images",
    upstream_model="seedream-5-0-260128",
    fields={"size": "2048x2048", "output_format": "png", "watermark": False},
    inputs=(Input("image", url="https://example.com/cat.png", many=True),),
    expected={
        **ANSWERS_WITH_OUTPUTS,
        **LINKED,
        "accepted_then_failed": "failed_generation",
        "overloaded": "unavailable",
        "partial_output": "ok",
    },
    asks_again=False,
)
