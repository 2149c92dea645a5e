"""OpenAI answers with the pictures; a link in place of one is judged by storage."""

from support.spoken import ANSWERS_WITH_OUTPUTS, Spoken

SPOKEN = Spoken(
    provider="openai",
    protocol="openai-images",
    upstream_model="gpt-image-2",
    fields={"n": 1, "size": "1024x1024", "quality": "low"},
    expected={**ANSWERS_WITH_OUTPUTS, "expired_url": "ok", "slow_output": "ok", "overloaded": "unavailable"},
    asks_again=False,
)
