"""Google's image models: what clients send becomes what each route is told."""

from typing import Any

import pytest

from common.catalogue import InvalidParameter, Model, Request, load

PRO, FLASH, FLASH_2_5 = "gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-2.5-flash-image"


def model(name: str) -> Model:
    found = load().find(name)
    assert found is not None
    return found


def ask(name: str, dialect: Any = "openai", /, images: int = 0, **fields: Any) -> Request:
    return model(name).request(dialect, {"prompt": "a cat", **fields}, {"image": images} if images else {})


def told(request: Request) -> dict[str, tuple[str, dict[str, Any]]]:
    """What each route that carries it would be told, and where."""
    routes = model(request.model).routes_for(request.mode, request.parameters)
    return {
        route.provider: (
            route.upstream[request.mode],
            route.fields(request.mode, request.parameters, min(request.outputs, route.outputs_per_call)),
        )
        for route in routes
    }


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("gemini-3-pro-image-preview", PRO),
        ("nano-banana-pro", PRO),
        ("gemini-3.1-flash-image-preview", FLASH),
        ("nano-banana-2", FLASH),
        ("gemini-2.5-flash-image-preview", FLASH_2_5),
        ("gemini-2.5-flash-image-preview-official", FLASH_2_5),
        ("nano-banana", FLASH_2_5),
    ],
)
def test_models_answer_to_the_names_clients_already_use(name: str, id_: str) -> None:
    assert model(name).id == id_


def test_an_edit_in_a_frame_is_told_to_each_provider_in_its_own_words() -> None:
    request = ask(PRO, "native", images=2, size="16:9", resolution="4k", n=3)
    assert (request.mode, request.sku, request.quantity) == ("edit", "gemini-3-pro-image:4K", 3)
    ours = {"aspectRatio": "16:9", "imageSize": "4K"}
    theirs = {"aspect_ratio": "16:9", "resolution": "4K"}
    assert told(request) == {
        "gemini": ("gemini-3-pro-image", ours),
        "vertex": ("gemini-3-pro-image", ours),
        "fal": ("fal-ai/nano-banana-pro/edit", {**theirs, "num_images": 3}),
        "replicate": ("google/nano-banana-pro", theirs),
    }


def test_a_format_is_told_to_all_but_the_one_that_has_no_field_for_it() -> None:
    assert told(ask(FLASH, size="512x512", output_format="jpeg")) == {
        "vertex": (
            FLASH,
            {"aspectRatio": "1:1", "imageSize": "512", "imageOutputOptions.mimeType": "image/jpeg"},
        ),
        "fal": (
            "fal-ai/nano-banana-2",
            {"aspect_ratio": "1:1", "resolution": "0.5K", "output_format": "jpeg", "num_images": 1},
        ),
    }


def test_the_model_of_one_size_is_told_no_size() -> None:
    assert told(ask(FLASH_2_5, "native", size="3:4", resolution="1k")) == {
        "gemini": (FLASH_2_5, {"aspectRatio": "3:4"}),
        "vertex": (FLASH_2_5, {"aspectRatio": "3:4"}),
        "fal": ("fal-ai/nano-banana", {"aspect_ratio": "3:4", "num_images": 1}),
        "replicate": ("google/nano-banana", {"aspect_ratio": "3:4"}),
    }


@pytest.mark.parametrize("fields", [{}, {"size": "auto"}, {"size": "AUTO", "quality": "auto", "background": "auto"}])
def test_a_frame_left_open_is_left_to_the_model(fields: dict[str, str]) -> None:
    request = ask(PRO, images=1, **fields)
    assert request.parameters == {"resolution": "1K"}
    assert told(request)["gemini"] == (PRO, {"imageSize": "1K"})


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        (PRO, "1024x1024", {"aspect_ratio": "1:1", "resolution": "1K"}),
        (PRO, "1536x1024", {"aspect_ratio": "3:2", "resolution": "1K"}),
        (PRO, "1920x1080", {"aspect_ratio": "16:9", "resolution": "2K"}),
        (PRO, "3840x2160", {"aspect_ratio": "16:9", "resolution": "4K"}),
        (FLASH, "512x512", {"aspect_ratio": "1:1", "resolution": "512"}),
        (FLASH_2_5, "1792x1024", {"aspect_ratio": "16:9", "resolution": "1K"}),
    ],
)
def test_a_frame_in_pixels_is_the_nearest_ratio_and_a_tier(name: str, size: str, parameters: dict[str, str]) -> None:
    assert ask(name, size=size).parameters == parameters


@pytest.mark.parametrize(
    ("name", "dialect", "images", "fields"),
    [
        (PRO, "native", 0, {"size": "1:8"}),
        (PRO, "native", 0, {"resolution": "0.5k"}),
        (PRO, "native", 15, {}),
        (PRO, "native", 0, {"google_search": True}),
        (PRO, "native", 0, {"n": 5}),
        (FLASH_2_5, "native", 4, {}),
        (FLASH_2_5, "native", 0, {"resolution": "2k"}),
        (FLASH_2_5, "openai", 0, {"size": "3840x2160"}),
        (FLASH, "openai", 0, {"size": "1024x1024", "resolution": "2K"}),
        (FLASH, "openai", 0, {"output_format": "webp"}),
    ],
)
def test_what_a_model_cannot_do_is_refused(name: str, dialect: str, images: int, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        ask(name, dialect, images=images, **fields)


def test_strips_are_drawn_by_the_model_that_can() -> None:
    request = ask(FLASH, "native", size="8:1", resolution="0.5k", official_fallback=True)
    assert request.sku == "gemini-3.1-flash-image:512"
    assert list(told(request)) == ["gemini", "vertex", "fal"]
