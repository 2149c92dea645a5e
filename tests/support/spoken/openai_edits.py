"""OpenAI's edits fail as its generations do."""

from dispatcher.domain.jobs import Input
from simulators import pictures
from support.spoken import Spoken
from support.spoken.openai import SPOKEN as GENERATIONS

SPOKEN = Spoken(
    provider="openai",
    protocol="openai-images",
    upstream_model="gpt-image-2",
    fields=GENERATIONS.fields,
    inputs=(Input("image", body=pictures.png(bytes(16), 64, 64), media_type="image/png", many=True),),
    expected=GENERATIONS.expected,
    asks_again=False,
)
