"""A model file that is wrong is refused with its name and the key; one that is right needs no code."""

from importlib.resources import files
from pathlib import Path

import pytest

from common.catalogue import CatalogueError, load
from common.catalogue.checks import check
from common.catalogue.loader import read, read_model

SHIPPED = files("common.catalogue") / "models"


def changed(folder: Path, name: str, *changes: tuple[str, str], saved_as: str | None = None) -> Path:
    """A shipped file with some text replaced."""
    text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = folder / f"{saved_as or name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('kind = "video"', 'kind = "video"\ncolour = "red"', "colour"),
        ("connect_ms = 500", 'connect_ms = "500"', "connect_ms"),
        ("deadline_ms = 900_000", "", "deadline_ms"),
        ("hang_failover_ms = 1_000", "", "submit_ms, hang_failover_ms and poll_ms"),
        ('protocol = "ark-video"', 'protocol = "ark-vidoe"', "protocol"),
        ('seed = "seed"', "", "routes.ark: seed"),
        ('"480p" = 70_000', "", "routes.ark.cost_microusd: 480p"),
        ('parameter = "resolution"', 'parameter = "revolution"', "revolution"),
        ('tier = "resolution"', 'tier = "revolution"', "revolution"),
        ('times = ["duration"]', 'times = ["seed"]', "seed"),
        ("from_age_ms = 0", "from_age_ms = 1", "polling"),
        ("texts = { prompt", "texts = { prompd", "prompd"),
        ("inputs = { first_frame = [1, 1] }", "inputs = { second_frame = [1, 1] }", "second_frame"),
        (
            'native = ["aspect_ratio", "ratio", "size"]',
            'native = ["aspect_ratio", "duration"]',
            "duration means both",
        ),
        ('id = "seedance-2.0"', 'id = "seedance-2"', "name of the file"),
        ('id = "seedance-2.0"', 'id = "', "seedance-2.0.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_the_file_and_the_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(CatalogueError, match=r"^seedance-2\.0\.toml: ") as refused:
        read_model(changed(tmp_path, "seedance-2.0", (old, new)))
    assert named in str(refused.value)


def test_two_models_cannot_answer_to_one_name(tmp_path: Path) -> None:
    changed(tmp_path, "seedance-2.0")
    changed(tmp_path, "seedance-2.0", ('id = "seedance-2.0"', 'id = "other"'), saved_as="other")
    with pytest.raises(CatalogueError, match=r"doubao-seedance-2\.0"):
        read(tmp_path)


def test_a_new_model_on_a_known_protocol_is_one_file(tmp_path: Path) -> None:
    changed(
        tmp_path,
        "seedance-2.0",
        ('id = "seedance-2.0"', 'id = "seedance-3.0"'),
        ("maximum = 15", "maximum = 30"),
        saved_as="seedance-3.0",
    )
    model = read(tmp_path).find("seedance-3.0")
    assert model is not None
    assert check(model) == []
    assert model.request("native", {"prompt": "x", "duration": 30}).sku == "seedance-3.0:720p"


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("seedance-2.0", '"480p" = 80_500', '"480p" = 80_400', "the first route's cost"),
        ("seedance-2.0", 'skus = ["480p", ', "skus = [", "480p loses 54500 on fal"),
        ("seedance-2.0", '"480p" = 135_000', '"480p" = 13_500', "admission is stale"),
        (
            "seedance-2.0",
            '"480p", "720p", "1080p", "4k"]\ndefault',
            '"480p", "720p", "1080p", "4k", "2k"]\ndefault',
            "2k",
        ),
        ("seedance-2.0", 'values = ["480p", ', "values = [", "ever sold as seedance-2.0:480p"),
        (
            "vidu-q3",
            'modes = ["references"]\nbecause',
            'modes = ["references"]\nwhen = { resolution = ["540p"] }\nbecause',
            "no word about it",
        ),
        (
            "grok-imagine-1.0",
            'references = "xai/grok-imagine-video/reference-to-video"\n',
            "",
            "1 for",
        ),
    ],
)
def test_a_proof_fails_when_a_file_promises_too_much(
    tmp_path: Path, name: str, old: str, new: str, says: str
) -> None:
    model = read_model(changed(tmp_path, name, (old, new)))
    assert any(says in complaint for complaint in check(model))


def test_a_word_is_missing_for_a_value_that_decides_the_price(tmp_path: Path) -> None:
    file = changed(
        tmp_path, "veo-3.1", ('words = { "true" = "audio", "false" = "silent" }', 'words = { "true" = "audio" }')
    )
    with pytest.raises(CatalogueError, match="false"):
        read_model(file)


def test_what_may_come_more_than_once_is_described_as_a_list_too() -> None:
    properties = load().find("vidu-q3").parameters_schema("native")["properties"]  # type: ignore[union-attr]
    assert properties["image_urls"]["anyOf"][1]["maxItems"] == 7
    assert properties["first_frame_image"]["type"] == "string"


def test_the_catalogue_is_read_once() -> None:
    assert load() is load()
