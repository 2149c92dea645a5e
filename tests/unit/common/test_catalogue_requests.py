"""What the shipped models make of what clients send."""

from typing import Any

import pytest

from common.catalogue import InvalidParameter, Model, Request, load

SECRET = "the-canary-in-the-coal-mine"


def model(name: str) -> Model:
    found = load().find(name)
    assert found is not None
    return found


def image(dialect: Any = "openai", /, **fields: Any) -> Request:
    return model("gpt-image-2").request(dialect, {"prompt": "a cat", **fields})


def video(dialect: Any = "openai", /, *inputs: str, **fields: Any) -> Request:
    return model("seedance-2.0").request(dialect, {"prompt": "a cat", **fields}, inputs)


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("gpt-image-2", "gpt-image-2"),
        ("gpt-image-2-2026-04-21", "gpt-image-2"),
        ("gpt-image-2-official", "gpt-image-2"),
        ("doubao-seedance-2.0", "seedance-2.0"),
        ("doubao-seedance-2.0-official", "seedance-2.0"),
        ("dreamina-seedance-2-0-260128", "seedance-2.0"),
    ],
)
def test_models_answer_to_the_names_clients_already_use(name: str, id_: str) -> None:
    assert model(name).id == id_


def test_an_unknown_model_is_none() -> None:
    assert load().find("GPT-5") is None


def test_an_image_without_wishes_is_a_medium_square() -> None:
    assert image() == Request(
        model="gpt-image-2",
        mode="text",
        parameters={
            "size": "1024x1024",
            "quality": "medium",
            "background": "auto",
            "output_format": "png",
            "moderation": "auto",
        },
        texts={"prompt": "a cat"},
        sku="gpt-image-2:1mp:medium",
        quantity=1,
        outputs=1,
    )


def test_auto_is_decided_before_the_price() -> None:
    assert image(size="auto", quality="auto") == image()


@pytest.mark.parametrize(
    ("size", "quality", "sku"),
    [
        ("1024x1024", "low", "gpt-image-2:1mp:low"),
        ("1536x1024", "high", "gpt-image-2:2mp:high"),
        ("1920x1088", "medium", "gpt-image-2:2mp:medium"),
        ("1088X1936", "medium", "gpt-image-2:4mp:medium"),
        ("2560x1440", "low", "gpt-image-2:4mp:low"),
        ("3840x2160", "high", "gpt-image-2:8mp:high"),
    ],
)
def test_an_image_is_sold_by_size_class_and_quality(size: str, quality: str, sku: str) -> None:
    assert image(size=size, quality=quality).sku == sku


def test_each_image_is_one_unit() -> None:
    request = image(n="3")
    assert (request.outputs, request.quantity) == (3, 3)
    assert "n" not in request.parameters


def test_original_clients_name_a_ratio_and_a_resolution() -> None:
    assert image("native", size="16:9", resolution="2K").parameters["size"] == "2560x1440"
    assert image("native", size="9:16").parameters["size"] == "720x1280"
    assert image("native", resolution="2k").parameters["size"] == "1920x1920"
    assert image("native", size="auto", resolution="1k").parameters["size"] == "1024x1024"
    assert image("native", size="2048x1152").parameters["size"] == "2048x1152"


def test_a_resolution_of_the_original_is_one_price_class() -> None:
    presets = model("gpt-image-2").translations[0]
    assert presets.rule == "presets"
    for tier, size_class in [("1k", "1mp"), ("2k", "4mp"), ("4k", "8mp")]:
        for ratio in presets.sizes[tier]:
            assert image("native", size=ratio, resolution=tier).sku == f"gpt-image-2:{size_class}:medium"


@pytest.mark.parametrize(
    ("dialect", "fields", "param", "code", "says"),
    [
        ("openai", {"size": "1000x1000"}, "size", "invalid_value", "divisible by 16"),
        ("openai", {"size": "16:9"}, "size", "invalid_value", "WIDTHxHEIGHT"),
        ("openai", {"size": 1024}, "size", "invalid_value", "WIDTHxHEIGHT"),
        ("openai", {"size": SECRET}, "size", "invalid_value", "8294400"),
        ("openai", {"n": 0}, "n", "invalid_value", "from 1 to 10"),
        ("openai", {"n": True}, "n", "invalid_value", "whole number"),
        ("openai", {"n": "9" * 5000}, "n", "invalid_value", "whole number"),
        ("openai", {"n": "１"}, "n", "invalid_value", "whole number"),
        ("openai", {"n": 1.5}, "n", "invalid_value", "whole number"),
        ("openai", {"n": float("inf")}, "n", "invalid_value", "whole number"),
        ("openai", {"quality": SECRET}, "quality", "invalid_value", "auto, low, medium, high"),
        ("openai", {"quality": ["low"]}, "quality", "invalid_value", "auto, low, medium, high"),
        ("openai", {"resolution": "2k"}, "resolution", "unknown_parameter", "no parameter"),
        ("openai", {SECRET + " \ud800": 1}, None, "unknown_parameter", "does not know"),
        ("openai", {"prompt": None}, "prompt", "missing_required_parameter", "required"),
        ("openai", {"prompt": "  "}, "prompt", "invalid_value", "empty"),
        ("openai", {"prompt": {"text": SECRET}}, "prompt", "invalid_value", "string"),
        ("openai", {"prompt": SECRET * 2000}, "prompt", "invalid_value", "32000"),
        ("openai", {"user": SECRET + "\ud800"}, "user", "invalid_value", "Unicode"),
        (
            "openai",
            {"background": "transparent", "output_format": "jpeg"},
            "background",
            "invalid_value",
            "png or webp",
        ),
        ("openai", {"output_compression": 50}, "output_compression", "invalid_value", "jpeg or webp"),
        ("native", {"size": "4:3", "resolution": "4k"}, "size", "invalid_value", "21:9"),
        ("native", {"size": "7:5"}, "size", "invalid_value", "16:9"),
        ("native", {"size": "16:9", "resolution": "8k"}, "resolution", "invalid_value", "1k, 2k, 4k"),
        ("native", {"size": "1024x1024", "resolution": "2k"}, "resolution", "invalid_value", "ratio"),
        ("native", {"resolution": ["2k"]}, "resolution", "invalid_value", "1k, 2k, 4k"),
    ],
)
def test_what_an_image_cannot_be_is_said_by_the_clients_own_name_and_never_quoted(
    dialect: Any, fields: dict[str, Any], param: str | None, code: str, says: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        image(dialect, **fields)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert says in refused.value.message
    assert SECRET not in str(refused.value)


def test_texts_are_given_apart_from_parameters() -> None:
    request = image(user="u-1", safety_identifier="s-1")
    assert request.texts == {"prompt": "a cat", "user": "u-1", "safety_identifier": "s-1"}
    assert not set(request.texts) & set(request.parameters)


def test_a_video_without_wishes_is_five_seconds_of_720p() -> None:
    assert video("native") == Request(
        model="seedance-2.0",
        mode="text",
        parameters={"duration": 5, "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": True},
        texts={"prompt": "a cat"},
        sku="seedance-2.0:720p",
        quantity=5,
        outputs=1,
    )


def test_both_families_can_ask_for_the_same_video() -> None:
    spoken = video("openai", seconds="8", size="1080x1920", generate_audio="false", seed="7")
    native = video("native", duration=8, resolution="1080P", ratio="9:16", generate_audio=False, seed=7)
    assert spoken == native
    assert (spoken.sku, spoken.quantity) == ("seedance-2.0:1080p", 8)


@pytest.mark.parametrize(
    ("size", "ratio", "resolution"),
    [
        ("1280x720", "16:9", "720p"),
        ("720x1280", "9:16", "720p"),
        ("1024x1792", "9:16", "1080p"),
        ("1792x1024", "16:9", "1080p"),
        ("864x496", "16:9", "480p"),
        ("640x500", "4:3", "480p"),
        ("640x501", "4:3", "720p"),
        ("899x899", "1:1", "720p"),
        ("900x900", "1:1", "1080p"),
        ("1199x1600", "3:4", "1080p"),
        ("3840x2160", "16:9", "4k"),
        ("2560x1080", "21:9", "1080p"),
    ],
)
def test_a_frame_in_pixels_becomes_the_nearest_ratio_and_a_tier(size: str, ratio: str, resolution: str) -> None:
    parameters = video("openai", size=size).parameters
    assert (parameters["aspect_ratio"], parameters["resolution"]) == (ratio, resolution)


@pytest.mark.parametrize(
    ("inputs", "mode"),
    [((), "text"), (("first_frame",), "first_frame"), (("first_frame", "last_frame"), "first_last_frame")],
)
def test_the_mode_follows_from_the_inputs(inputs: tuple[str, ...], mode: str) -> None:
    assert video("native", *inputs).mode == mode


@pytest.mark.parametrize("inputs", [("last_frame",), ("first_frame", "first_frame"), ("reference",)])
def test_inputs_that_make_no_mode_are_refused(inputs: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter):
        video("native", *inputs)


def test_a_lone_last_frame_is_blamed_on_its_field() -> None:
    with pytest.raises(InvalidParameter) as refused:
        video("native", "last_frame")
    assert refused.value.param == "last_frame_image"
    assert "1 first_frame and 1 last_frame" in refused.value.message


def test_an_image_model_takes_no_frames() -> None:
    with pytest.raises(InvalidParameter):
        model("gpt-image-2").request("openai", {"prompt": "a cat"}, {"first_frame"})


def test_input_fields_have_roles() -> None:
    assert model("seedance-2.0").input_role("openai", "input_reference") == "first_frame"
    assert model("seedance-2.0").input_role("native", "last_frame_image") == "last_frame"
    assert model("seedance-2.0").input_role("native", "prompt") is None


@pytest.mark.parametrize(
    ("dialect", "fields", "param"),
    [
        ("openai", {"seconds": "3"}, "seconds"),
        ("openai", {"seconds": "8", "duration": 8}, "duration"),
        ("openai", {"size": "1280x720", "resolution": "720p"}, "resolution"),
        ("openai", {"size": "10x10"}, "size"),
        ("openai", {"size": "99999x9999"}, "size"),
        ("native", {"seconds": "8"}, "seconds"),
        ("native", {"duration": -1}, "duration"),
        ("native", {"size": "adaptive"}, "size"),
        ("native", {"ratio": "16:9", "size": "16:9"}, "size"),
        ("native", {"generate_audio": "yes"}, "generate_audio"),
        ("native", {"return_last_frame": True}, "return_last_frame"),
        ("native", {"n": 2}, "n"),
        ("native", {"watermark": {"a": 1}}, "watermark"),
    ],
)
def test_what_a_video_cannot_be_is_said_by_the_clients_own_name(dialect: Any, fields: Any, param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        video(dialect, **fields)
    assert refused.value.param == param


def test_fields_of_older_clients_may_ask_for_what_happens_anyway() -> None:
    assert video("native", watermark="false", nsfw_checker=True, n=1) == video("native")


def test_the_schema_lists_what_each_family_may_send() -> None:
    spoken = model("seedance-2.0").parameters_schema("openai")
    native = model("seedance-2.0").parameters_schema("native", "ja")
    assert {"seconds", "size", "input_reference"} <= set(spoken["properties"])
    assert {"duration", "resolution", "aspect_ratio", "first_frame_image"} <= set(native["properties"])
    assert spoken["required"] == native["required"] == ["prompt"]
    assert native["properties"]["duration"]["title"] == "長さ(秒)"
    assert model("gpt-image-2").parameters_schema("openai")["properties"]["quality"]["default"] == "medium"
