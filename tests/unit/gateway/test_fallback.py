"""What customers may say of further routes, and what they cannot give away."""

import pytest

from common.catalogue import load
from gateway.api.reading.fallback import fallback
from gateway.domain.fallback import Fallback
from gateway.errors import InvalidRequest

MODEL = load().find("gpt-image-2")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, Fallback()),
        ({}, Fallback()),
        ({"enabled": False}, Fallback(enabled=False)),
        (
            {"enabled": "false", "allow_lossy": ["moderation", "background"]},
            Fallback(False, ("background", "moderation")),
        ),
    ],
)
def test_a_fallback_is_read_from_json_and_from_forms(said, meant):
    assert fallback(said, MODEL, "openai") == meant


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ("no", "must be an object"),
        ({"enabled": "perhaps"}, "must be an object"),
        ({"allow_lossy": "background"}, "must be an object"),
        ({"allow": []}, "must be an object"),
        ({"allow_lossy": ["colour"]}, "only name parameters"),
        ({"allow_lossy": [["background"]]}, "only name parameters"),
        ({"allow_lossy": ["prompt"]}, "only name parameters"),
        ({"allow_lossy": ["size"]}, "decides the price"),
        ({"allow_lossy": ["quality"]}, "decides the price"),
        ({"allow_lossy": ["n"]}, "decides the price"),
    ],
)
def test_what_makes_no_sense_or_would_cheat_is_refused(said, because):
    with pytest.raises(InvalidRequest, match=because) as refused:
        fallback(said, MODEL, "openai")
    assert refused.value.param == "fallback"
