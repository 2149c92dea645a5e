"""Seedream 5.0 Lite: what clients send becomes what each route is told."""

from typing import Any

import pytest

from common.catalogue import InvalidParameter, Model, Request, load


def model() -> Model:
    found = load().find("doubao-seedream-5-0-lite")
    assert found is not None and found.id == "seedream-5.0-lite"
    return found


def asked(dialect: Any = "native", images: int = 0, **fields: Any) -> Request:
    return model().request(dialect, {"prompt": "a cat", **fields}, ["image"] * images)


def told(request: Request) -> dict[str, dict[str, Any]]:
    routes = model().routes_for(request.mode, request.parameters)
    return {one.provider: one.fields(request.mode, request.parameters, request.outputs) for one in routes}


def test_each_provider_is_told_of_a_wide_picture_in_its_own_words() -> None:
    request = asked(size="16:9", n=3)
    assert (request.sku, request.quantity) == ("seedream-5.0-lite:2k", 3)
    assert told(request) == {
        "ark": {"size": "2848x1600", "output_format": "png", "watermark": False},
        "fal": {"image_size": {"width": 2848, "height": 1600}, "num_images": 3},
        "replicate": {
            "size": "2K",
            "aspect_ratio": "16:9",
            "output_format": "png",
            "sequential_image_generation": "disabled",
        },
    }


def test_a_picture_without_wishes_is_a_square_of_2k() -> None:
    assert asked() == asked("openai") == asked("openai", size="auto") == asked(resolution="2K")
    assert asked().parameters == {"size": "2048x2048", "output_format": "png"}


def test_both_families_can_ask_for_the_same_frame() -> None:
    assert asked("openai", size="4096x2304") == asked(size="16:9", resolution="3k")
    assert asked("openai", size="3K").sku == "seedream-5.0-lite:3k"
    assert list(told(asked(resolution="3k"))) == ["ark", "fal"]


@pytest.mark.parametrize("size", ["1024x1024", "2544x1440", "4112x4096", "4704x1024", "2000x2001"])
def test_a_frame_that_the_providers_cannot_draw_is_refused(size: str) -> None:
    with pytest.raises(InvalidParameter, match="from 3686400 to 16777216 pixels"):
        asked("openai", size=size)


@pytest.mark.parametrize(
    ("images", "fields", "providers"),
    [
        (1, {}, ["ark", "fal", "replicate"]),
        (10, {"size": "2560x1440"}, ["ark", "fal"]),
        (11, {}, ["ark", "replicate"]),
        (14, {"size": "2560x1440"}, ["ark"]),
        (0, {"output_format": "jpg"}, ["ark", "replicate"]),
    ],
)
def test_references_and_wishes_choose_the_routes(images: int, fields: dict[str, Any], providers: list[str]) -> None:
    assert list(told(asked(images=images, **fields))) == providers


def test_fifteen_references_are_too_many() -> None:
    with pytest.raises(InvalidParameter, match="11-14 image"):
        asked(images=15)


def test_the_originals_fields_may_ask_for_what_happens_anyway() -> None:
    assert asked(watermark=False, sequential_image_generation="disabled") == asked()
    with pytest.raises(InvalidParameter):
        asked(sequential_image_generation="auto")
