"""Seedance 2.0 and its fast tier: references, their price, and what each route is told."""

from typing import Any

import pytest

from common.catalogue import InvalidParameter, Model, Request, load


def model(name: str = "seedance-2.0") -> Model:
    found = load().find(name)
    assert found is not None
    return found


def asked(name: str = "seedance-2.0", images: int = 0, videos: int = 0, audios: int = 0, **fields: Any) -> Request:
    roles = ["reference_image"] * images + ["reference_video"] * videos + ["reference_audio"] * audios
    return model(name).request("native", {"prompt": "a cat", **fields}, roles)


@pytest.mark.parametrize(
    ("images", "videos", "audios", "mode", "sku"),
    [
        (1, 0, 0, "reference_images", "seedance-2.0:720p"),
        (9, 0, 3, "reference_images", "seedance-2.0:720p"),
        (0, 1, 0, "reference_videos", "seedance-2.0:720p:video"),
        (9, 3, 3, "reference_videos", "seedance-2.0:720p:video"),
    ],
)
def test_a_video_among_the_references_has_its_own_price(
    images: int, videos: int, audios: int, mode: str, sku: str
) -> None:
    request = asked(images=images, videos=videos, audios=audios)
    assert (request.mode, request.sku, request.quantity) == (mode, sku, 5)


@pytest.mark.parametrize(
    "counts", [{"audios": 1}, {"images": 10}, {"videos": 4}, {"images": 1, "audios": 4}, {"videos": 1, "images": 10}]
)
def test_sounds_never_come_alone_and_nothing_too_often(counts: dict[str, int]) -> None:
    with pytest.raises(InvalidParameter):
        asked(**counts)  # type: ignore[arg-type]


def test_frames_and_references_do_not_mix() -> None:
    with pytest.raises(InvalidParameter):
        model().request("native", {"prompt": "x"}, ["first_frame", "reference_image"])


def test_each_provider_is_told_of_references_in_its_own_words() -> None:
    request = asked(images=1, videos=1, duration=8, resolution="480P", size="21:9", generate_audio=False, seed=7)
    common = {"resolution": "480p", "generate_audio": False, "seed": 7}
    routes = {one.provider: one for one in model().routes_for(request.mode, request.parameters)}
    assert {name: one.fields(request.mode, request.parameters, 1) for name, one in routes.items()} == {
        "ark": {**common, "duration": 8, "ratio": "21:9", "watermark": False},
        "fal": {**common, "duration": "8", "aspect_ratio": "21:9"},
        "replicate": {**common, "duration": 8, "aspect_ratio": "21:9"},
    }
    assert {name: one.upstream[request.mode] for name, one in routes.items()} == {
        "ark": "dreamina-seedance-2-0-260128",
        "fal": "bytedance/seedance-2.0/reference-to-video",
        "replicate": "bytedance/seedance-2.0",
    }
    assert {name: one.inputs["reference_video"] for name, one in routes.items()} == {
        "ark": "reference_video",
        "fal": "video_urls[]",
        "replicate": "reference_videos[]",
    }


def test_the_fields_of_the_originals_clients_are_inputs() -> None:
    roles = [model().input_role("native", field) for field in ("image_urls", "video_urls", "audio_urls", "image_url")]
    assert roles == ["reference_image", "reference_video", "reference_audio", "first_frame"]


def test_the_fast_tier_is_a_model_of_its_own_that_stops_at_720p() -> None:
    fast = model("doubao-seedance-2.0-fast")
    assert fast.id == "seedance-2.0-fast"
    assert asked(fast.id, videos=1).sku == "seedance-2.0-fast:720p:video"
    assert {fast.routes[0].upstream[mode] for mode in fast.modes} == {"dreamina-seedance-2-0-fast-260128"}
    assert fast.routes[1].upstream["text"] == "bytedance/seedance-2.0/fast/text-to-video"
    assert fast.seed_prices["seedance-2.0-fast:720p"] < model().seed_prices["seedance-2.0:720p"]
    with pytest.raises(InvalidParameter):
        asked(fast.id, resolution="1080p")
