"""Messages are contracts: their schemas are frozen in files, and only widening changes are allowed."""

import json
from pathlib import Path

import pytest

from common.contracts import MESSAGES, Message

FROZEN = Path(__file__).parent / "schemas"


def _file(message: type[Message]) -> Path:
    return FROZEN / f"{message.TYPE}.v{message.VERSION}.json"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.TYPE)
def test_every_message_has_a_frozen_schema(message: type[Message]) -> None:
    """A new message is frozen by running this file; the result is then reviewed like code."""
    assert _file(message).is_file(), f"freeze {message.TYPE} with: python tests/contract/test_messages.py"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.TYPE)
def test_no_message_changes_in_a_breaking_way(message: type[Message]) -> None:
    """What an older process sends must still be read, and what it reads must still be sent."""
    frozen = json.loads(_file(message).read_text())
    assert breaks(frozen, message.model_json_schema()) == []


def test_a_removed_field_a_new_demand_and_a_changed_type_are_noticed() -> None:
    """The check itself can fail."""
    frozen = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}
    new = {
        "properties": {"a": {"type": "string"}, "c": {"type": "string"}},
        "required": ["a", "c"],
    }
    assert len(breaks(frozen, new)) == 3


def test_unknown_fields_are_ignored() -> None:
    """A newer sender is understood."""
    for message in MESSAGES:
        assert message.model_config["extra"] == "ignore"


def breaks(frozen: dict, current: dict, where: str = "") -> list[str]:
    """Every way in which ``current`` would misread or starve a process that knows ``frozen``."""
    found = []
    old, new = frozen.get("properties", {}), current.get("properties", {})
    for name, shape in old.items():
        if name not in new:
            found.append(f"{where}{name} is gone")
        elif _core(shape) != _core(new[name]):
            found.append(f"{where}{name} changed its type")
    required = set(current.get("required", [])) - set(frozen.get("required", []))
    found += [f"{where}{name} is demanded now" for name in sorted(required)]
    for name, definition in frozen.get("$defs", {}).items():
        if name not in current.get("$defs", {}):
            found.append(f"{where}{name} is gone")
        else:
            found += breaks(definition, current["$defs"][name], f"{name}.")
    return found


def _core(shape: dict) -> str:
    return json.dumps(
        {k: v for k, v in shape.items() if k not in {"title", "description", "default"}}, sort_keys=True
    )


if __name__ == "__main__":
    FROZEN.mkdir(exist_ok=True)
    for kind in MESSAGES:
        if not _file(kind).is_file():
            _file(kind).write_text(json.dumps(kind.model_json_schema(), indent=1, sort_keys=True) + "\n")
