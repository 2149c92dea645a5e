import hashlib
import io
import time

import pybase64
import pytest
from PIL import Image

from simulators import pictures
from simulators.links import seed_of


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (1536, 1024), (864, 496), (16, 16), (3840, 2160)])
def test_a_picture_is_a_png_of_the_asked_size(width: int, height: int):
    body = pictures.png(seed_of("a cat", width), width, height)
    with Image.open(io.BytesIO(body)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (width, height))


def test_a_picture_weighs_what_a_real_one_does():
    assert 60_000 < len(pictures.png(seed_of("a cat"), 1024, 1024)) < 110_000


def test_pictures_of_different_prompts_look_different():
    def looks(prompt: str) -> bytes:
        with Image.open(io.BytesIO(pictures.png(seed_of(prompt), 256, 256))) as picture:
            return picture.convert("RGB").tobytes()

    assert len({hashlib.sha256(looks(f"prompt {i}")).digest() for i in range(20)}) > 15
    assert looks("prompt 1") == looks("prompt 1")


def test_no_two_seeds_share_their_bytes():
    assert len({pictures.png(seed_of("same", i), 128, 128) for i in range(200)}) == 200


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("seed", [bytes(16), b"x" * 16, b"y" * 17])
def test_base64_is_that_of_the_bytes(seed: bytes, transparent: bool):
    encoded = pictures.png_base64(seed, 640, 480, transparent=transparent)
    assert pybase64.b64decode(encoded, validate=True) == pictures.png(seed, 640, 480, transparent=transparent)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_other_formats_decode_and_differ_by_seed(kind: str):
    one, other = (pictures.encoded(seed_of(i), 320, 256, kind) for i in range(2))
    assert one != other
    with Image.open(io.BytesIO(one)) as picture:
        picture.load()
        assert (picture.format, picture.size) == (kind.upper(), (320, 256))


def test_a_known_shape_costs_less_than_half_a_millisecond():
    pictures.png_base64(bytes(16), 1024, 1024)
    start = time.process_time()
    for i in range(200):
        pictures.png_base64(bytes([i, 0]) + bytes(14), 1024, 1024)
    assert (time.process_time() - start) / 200 < 0.0005
