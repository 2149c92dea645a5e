"""When a failed delivery is tried again: bounded, finite, and never sooner than asked."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.settings import Settings
from notifier.webhooks.posting import retry_after_s
from notifier.webhooks.schedule import JITTER, MAX_RETRY_AFTER_S, Answer, pause_s

DEFAULT_S: tuple[float, ...] = Settings.model_fields["retry_after_s"].default
answers = st.builds(
    Answer,
    st.none() | st.integers(100, 599),
    retry_after_s=st.none() | st.floats(0, 1e12, allow_nan=False),
)
jitters = st.floats(-1, 1)


def test_the_default_gives_ten_tries_over_three_days() -> None:
    assert len(DEFAULT_S) == 9
    assert DEFAULT_S[0] == 5
    assert sum(DEFAULT_S) == 75 * 3600 + 35 * 60 + 5
    assert list(DEFAULT_S) == sorted(DEFAULT_S)


@given(answers, st.integers(1, 10), jitters)
def test_pauses_are_bounded_and_at_least_the_schedules(answer: Answer, tries: int, jitter: float) -> None:
    pause = pause_s(answer, tries, DEFAULT_S, jitter)
    if pause is None:
        assert tries == 10 or answer.status == 410
        return
    assert (1 - JITTER) * DEFAULT_S[tries - 1] <= pause <= (1 + JITTER) * MAX_RETRY_AFTER_S


@given(st.lists(answers, min_size=30, max_size=30), jitters)
def test_a_delivery_comes_to_an_end(said: list[Answer], jitter: float) -> None:
    tries = 0
    for answer in said:
        tries += 1
        if pause_s(answer, tries, DEFAULT_S, jitter) is None:
            break
    assert tries <= 10


@given(st.integers(1, 8), jitters, jitters)
def test_without_wishes_pauses_never_shrink(tries: int, one: float, two: float) -> None:
    answer = Answer(500)
    first, second = pause_s(answer, tries, DEFAULT_S, one), pause_s(answer, tries + 1, DEFAULT_S, two)
    assert first is not None
    assert second is not None
    assert second >= first * (1 - JITTER) / (1 + JITTER)


@given(st.integers(1, 9), jitters, st.floats(0, MAX_RETRY_AFTER_S))
def test_who_asks_for_time_gets_it(tries: int, jitter: float, asked_s: float) -> None:
    pause = pause_s(Answer(503, retry_after_s=asked_s), tries, DEFAULT_S, jitter)
    assert pause is not None
    assert pause >= asked_s


@pytest.mark.parametrize("status", [429, 502, 504])
def test_a_receiver_in_trouble_gets_twice_the_time(status: int) -> None:
    assert pause_s(Answer(status), 1, DEFAULT_S, 0) == 10
    assert pause_s(Answer(500), 1, DEFAULT_S, 0) == 5


def test_gone_is_gone() -> None:
    assert pause_s(Answer(410), 1, DEFAULT_S, 0) is None


@pytest.mark.parametrize(
    ("status", "delivered"), [(None, False), (199, False), (200, True), (299, True), (300, False)]
)
def test_only_2xx_is_delivered(status: int | None, delivered: bool) -> None:
    assert Answer(status).delivered is delivered


def test_retry_after_is_read_as_number_and_as_date() -> None:
    assert retry_after_s("120") == 120
    soon = retry_after_s(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert soon is not None
    assert 85 < soon <= 90
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("soon") is None
    assert retry_after_s(None) is None


@given(st.text(max_size=60))
def test_no_retry_after_makes_it_stumble(value: str) -> None:
    read = retry_after_s(value)
    assert read is None or read >= 0
