"""Credits: exact in, exact out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.credits import MAX_MICROUSD, from_credits, to_credits


@given(st.integers(0, MAX_MICROUSD))
def test_credits_survive_json_to_the_last_thousandth(microusd: int) -> None:
    assert from_credits(json.dumps(to_credits(microusd))) == microusd


@pytest.mark.parametrize("text", ["", "ten", "-1", "0.0001", "nan", "snan", "inf", "1e30", "1e9999999"])
def test_an_amount_that_is_none_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"credit|amount"):
        from_credits(text)
