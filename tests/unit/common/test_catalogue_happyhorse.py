"""Happy Horse 1.0: what clients send becomes what each route is told."""

from typing import Any

import pytest

from common.catalogue import InvalidParameter, Model, Request, load


def model() -> Model:
    found = load().find("happyhorse-1.0-official")
    assert found is not None and found.id == "happyhorse-1.0"
    return found


def asked(*inputs: str, dialect: Any = "native", **fields: Any) -> Request:
    return model().request(dialect, {"prompt": "a horse", **fields}, inputs)


def told(request: Request) -> dict[str, dict[str, Any]]:
    routes = model().routes_for(request.mode, request.parameters)
    return {one.provider: one.fields(request.mode, request.parameters, request.outputs) for one in routes}


def test_each_provider_is_told_of_a_tall_film_in_its_own_words() -> None:
    request = asked(size="9:16", resolution="720P", duration=7, seed=4)
    assert (request.mode, request.sku, request.quantity) == ("text", "happyhorse-1.0:720p", 7)
    same = {"duration": 7, "seed": 4}
    assert told(request) == {
        "dashscope": {**same, "resolution": "720P", "ratio": "9:16", "watermark": False},
        "fal": {**same, "resolution": "720p", "aspect_ratio": "9:16"},
        "replicate": {**same, "resolution": "720p", "aspect_ratio": "9:16"},
    }


def test_with_a_first_frame_nobody_is_told_a_ratio() -> None:
    request = asked("first_frame")
    assert (request.mode, request.sku, request.quantity) == ("first_frame", "happyhorse-1.0:1080p", 5)
    assert told(request) == {
        "dashscope": {"duration": 5, "resolution": "1080P", "watermark": False},
        "fal": {"duration": 5, "resolution": "1080p"},
        "replicate": {"duration": 5, "resolution": "1080p"},
    }


@pytest.mark.parametrize("count", [1, 9])
def test_references_go_where_they_are_taken(count: int) -> None:
    request = asked(*["reference"] * count)
    assert (request.mode, list(told(request))) == ("references", ["dashscope", "fal"])


@pytest.mark.parametrize("inputs", [["first_frame", "reference"], ["reference"] * 10, ["first_frame"] * 2])
def test_other_mixtures_are_refused(inputs: list[str]) -> None:
    with pytest.raises(InvalidParameter, match="1-9 reference"):
        asked(*inputs)


def test_openais_clients_ask_in_pixels_and_texts() -> None:
    assert asked(dialect="openai", size="720x1280", seconds="7") == asked(
        aspect_ratio="9:16", resolution="720p", duration=7
    )
    assert asked(dialect="openai") == asked(resolution="1080P", size="16:9", duration=5)


@pytest.mark.parametrize("fields", [{"duration": 2}, {"duration": 16}, {"resolution": "480p"}, {"size": "4:5"}])
def test_what_the_model_cannot_do_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(fields))):
        asked(**fields)


def test_the_originals_fields_may_ask_for_what_happens_anyway() -> None:
    assert asked(watermark=False) == asked()
    with pytest.raises(InvalidParameter):
        asked(watermark=True)


@pytest.mark.parametrize(
    ("field", "role"),
    [("first_frame_image", "first_frame"), ("image_urls", "reference"), ("video_url", None)],
)
def test_the_originals_media_have_roles_and_a_source_has_none(field: str, role: str | None) -> None:
    assert model().input_role("native", field) == role
