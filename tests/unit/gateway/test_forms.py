"""Form names stand for a structure; whatever is sent, the answer is that structure or a refusal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.reading.forms import unflatten
from gateway.errors import InvalidRequest

names = st.text(st.sampled_from("ab[]"), max_size=12)
leaves = st.text(st.characters(codec="utf-8"), max_size=5)
keys = st.text(st.sampled_from("abcdef_"), min_size=1, max_size=4)
trees = st.recursive(
    leaves,
    lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3) | st.lists(leaves, min_size=1),
    max_leaves=8,
)


def flatten(value: Any, name: str) -> list[tuple[str, str]]:
    """As stock SDKs write a structure into form parts."""
    if isinstance(value, dict):
        return [part for key, inner in value.items() for part in flatten(inner, f"{name}[{key}]")]
    if isinstance(value, list):
        return [part for inner in value for part in flatten(inner, f"{name}[]")]
    return [(name, value)]


@given(st.dictionaries(keys, trees, max_size=4))
def test_what_an_sdk_flattens_comes_back(fields: dict[str, Any]) -> None:
    parts = [part for key, value in fields.items() for part in flatten(value, key)]
    assert unflatten(parts) == fields


@given(st.lists(st.tuples(names, leaves), max_size=8))
def test_any_names_make_a_structure_or_a_refusal(parts: list[tuple[str, str]]) -> None:
    try:
        fields = unflatten(parts)
    except InvalidRequest:
        return
    assert isinstance(fields, dict)


def test_a_list_of_objects_begins_a_new_one_at_each_repeat() -> None:
    parts = [("a[][x]", "1"), ("a[][y]", "2"), ("a[][x]", "3")]
    assert unflatten(parts) == {"a": [{"x": "1", "y": "2"}, {"x": "3"}]}


@pytest.mark.parametrize(
    "parts",
    [
        [("a", "1"), ("a", "2")],
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "1"), ("a[]", "2")],
        [("", "1")],
        [("[]", "1")],
        [("a[", "1")],
        [("a" + "[b]" * 9, "1")],
        [("a" * 300, "1")],
    ],
)
def test_names_that_contradict_are_refused(parts: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest):
        unflatten(parts)
