"""A film is measured by its index while it streams by, wherever the index stands and however the pieces fall."""

import struct

import pytest

from simulators import films
from storage.domain.measure import Measured, Measures, MoreThanDeclared, measure
from storage.domain.media import NotMedia

from .test_wholeness import FTYP, box, film

PLENTY = (3_600_000, 10_000)


def watch(body: bytes, most: tuple[int, int] = PLENTY, step: int = 1 << 16) -> None:
    """As a pull does it."""
    watching = Measured(*most)
    for at in range(0, len(body), step):
        watching.see(body[at : at + step])
    watching.check()


def clock(seconds: int, *, wide: bool = False, scale: int = 1000) -> bytes:
    """The inside of an ``mvhd`` or ``mdhd``."""
    if wide:
        return b"\1\0\0\0" + bytes(16) + struct.pack(">IQ", scale, seconds * scale) + bytes(80)
    return bytes(4) + bytes(8) + struct.pack(">II", scale, seconds * scale) + bytes(80)


def track(width: int, height: int, seconds: int = 1, *, wide: bool = False) -> bytes:
    head = b"\1" + bytes(87) if wide else bytes(76)
    frame = struct.pack(">HHHH", width, 0, height, 0)
    return box(b"trak", box(b"tkhd", head + frame) + box(b"mdia", box(b"mdhd", clock(seconds))))


@pytest.fixture(scope="module")
def three_seconds() -> bytes:
    return films.encode(films.Shape(320, 180, 3, audio=True))


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_a_film_may_be_as_long_and_as_large_as_declared(three_seconds: bytes, step: int) -> None:
    watch(three_seconds, (3_500, 180), step)
    with pytest.raises(MoreThanDeclared, match="of 2500 ms"):
        watch(three_seconds, (2_500, 180), step)
    with pytest.raises(MoreThanDeclared, match="180 pixels"):
        watch(three_seconds, (3_500, 179), step)


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_the_index_may_stand_before_or_behind_the_pictures(container: str, options: dict[str, str]) -> None:
    body = film(container, "mpeg4", **options)  # twenty frames, five a second
    watch(body, (4_200, 64))
    with pytest.raises(MoreThanDeclared):
        watch(body, (3_800, 64))


def test_the_longest_clock_and_the_largest_picture_count() -> None:
    index = box(b"mvhd", clock(1)) + track(1080, 1920, 7) + track(0, 0, 3)
    assert measure(index) == Measures(7_000, 1080)
    assert measure(box(b"mvhd", clock(9, wide=True)) + track(640, 480, wide=True)) == Measures(9_000, 480)


def test_a_part_of_a_millisecond_counts_as_one() -> None:
    index = box(b"mvhd", bytes(12) + struct.pack(">II", 3, 1)) + track(64, 64, 0)
    assert measure(index).ms == 334


@pytest.mark.parametrize(
    "index",
    [
        b"",
        box(b"mvhd", clock(1)),
        track(640, 480, 0),
        box(b"mvhd", clock(0)) + track(640, 480, 0),
        box(b"mvhd", clock(1, scale=0)) + track(640, 480, 0),
        box(b"mvhd", bytes(12) + b"\0\0\3\xe8\xff\xff\xff\xff") + track(640, 480, 0),
        box(b"mvhd", b"\0\0\0") + track(640, 480, 0),
        box(b"mvhd", clock(1)) + track(640, 480) + box(b"mvex"),
        box(b"mvhd", clock(1)) + track(640, 480)[:-1],
        struct.pack(">I4s", 4, b"mvhd"),
    ],
)
def test_an_index_that_does_not_say_it_is_none(index: bytes) -> None:
    with pytest.raises(NotMedia):
        measure(index)
    with pytest.raises(NotMedia):
        watch(FTYP + box(b"moov", index))


def test_a_film_in_fragments_cannot_be_measured() -> None:
    with pytest.raises(NotMedia, match="fragments"):
        watch(film("mp4", "mpeg4", movflags="frag_keyframe+empty_moov"))


def test_two_indexes_or_a_monstrous_one_are_refused_before_they_fill_memory() -> None:
    moov = box(b"moov", box(b"mvhd", clock(1)) + track(64, 64))
    watch(FTYP + moov)
    with pytest.raises(NotMedia, match="index"):
        watch(FTYP + moov + moov)
    with pytest.raises(NotMedia, match="index"):
        Measured(*PLENTY).see(FTYP + struct.pack(">I4s", 1 << 30, b"moov"))


def test_a_film_cut_short_is_not_measured(three_seconds: bytes) -> None:
    with pytest.raises(NotMedia):
        watch(three_seconds[:-10])
