"""A whole output passes, whoever made it; one cut short anywhere does not."""

import io
import os
import struct
import tempfile
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import films, pictures
from storage.domain.media import HEAD_BYTES, NotMedia, sniff
from storage.domain.wholeness import outline

SEED = b"0123456789abcdef"


class Unseekable(io.RawIOBase):
    """A live encoder's output: what is written stays as it is."""

    def __init__(self) -> None:
        self.body = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.body += piece
        return len(piece)


def film(container: str, codec: str, *, live: bool = False, **options: str) -> bytes:
    with tempfile.NamedTemporaryFile() as file:  # faststart reads back what it wrote, by the file's name
        out: Any = Unseekable() if live else file.name
        encode(out, container, codec, options)
        return bytes(out.body) if live else file.read()


def encode(out: Any, container: str, codec: str, options: dict[str, str]) -> None:
    with av.open(out, "w", format=container, options=options) as made:
        stream: Any = made.add_stream(codec, rate=5)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(20):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(os.urandom(plane.buffer_size))
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))


def box(kind: bytes, body: bytes = b"", *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


def element(kind: str, body: bytes = b"") -> bytes:
    return bytes.fromhex(kind) + (len(body) | 1 << 56).to_bytes(8, "big") + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")
MOOV = box(b"moov", bytes(50))
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
WEBM = element("1a45dfa3", b"\x42\x82\x84webm")
TRACKS, CLUSTER = element("1654ae6b", bytes(20)), element("1f43b675", element("a3", bytes(40)))


def judge(body: bytes, kind: str, step: int = 1 << 18) -> None:
    """As a pull does it."""
    media_type, _ = sniff(body[:HEAD_BYTES], kind)
    watching = outline(media_type)
    for at in range(0, len(body), step):
        watching.see(body[at : at + step])
    watching.check()


def is_whole(body: bytes, kind: str, step: int = 1 << 18) -> bool:
    try:
        judge(body, kind, step)
    except NotMedia:
        return False
    return True


PICTURES = {
    "png": pictures.png(SEED, 64, 64),
    "jpeg": pictures.encoded(SEED, 64, 64, "jpeg"),
    "padded jpeg": pictures.encoded(SEED, 64, 64, "jpeg") + bytes(40),
    "webp": pictures.encoded(SEED, 64, 64, "webp"),
    "gif": GIF,
    "avif": box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta", bytes(80)) + box(b"mdat", bytes(200)),
}
FILMS = {
    "mp4": lambda: film("mp4", "libx264"),
    "faststart": lambda: film("mp4", "libx264", movflags="faststart"),
    "fragmented": lambda: film("mp4", "libx264", movflags="frag_keyframe+empty_moov+default_base_moof"),
    "a fragment a frame": lambda: film("mp4", "libx264", movflags="frag_every_frame+empty_moov"),
    "mov": lambda: film("mov", "libx264"),
    "webm": lambda: film("webm", "libvpx"),
    "stand-in": lambda: films.encode(films.Shape(64, 64, 1, audio=True)),
    "marked stand-in": lambda: films.marked(films.encode(films.Shape(64, 64, 1)), SEED),
    "wide mdat": lambda: FTYP + MOOV + box(b"mdat", bytes(300), wide=True),
    "mdat to the end": lambda: FTYP + MOOV + b"\0\0\0\0mdat" + bytes(300),
    "mdat first": lambda: FTYP + box(b"mdat", bytes(300)) + MOOV,
    "webm without sizes": lambda: WEBM + bytes.fromhex("1853806701ffffffffffffff") + TRACKS
    + 2 * (bytes.fromhex("1f43b675ff") + element("a3", bytes(40))),
}  # fmt: skip
CUT_ANYWHERE = ["mp4", "faststart", "mov", "webm", "stand-in", "wide mdat", "mdat first"]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("step", [1, 7, 1 << 18])
def test_a_whole_picture_passes(name: str, step: int) -> None:
    judge(PICTURES[name], "image", step)


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "padded jpeg"])
def test_a_picture_cut_short_is_none(name: str) -> None:
    body = PICTURES[name]
    for length in {len(body) // 2, len(body) - 1, len(body) * 9 // 10}:
        assert not is_whole(body[:length], "image"), length


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("step", [1, 13, 1 << 18])
def test_a_whole_film_passes(name: str, step: int) -> None:
    judge(FILMS[name](), "video", step)


def test_a_film_of_a_live_encoder_passes() -> None:
    judge(film("webm", "libvpx", live=True), "video")


@pytest.mark.parametrize("name", CUT_ANYWHERE)
def test_a_film_cut_short_is_none(name: str) -> None:
    body = FILMS[name]()
    for length in {len(body) - 1, len(body) // 2, len(body) * 9 // 10, 40}:
        assert not is_whole(body[:length], "video"), length


@pytest.mark.parametrize(
    "body",
    [
        FTYP + box(b"mdat", os.urandom(5000)),
        FTYP + os.urandom(5000),
        FTYP,
        FTYP + MOOV + b"\0\0\0\4mdat",
        FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 9),
        FTYP + MOOV + b"\0\0",
        WEBM,
        WEBM + element("18538067", TRACKS),
        WEBM + element("18538067", TRACKS + CLUSTER)[:-1],
        WEBM + bytes(100),
    ],
    ids=["no moov", "noise", "ftyp alone", "tiny box", "tiny wide box", "half a header", "header alone",
         "no cluster", "cut cluster", "zeros"],
)  # fmt: skip
def test_what_only_begins_like_a_film_is_none(body: bytes) -> None:
    assert not is_whole(body, "video")


def test_a_film_of_endless_parts_is_given_up() -> None:
    watching = outline("video/mp4")
    with pytest.raises(NotMedia):
        for _ in range(1_000):
            watching.see(box(b"free") * 1_000)


@given(st.binary(max_size=300), st.sampled_from([FTYP, FTYP + MOOV, WEBM, WEBM + TRACKS]), st.integers(1, 50))
def test_no_bytes_make_it_stumble_and_pieces_do_not_matter(noise: bytes, begin: bytes, step: int) -> None:
    assert is_whole(begin + noise, "video", step) == is_whole(begin + noise, "video")
