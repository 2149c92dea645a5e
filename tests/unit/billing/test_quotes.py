"""A quote is ours or it is none."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.quotes import InvalidQuote, Quote, Quotes

QUOTES = Quotes("a secret")
GIVEN = Quote(UUID(int=7), "gpt-image-2:1024x1024:low", 3, 12, 21_000, datetime(2027, 1, 1, tzinfo=UTC))


def test_what_is_signed_can_be_read_back() -> None:
    assert QUOTES.read(QUOTES.sign(GIVEN)) == GIVEN


def test_another_secret_does_not_know_it() -> None:
    with pytest.raises(InvalidQuote):
        Quotes("another secret").read(QUOTES.sign(GIVEN))


@given(st.data())
def test_no_character_of_it_can_be_changed(data: st.DataObject) -> None:
    signed = QUOTES.sign(GIVEN)
    place = data.draw(st.integers(0, len(signed) - 2))  # the last one has bits that stand for nothing
    other = data.draw(st.sampled_from("ABCDEFabcdef0123-_ ").filter(lambda one: one != signed[place]))
    with pytest.raises(InvalidQuote):
        QUOTES.read(signed[:place] + other + signed[place + 1 :])


@given(st.one_of(st.text(max_size=700), st.text(max_size=100).map("quote_".__add__)))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuote):
        QUOTES.read(text)
