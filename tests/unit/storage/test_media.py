"""An output is what its bytes say."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import films, pictures
from storage.domain.media import HEAD_BYTES, NotMedia, sniff

SEED = b"0123456789abcdef"


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    body = brand + b"\0\0\2\0" + b"".join(compatible)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + b"\0\0\0\x08free"


@pytest.mark.parametrize(
    ("head", "kind", "expected"),
    [
        (pictures.png(SEED, 32, 32), "image", ("image/png", "png")),
        (pictures.encoded(SEED, 32, 32, "jpeg"), "image", ("image/jpeg", "jpg")),
        (pictures.encoded(SEED, 32, 32, "webp"), "image", ("image/webp", "webp")),
        (b"GIF89a" + bytes(20), "image", ("image/gif", "gif")),
        (ftyp(b"avif", b"mif1"), "image", ("image/avif", "avif")),
        (ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "video", ("video/mp4", "mp4")),
        (ftyp(b"mp42", b"mp42", b"isom"), "video", ("video/mp4", "mp4")),
        (ftyp(b"iso5", b"iso5", b"iso6"), "video", ("video/mp4", "mp4")),
        (ftyp(b"dash"), "video", ("video/mp4", "mp4")),
        (ftyp(b"qt  "), "video", ("video/quicktime", "mov")),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video", ("video/webm", "webm")),
    ],
)
def test_what_providers_send_is_recognised(head: bytes, kind: str, expected: tuple[str, str]) -> None:
    assert sniff(head[:HEAD_BYTES], kind) == expected


@pytest.mark.parametrize("fragmented", [False, True])
def test_films_of_a_real_encoder_are_recognised(fragmented: bool) -> None:
    import io

    import av

    out = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if fragmented else {}
    with av.open(out, "w", format="mp4", options=options) as film:
        stream = film.add_stream("libx264", rate=1)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for packet in stream.encode(av.VideoFrame(64, 64, "yuv420p")):
            film.mux(packet)
        for packet in stream.encode(None):
            film.mux(packet)
    assert sniff(out.getvalue()[:HEAD_BYTES], "video") == ("video/mp4", "mp4")


def test_films_of_the_stand_ins_are_recognised() -> None:
    assert sniff(films.encode(films.Shape(64, 64, 1, audio=True))[:HEAD_BYTES], "video") == ("video/mp4", "mp4")


def test_a_matroska_file_of_another_profile_is_not_handed_on() -> None:
    with pytest.raises(NotMedia):
        sniff(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", "video")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<!doctype html><html>",
        b'{"error": "expired"}',
        b"<?xml version='1.0'?><Error/>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\x7fELF",
        ftyp(b"heic", b"mif1"),
        ftyp(b"M4A ", b"isom"),
        b"\0\0\0\x18ftyp",
    ],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_anything_else_is_refused(head: bytes, kind: str) -> None:
    with pytest.raises(NotMedia):
        sniff(head, kind)


def test_a_picture_is_no_film_and_the_other_way_round() -> None:
    with pytest.raises(NotMedia):
        sniff(pictures.png(SEED, 8, 8), "video")
    with pytest.raises(NotMedia):
        sniff(ftyp(b"isom"), "image")


@given(st.binary(max_size=200), st.sampled_from(["image", "video"]))
def test_no_bytes_make_it_stumble(head: bytes, kind: str) -> None:
    try:
        media_type, extension = sniff(head, kind)
    except NotMedia:
        return
    assert media_type.startswith(f"{kind}/")
    assert extension.isalnum()
