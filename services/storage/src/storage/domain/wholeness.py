"""Whether an output is whole, told while it streams by: only its outline is looked at, and nothing of it is kept.

Pictures must have their end mark. Films are walked from one outer element to the next by the sizes these state, and
must end where the last one does: ISO/IEC 14496-12, 4.2 (MP4, MOV, AVIF) and RFC 8794, 4 to 6 (WebM).
"""

from abc import ABC, abstractmethod
from typing import Protocol

from common import pictures
from storage.domain.media import NotMedia

_MOST_ELEMENTS = 500_000
"""Of one film. Ten minutes in fragments of one frame have a fifth of that."""


class Outline(Protocol):
    """Looks at an output as it passes."""

    def see(self, piece: bytes) -> None:
        """The next bytes, in order. Raises NotMedia when they cannot go on like this."""

    def check(self) -> None:
        """All has passed. Raises NotMedia unless it was whole."""


def outline(media_type: str) -> Outline:
    """What watches over an output of this type."""
    match media_type:
        case "video/webm":
            return Elements()
        case "video/mp4" | "video/quicktime":
            return Boxes({b"moov"})
        case "image/avif":
            return Boxes({b"meta", b"moov"})
        case _:
            return Marks()


class Marks:
    """A picture with an end mark."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._size_bytes = 0

    def see(self, piece: bytes) -> None:
        """Remember the first and the last few bytes."""
        self._size_bytes += len(piece)
        self._head += piece[: pictures.HEAD_BYTES - len(self._head)]
        self._tail = (self._tail + piece[-pictures.TAIL_BYTES :])[-pictures.TAIL_BYTES :]

    def check(self) -> None:
        """The end mark must be there."""
        if not pictures.is_whole(self._head, self._tail, self._size_bytes):
            raise NotMedia("the picture has no end")


class _Walk(ABC):
    """From one header to the next; what lies between is passed over."""

    _LONGEST_HEADER = 16

    def __init__(self) -> None:
        self._seen = 0
        self._next = 0
        """Where the next header begins."""
        self._header = bytearray()
        """What of it has come."""
        self._count = 0
        self._to_the_end = False
        """Whatever follows belongs to the last element."""

    def see(self, piece: bytes) -> None:
        """Find the headers in this piece."""
        begin, self._seen = self._seen, self._seen + len(piece)
        while not self._to_the_end and self._next + len(self._header) < self._seen:
            at = self._next + len(self._header) - begin
            self._header += piece[at : at + self._LONGEST_HEADER - len(self._header)]
            length = self._step(bytes(self._header))
            if length is None:
                return  # the rest of this header is in the next piece
            self._header.clear()
            self._next += length
            self._count += 1
            if self._count > _MOST_ELEMENTS:
                raise NotMedia("the film has too many parts")

    def check(self) -> None:
        """The last element must end where the bytes do."""
        if self._header or (self._next != self._seen and not self._to_the_end):
            raise NotMedia("the film breaks off")

    @abstractmethod
    def _step(self, header: bytes) -> int | None:
        """How far it is to the next header; None when this one is not complete."""


class Boxes(_Walk):
    """MP4 and its relatives: ``ftyp``, and one of the boxes that say where the pictures are."""

    def __init__(self, one_of: set[bytes]) -> None:
        super().__init__()
        self._one_of = one_of
        self._found: set[bytes] = set()

    def check(self) -> None:
        """The boxes without which nothing can be played must have come."""
        super().check()
        if b"ftyp" not in self._found or not self._found & self._one_of:
            raise NotMedia("the film has no index")

    def _step(self, header: bytes) -> int | None:
        if len(header) < 8:
            return None
        length, kind, least = int.from_bytes(header[:4], "big"), header[4:8], 8
        if length == 1:  # the true size follows, in 64 bits
            if len(header) < 16:
                return None
            length, least = int.from_bytes(header[8:16], "big"), 16
        if kind in self._one_of or kind == b"ftyp":
            self._found.add(kind)
        if length == 0:
            self._to_the_end = True
            return least
        if length < least:
            raise NotMedia("the film has a box smaller than its own header")
        return length


_SEGMENT, _TRACKS, _CLUSTER = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"


class Elements(_Walk):
    """WebM: a segment with tracks and at least one cluster.

    A segment is always entered, a cluster when it does not say its size (as live encoders write it): what is in it
    says its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: set[bytes] = set()
        self._segment_end: int | None = None

    def check(self) -> None:
        """Tracks and a cluster must have come, and the segment must be all there."""
        if self._segment_end is None:
            super().check()
        elif self._segment_end > self._seen:
            raise NotMedia("the film breaks off")
        if not {_SEGMENT, _TRACKS, _CLUSTER} <= self._found:
            raise NotMedia("the film has no pictures")

    def _step(self, header: bytes) -> int | None:
        id_length = _vint_length(header[0], most=4)
        if len(header) <= id_length:
            return None
        size_length = _vint_length(header[id_length], most=8)
        length = id_length + size_length
        if len(header) < length:
            return None
        kind, size = header[:id_length], _vint(header[id_length:length])
        if kind in {_SEGMENT, _TRACKS, _CLUSTER}:
            self._found.add(kind)
        if kind == _SEGMENT and size is not None:
            self._segment_end = self._next + length + size
        if kind == _SEGMENT or (kind == _CLUSTER and size is None):
            return length
        if size is None:
            raise NotMedia("the film has a part without a size")
        # Behind the segment may be anything: players stop there.
        self._to_the_end = self._segment_end is not None and self._next + length + size >= self._segment_end
        return length + size


def _vint_length(first: int, *, most: int) -> int:
    """By the leading zero bits of the first byte."""
    length = 9 - first.bit_length()
    if length > most:
        raise NotMedia("the film is not what it began as")
    return length


def _vint(field: bytes) -> int | None:
    """A size; None for the pattern that says "unknown"."""
    marker = 1 << 7 * len(field)
    size = int.from_bytes(field, "big") & (marker - 1)
    return None if size == marker - 1 else size
