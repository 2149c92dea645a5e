"""Azure answers as OpenAI does, with a filter of its own."""

from support.spoken import ANSWERS_WITH_OUTPUTS, Spoken

SPOKEN = Spoken(
    provider="azure",
    protocol="azure-images",
    upstream_model="gpt-image-2",
    fields={"n": 1, "size": "1024x1024", "quality": "low"},
    expected={**ANSWERS_WITH_OUTPUTS, "expired_url": "ok", "slow_output": "ok", "overloaded": "unavailable"},
    asks_again=False,
)
