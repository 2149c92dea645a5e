"""What routes can carry, how they are told, what they cost."""

import pytest
from click.testing import CliRunner

from common.catalogue import Model, load
from common.catalogue.__main__ import show
from common.catalogue.checks import check, margins
from common.catalogue.pricing import seed_price_microusd


def model(name: str) -> Model:
    found = load().find(name)
    assert found is not None
    return found


def providers(name: str, /, *inputs: str, **fields: object) -> list[str]:
    request = model(name).request("native", {"prompt": "x", **fields}, inputs)
    return [route.provider for route in model(name).routes_for(request.mode, request.parameters)]


@pytest.mark.parametrize("shipped", load().models, ids=lambda shipped: shipped.id)
def test_every_request_has_a_price_and_two_routes_or_an_excuse(shipped: Model) -> None:
    assert check(shipped) == []


def test_a_plain_image_has_three_routes_and_an_edit_as_many() -> None:
    assert providers("gpt-image-2") == ["openai", "fal", "azure"]
    assert providers("gpt-image-2", "image", "image", "mask") == ["openai", "fal", "azure"]


@pytest.mark.parametrize(
    ("images", "sku"), [(0, "1mp:low"), (1, "1mp:low:edit"), (4, "1mp:low:edit_few"), (16, "1mp:low:edit_many")]
)
def test_the_pictures_that_come_in_decide_the_price_too(images: int, sku: str) -> None:
    request = model("gpt-image-2").request("openai", {"prompt": "x", "quality": "low"}, ["image"] * images)
    assert request.sku == f"gpt-image-2:{sku}"


@pytest.mark.parametrize(
    "fields",
    [
        {"background": "transparent"},
        {"background": "opaque"},
        {"moderation": "low"},
        {"output_format": "webp", "output_compression": 80},
    ],
)
def test_an_image_that_fal_cannot_be_told_about_stays_with_openais_model(fields: dict[str, object]) -> None:
    assert providers("gpt-image-2", **fields) == ["openai", "azure"]


def test_a_wish_the_caller_gives_up_brings_the_route_back() -> None:
    images = model("gpt-image-2")
    request = images.request("openai", {"prompt": "x", "moderation": "low"})
    lossy = images.routes_for(request.mode, request.parameters, lossy=["moderation"])
    assert [route.provider for route in lossy] == ["openai", "fal", "azure"]


@pytest.mark.parametrize(
    "inputs",
    [
        (),
        ("first_frame",),
        ("first_frame", "last_frame"),
        ("reference_image",),
        ("reference_video", "reference_audio"),
    ],
)
def test_a_video_has_three_routes_in_every_mode(inputs: tuple[str, ...]) -> None:
    assert providers("seedance-2.0", *inputs, seed=7, duration=15, resolution="4k") == ["ark", "fal", "replicate"]


def test_each_provider_is_told_in_its_own_words() -> None:
    images, videos = model("gpt-image-2"), model("seedance-2.0")
    picture = images.request("openai", {"prompt": "x", "size": "1536x1024", "n": 2})
    film = videos.request("openai", {"prompt": "x", "seconds": "8", "size": "720x1280"})
    openai, fal_images, azure = (
        route.fields(picture.mode, picture.parameters, picture.outputs) for route in images.routes
    )
    ark, fal_videos, _ = (route.fields(film.mode, film.parameters, film.outputs) for route in videos.routes)
    assert openai == {
        "size": "1536x1024",
        "quality": "medium",
        "background": "auto",
        "output_format": "png",
        "moderation": "auto",
        "n": 2,
    }
    assert azure == openai
    assert fal_images == {
        "image_size": {"width": 1536, "height": 1024},
        "quality": "medium",
        "output_format": "png",
        "num_images": 2,
    }
    assert ark == {"duration": 8, "resolution": "720p", "ratio": "9:16", "generate_audio": True, "watermark": False}
    assert fal_videos == {"duration": "8", "resolution": "720p", "aspect_ratio": "9:16", "generate_audio": True}


def test_frames_choose_the_endpoint_and_its_fields() -> None:
    ark, fal, _ = model("seedance-2.0").routes
    assert fal.upstream["text"] == "bytedance/seedance-2.0/text-to-video"
    assert fal.upstream["first_last_frame"] == "bytedance/seedance-2.0/image-to-video"
    assert (fal.inputs["first_frame"], fal.inputs["last_frame"]) == ("image_url", "end_image_url")
    assert set(ark.upstream.values()) == {"dreamina-seedance-2-0-260128"}


def test_only_providers_that_take_tasks_can_hang_on_submit() -> None:
    openai, fal, _ = model("gpt-image-2").routes
    assert openai.synchronous and openai.timeouts.hang_failover_ms is None
    assert not fal.synchronous and fal.timeouts.hang_failover_ms == 1000


@pytest.mark.parametrize(
    ("age_ms", "every_ms"),
    [(0, 2000), (29_999, 2000), (30_000, 5000), (119_999, 5000), (120_000, 15_000), (10**9, 15_000)],
)
def test_videos_are_asked_about_less_often_as_they_age(age_ms: int, every_ms: int) -> None:
    assert model("seedance-2.0").poll_after_ms(age_ms) == every_ms


@pytest.mark.parametrize(
    ("sku", "price_microusd"),
    [
        ("gpt-image-2:1mp:low", 6_900),
        ("gpt-image-2:1mp:medium", 61_000),
        ("gpt-image-2:8mp:high", 461_200),
        ("seedance-2.0:480p", 80_500),
        ("seedance-2.0:4k", 894_700),
    ],
)
def test_seed_prices_are_the_first_routes_cost_and_15_percent(sku: str, price_microusd: int) -> None:
    assert model(sku.split(":", 1)[0]).seed_prices[sku] == price_microusd


def test_prices_are_rounded_up_to_a_tenth_of_a_credit() -> None:
    assert seed_price_microusd(6_000) == 6_900
    assert seed_price_microusd(53_000) == 61_000
    assert seed_price_microusd(1) == 100
    assert seed_price_microusd(0) == 0


@pytest.mark.parametrize("shipped", load().models, ids=lambda shipped: shipped.id)
def test_what_is_sold_at_a_loss_is_admitted_and_never_on_the_first_route(shipped: Model) -> None:
    losing = [margin for margin in margins(shipped) if margin.left_microusd < 0]
    assert all(margin.admitted for margin in losing)
    assert shipped.routes[0].provider not in {margin.provider for margin in losing}


def test_the_operator_can_print_prices_margins_and_proofs() -> None:
    result = CliRunner().invoke(show, ["doubao-seedance-2.0"])
    assert result.exit_code == 0
    assert "seedance-2.0:1080p" in result.output and "admitted loss" in result.output
    assert "gpt-image-2" not in result.output and "WRONG" not in result.output
