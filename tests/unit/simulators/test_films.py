import io
import time

import av
import pytest

from simulators.films import Shape, Studio, encode, marked
from support.quickest import quickest_s


def _decoded(body: bytes) -> tuple[int, int, int, float, int, list[bool]]:
    with av.open(io.BytesIO(body)) as film:
        stream = film.streams.video[0]
        frames = list(film.decode(video=0))
        keys = [bool(frame.key_frame) for frame in frames]
        return (
            frames[0].width,
            frames[0].height,
            len(frames),
            float(stream.average_rate),
            len(film.streams.audio),
            keys,
        )


@pytest.mark.parametrize(
    "shape",
    [
        Shape(1280, 720, 5),
        Shape(720, 1280, 4, audio=True),
        Shape(1112, 834, 5),
        Shape(1470, 630, 4),
        Shape(864, 496, 15),
    ],
    ids=str,
)
def test_a_film_decodes_with_its_size_rate_and_length(shape: Shape):
    width, height, frames, rate, sounds, keys = _decoded(marked(encode(shape), b"seed"))
    assert (width, height, frames, rate) == (shape.width, shape.height, 24 * shape.seconds, 24.0)
    assert sounds == int(shape.audio)
    assert keys[0]
    assert sum(keys) == shape.seconds


def test_sound_lasts_as_long_as_the_film():
    with av.open(io.BytesIO(encode(Shape(640, 640, 4, audio=True)))) as film:
        samples = sum(frame.samples for frame in film.decode(audio=0))
    assert samples / 44_100 == pytest.approx(4, abs=0.1)


def test_something_moves():
    with av.open(io.BytesIO(encode(Shape(640, 640, 1)))) as film:
        frames = [bytes(frame.planes[0]) for frame in film.decode(video=0)]
    assert len(set(frames)) > 12


def test_five_seconds_of_720p_cost_well_under_a_second():
    start = time.process_time()
    encode(Shape(1280, 720, 5, audio=True))
    assert time.process_time() - start < 0.6


async def test_a_shape_is_encoded_once_and_each_copy_is_its_own():
    studio = Studio()
    first = await studio.film(Shape(320, 240, 2), b"one")
    second = await studio.film(Shape(320, 240, 2), b"two")
    assert await quickest_s(lambda: studio.film(Shape(320, 240, 2), b"three")) < 0.005
    assert first != second
    assert _decoded(second)[2] == 48
