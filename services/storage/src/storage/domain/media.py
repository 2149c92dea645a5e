"""What an output really is, told from its bytes; a sender's word for it is not believed."""

from dataclasses import dataclass
from enum import StrEnum

from common import pictures

HEAD_BYTES = 4096
"""How much of an output must be seen to tell what it is."""

_PICTURES = {b"avif": "avif", b"avis": "avif"}
_OTHER_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"M4A ", b"M4B ", b"crx "}
_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
}


class NotMedia(Exception):  # noqa: N818
    """These bytes are no picture or film of a kind we hand on."""


class Gone(StrEnum):
    """Why an output is lost for good."""

    UNAVAILABLE = "unavailable"
    TOO_MUCH = "too_much"
    """It is longer or larger than was declared, and paid for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An output that lies in our bucket."""

    key: str
    media_type: str
    bytes: int
    sha256: str


def sniff(head: bytes, kind: str) -> tuple[str, str]:
    """Media type and file extension of an output of a job of this ``kind`` (image or video).

    Raises:
        NotMedia: anything else, such as an HTML page that says sorry.
    """
    media_type = _media_type(head)
    if media_type is None or not media_type.startswith(f"{kind}/"):
        raise NotMedia(f"expected {kind}, got {media_type or 'unknown bytes'}")
    return media_type, _EXTENSIONS[media_type]


def _media_type(head: bytes) -> str | None:
    if picture := pictures.type_of(head):
        return picture
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    # Matroska's header names its document type within the first few elements; only the web's profile is handed on.
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"\x42\x82\x84webm" in head[:128]:
        return "video/webm"
    return None


def _of_brand(brand: bytes) -> str | None:
    """By the major brand (ISO/IEC 14496-12, 4.3): encoders invent new ones for films all the time."""
    if brand in _PICTURES:
        return "image/avif"
    if brand == b"qt  ":
        return "video/quicktime"
    if brand in _OTHER_BRANDS or len(brand) < 4:
        return None
    return "video/mp4"
