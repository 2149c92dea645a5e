"""Size rules, searched for the case nobody thought of."""

import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from common.catalogue import InvalidParameter, load
from common.catalogue.sizes import Frame, nearest_ratio, read_frame, read_ratio

IMAGE = next(model for model in load().models if model.id == "gpt-image-2")
VIDEO = next(model for model in load().models if model.id == "seedance-2.0")
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9")


def drawable(width: int, height: int) -> bool:
    """The rule as the provider states it, written a second time."""
    in_steps = width % 16 == 0 and height % 16 == 0
    in_shape = width * 3 >= height and height * 3 >= width
    return in_steps and in_shape and max(width, height) <= 3840 and 0 < width * height <= 8_294_400


@given(st.integers(0, 260), st.integers(0, 260), st.sampled_from([16, 16, 16, 15]))
@example(240, 135, 16)
@example(80, 240, 16)
@example(64, 64, 16)
def test_exactly_the_drawable_sizes_are_taken_and_have_one_price(across: int, down: int, step: int) -> None:
    width, height = across * step, down * step
    try:
        request = IMAGE.request("openai", {"prompt": "x", "size": f"{width}x{height}"})
    except InvalidParameter as refused:
        assert not drawable(width, height)
        assert refused.param == "size"
    else:
        assert drawable(width, height)
        assert request.parameters["size"] == f"{width}x{height}"
        assert request.sku in IMAGE.seed_prices


@given(st.integers(64, 8192), st.integers(64, 8192))
def test_every_frame_of_a_video_has_the_nearest_ratio_and_one_price(width: int, height: int) -> None:
    request = VIDEO.request("openai", {"prompt": "x", "size": f"{width}x{height}"})
    chosen = read_ratio(str(request.parameters["aspect_ratio"]))
    assert chosen is not None
    distances = [abs(math.log(width / height / (read_ratio(ratio) or 0))) for ratio in RATIOS]
    assert math.isclose(abs(math.log(width / height / chosen)), min(distances), abs_tol=1e-12)
    assert request.sku in VIDEO.seed_prices


@given(st.sampled_from(RATIOS), st.integers(1, 40))
def test_a_frame_of_an_exact_ratio_keeps_it(ratio: str, scale: int) -> None:
    width, height = (int(part) * scale for part in ratio.split(":"))
    assert nearest_ratio(Frame(width, height), RATIOS) == ratio


@given(
    st.one_of(
        st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text()), st.dictionaries(st.text(), st.text())
    )
)
@example("0x16")
@example("016x0016")
@example("١٦x١٦")
@example("1024x1024\n")
def test_no_value_whatever_is_more_than_refused(value: Any) -> None:
    for model, dialect in [(IMAGE, "openai"), (IMAGE, "native"), (VIDEO, "openai"), (VIDEO, "native")]:
        for field in ("size", "resolution", "seconds", "duration", "quality", "generate_audio", "n", "prompt"):
            try:
                model.request(dialect, {"prompt": "x"} | {field: value})  # type: ignore[arg-type]
            except InvalidParameter as refused:
                assert refused.param in {field, "prompt"}


@given(st.text())
def test_a_frame_reads_back_as_it_is_written(text: str) -> None:
    frame = read_frame(text)
    assert frame is None or read_frame(str(frame)) == frame
