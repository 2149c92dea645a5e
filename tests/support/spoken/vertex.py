"""Vertex AI speaks as the Gemini API does, and takes the file type besides."""

from support.spoken import Spoken
from support.spoken.gemini import EXPECTED, REFERENCE

SPOKEN = Spoken(
    provider="vertex",
    protocol="vertex-content",
    upstream_model="gemini-3.1-flash-image",
    fields={"aspectRatio": "1:1", "imageSize": "512", "imageOutputOptions.mimeType": "image/png"},
    inputs=(REFERENCE,),
    expected=EXPECTED,
    asks_again=False,
)
