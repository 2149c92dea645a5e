"""Inline media: from base64 to bytes that are what they claim to be, and from bytes to data URLs."""

import binascii

import pybase64

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""Types an inline output may have, with the extension of its object."""
_TAIL_BYTES = 64
"""Where a picture's end mark is looked for: some encoders put a few bytes behind it."""


def decode(text: str) -> bytes | None:
    """The bytes of a base64 text; None when it is none."""
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def data_url(body: bytes, media_type: str) -> str:
    """Bytes as a ``data:`` URL."""
    return f"data:{media_type};base64,{pybase64.b64encode_as_string(body)}"


def image_type(body: bytes) -> str | None:
    """The media type of a whole picture; None for what is none of a kind we pass on, or ends too early."""
    end = body[-_TAIL_BYTES:]
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png" if b"IEND\xaeB`\x82" in end else None
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg" if b"\xff\xd9" in end else None
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp" if int.from_bytes(body[4:8], "little") + 8 <= len(body) else None
    return None
