"""How long and how large a film is, by the index it carries, read while it streams by.

A price may rest on what a customer said of a source that nobody had seen; the output is as long as that source.
Only MP4 and MOV are measured, and only those whose index knows their length: ISO/IEC 14496-12, 8.2, 8.3 and 8.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from storage.domain.media import NotMedia
from storage.domain.wholeness import Boxes

_MOST_INDEX_BYTES = 16 * 1024 * 1024
"""Three minutes at 60 frames a second, with sound, have a sixteenth of that."""


class MoreThanDeclared(Exception):  # noqa: N818 - a fact about the customer's source
    """The film is longer or larger than its price allows."""


@dataclass(frozen=True, slots=True)
class Measures:
    """A film's length, and its shorter edge in pixels."""

    ms: int
    edge: int


class Measured(Boxes):
    """Watches over a film like :class:`Boxes`, and lets none end that is more than it may be."""

    def __init__(self, most_ms: int, most_edge: int) -> None:
        super().__init__({b"moov"})
        self._most_ms, self._most_edge = most_ms, most_edge
        self._inside = range(0)
        """Where the index' boxes lie."""
        self._index = bytearray()

    def see(self, piece: bytes) -> None:
        """Keep what of the index is in this piece."""
        begin = self._seen
        super().see(piece)
        first = max(self._inside.start, begin) - begin
        self._index += piece[first : max(first, self._inside.stop - begin)]

    def check(self) -> None:
        """Whole, and no more than it may be. Raises MoreThanDeclared."""
        super().check()
        film = measure(bytes(self._index))
        if film.ms > self._most_ms or film.edge > self._most_edge:
            raise MoreThanDeclared(
                f"{film.ms} ms and {film.edge} pixels, of {self._most_ms} ms and {self._most_edge} pixels"
            )

    def _step(self, header: bytes) -> int | None:
        length = super()._step(header)
        if length is not None and header[4:8] == b"moov":
            if self._inside or length > _MOST_INDEX_BYTES:
                raise NotMedia("the film has more of an index than one of its length needs")
            self._inside = range(self._next + (16 if header[:4] == b"\0\0\0\1" else 8), self._next + length)
        return length


def measure(index: bytes) -> Measures:
    """What the inside of a ``moov`` box says. Raises NotMedia when it does not say it."""
    boxes = list(_boxes(index))
    if any(kind == b"mvex" for kind, _ in boxes):
        raise NotMedia("the film is in fragments, and its index does not know how many")
    tracks = [list(_boxes(body)) for kind, body in boxes if kind == b"trak"]
    clocks = [body for kind, body in boxes if kind == b"mvhd"]
    for media in (body for track in tracks for kind, body in track if kind == b"mdia"):
        clocks += [body for kind, body in _boxes(media) if kind == b"mdhd"]
    edges = [_edge(body) for track in tracks for kind, body in track if kind == b"tkhd"]
    film = Measures(max(map(_ms, clocks), default=0), max(edges, default=0))
    if not film.ms or not film.edge:
        raise NotMedia("the film's index does not say how long and how large it is")
    return film


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and inside of each box in there. Raises NotMedia when one is larger than what holds it."""
    at = 0
    while at + 8 <= len(body):
        length, kind, head = int.from_bytes(body[at : at + 4]), body[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(body[at + 8 : at + 16]), 16
        length = length or len(body) - at
        if not head <= length <= len(body) - at:
            raise NotMedia("the film's index is not in order")
        yield kind, body[at + head : at + length]
        at += length


def _ms(clock: bytes) -> int:
    """The length that an ``mvhd`` or ``mdhd`` states, rounded up; 0 when it states none."""
    wide = clock[:1] == b"\1"
    scale = int.from_bytes(clock[20:24] if wide else clock[12:16])
    length = clock[24:32] if wide else clock[16:20]
    unknown = length == b"\xff" * len(length)
    return 0 if not scale or unknown else -(-int.from_bytes(length) * 1000 // scale)


def _edge(track: bytes) -> int:
    """The shorter edge that a ``tkhd`` states, in whole pixels; 0 for sound."""
    whole = 96 if track[:1] == b"\1" else 84
    if len(track) < whole:
        return 0
    return min(int.from_bytes(track[whole - 8 : whole - 6]), int.from_bytes(track[whole - 4 : whole - 2]))
