"""Media: from base64 to bytes that are what they claim to be, from bytes to data URLs, and outputs by URL."""

import binascii

import pybase64

from common import pictures
from dispatcher.domain.jobs import Input, Link

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "video/mp4": "mp4"}
"""Types an inline output may have, with the extension of its object."""
TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""The same by the name that an ``output_format`` has for them."""
_MAX_URL = 4_000


def decode(text: str) -> bytes | None:
    """The bytes of a base64 text; None when it is none."""
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def data_url(body: bytes, media_type: str) -> str:
    """Bytes as a ``data:`` URL."""
    return f"data:{media_type};base64,{pybase64.b64encode_as_string(body)}"


def source(one: Input, media_type: str = "image/png") -> str:
    """An input by its address, or as a ``data:`` URL of the type that it has, or is taken for."""
    return one.url or data_url(one.body or b"", one.media_type or media_type)


def link(url: object, media_type: object = None) -> Link | None:
    """An output by URL; None when there is no URL of a sane length."""
    if not isinstance(url, str) or not 0 < len(url) <= _MAX_URL:
        return None
    return Link(url, media_type if isinstance(media_type, str) else None)


def image_type(body: bytes) -> str | None:
    """The media type of a whole picture; None for what is none of a kind we pass on, or ends too early."""
    found = pictures.type_of(body[: pictures.HEAD_BYTES])
    whole = pictures.is_whole(body[: pictures.HEAD_BYTES], body[-pictures.TAIL_BYTES :], len(body))
    return found if found in EXTENSIONS and whole else None


def type_of(body: bytes) -> str | None:
    """The media type of a whole picture or film; None for anything else."""
    return "video/mp4" if is_film(body) else image_type(body)


def is_film(body: bytes) -> bool:
    """Whether this is an MP4 whose boxes end where the bytes do, an index among them (ISO/IEC 14496-12, 4.2)."""
    at, kinds = 0, set()
    while at + 8 <= len(body):
        length, kind = int.from_bytes(body[at : at + 4]), bytes(body[at + 4 : at + 8])
        if length == 1:
            length = int.from_bytes(body[at + 8 : at + 16])
        if length < 8:
            return False
        kinds.add(kind)
        at += length
    return at == len(body) and {b"ftyp", b"moov"} <= kinds
