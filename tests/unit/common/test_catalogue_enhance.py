"""Enhance Video 1.0: what is declared of the source, what follows for the price, the routes and the output."""

from typing import Any

import pytest

from common.catalogue import CatalogueError, InvalidParameter, Model, Most, Request, load
from common.catalogue.loader import read_model

from .test_catalogue_files import changed

SOURCE = {"source_seconds": 10, "source_resolution": "720p"}


def model() -> Model:
    found = load().find("enhance-video-1.0")
    assert found is not None
    return found


def asked(**fields: Any) -> Request:
    return model().request("native", {**SOURCE, **fields}, ["source_video"])


def told(**fields: Any) -> dict[str, dict[str, Any]]:
    request = asked(**fields)
    routes = model().routes_for(request.mode, request.parameters)
    return {route.provider: route.fields(request.mode, request.parameters, 1) for route in routes}


def test_seconds_of_the_source_are_billed_by_the_tier_of_the_output() -> None:
    assert (asked().sku, asked().quantity) == ("enhance-video-1.0:1080p:le30", 10)
    assert asked(target_resolution="4k", target_fps=31).sku == "enhance-video-1.0:4k:gt30"
    assert asked(resolution="720P", fps=60, source_seconds=180).quantity == 180


@pytest.mark.parametrize("missing", list(SOURCE))
@pytest.mark.parametrize("dialect", ["openai", "native"])
def test_what_nobody_can_guess_is_demanded(missing: str, dialect: Any) -> None:
    fields = {name: value for name, value in SOURCE.items() if name != missing}
    with pytest.raises(InvalidParameter) as refused:
        model().request(dialect, fields, ["source_video"])
    assert (refused.value.param, refused.value.code) == (missing, "missing_required_parameter")
    assert missing in model().parameters_schema(dialect)["required"]


@pytest.mark.parametrize(
    ("source", "factor", "target"),
    [
        ("360p", 2, "720p"),
        ("540p", "1.33", "720p"),
        ("720p", "1.5", "1080p"),
        ("720P", 3, "4k"),
        ("1080p", 2.0, "4k"),
        ("1080p", 1, "1080p"),
    ],
)
def test_a_factor_is_another_word_for_the_target(source: str, factor: object, target: str) -> None:
    request = asked(source_resolution=source, upscale_factor=factor)
    assert request.parameters["target_resolution"] == target


@pytest.mark.parametrize("factor", [2, 0, -3, "big", True, "nan", "inf", [2], 1e400])
def test_a_factor_that_leads_nowhere_is_refused(factor: object) -> None:
    with pytest.raises(InvalidParameter) as refused:
        asked(upscale_factor=factor)
    assert refused.value.param == "upscale_factor"


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"upscale_factor": 3, "target_resolution": "4k"}, "target_resolution"),
        ({"upscale_factor": 2, "source_resolution": None}, "source_resolution"),
        ({"upscale_factor": 2, "source_resolution": "huge"}, "source_resolution"),
        ({"upscale_factor": 2, "source_resolution": 720}, "source_resolution"),
        ({"source_resolution": "1080p", "target_resolution": "720p"}, "source_resolution"),
        ({"source_seconds": 181}, "source_seconds"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], blamed: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        asked(**fields)
    assert refused.value.param == blamed


def test_fal_is_told_how_many_times_and_replicate_how_large() -> None:
    assert told() == {
        "fal": {"upscale_factor": 1.5, "target_fps": 30, "H264_output": True},
        "replicate": {"target_resolution": "1080p", "target_fps": 30},
    }
    assert told(target_resolution="4k", target_fps=60)["fal"]["upscale_factor"] == 3
    assert list(told(source_resolution="480p", target_resolution="4k")) == ["replicate"]
    assert told(source_resolution="540p", target_resolution="4k")["fal"]["upscale_factor"] == 4


def test_the_output_may_be_as_long_and_as_large_as_declared_and_hardly_more() -> None:
    assert model().most(asked().parameters) == Most(ms=10_500, edge=1134)
    others = [one for one in load().models if one.declared is None]
    assert len(others) == len(load().models) - 1
    assert {one.most({}) for one in others} == {None}


def test_openais_clients_say_it_with_their_seconds_and_must_send_a_prompt() -> None:
    request = model().request(
        "openai", {"prompt": "x", "seconds": "10", "source_resolution": "720p"}, ["source_video"]
    )
    assert (request.quantity, request.texts) == (10, {"prompt": "x"})
    assert all("prompt" not in route.texts for route in model().routes)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("required = true\nminimum", "required = true\ndefault = 5\nminimum", "parameters.source_seconds"),
        ('seconds = "source_seconds"', 'seconds = "target_resolution"', "declared"),
        ('seconds = "source_seconds"', 'seconds = "source_length"', "declared"),
        ('protocol = "fal-queue"', 'protocol = "vertex-video"', "declared: fal"),
        ('of = "source_resolution", most', 'of = "target_fps", most', "send.target_resolution"),
        ('form = "factor", ', "", "form factor"),
        ('values = ["720p", "1080p", "4k"]', 'values = ["720p", "1080p", "8k"]', "known resolutions"),
        ('tiers = ["720p"', 'tiers = ["721p"', "tiers"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Any, old: str, new: str, named: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        read_model(changed(tmp_path, "enhance-video-1.0", (old, new)))
    assert named in str(refused.value)
