"""A breaker keeps calls away from a failing route and finds out when it is well; time is ours to turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.breaker import Breaker, Limits, State
from dispatcher.domain.failures import Failure, FailureClass

DOWN = Failure(FailureClass.UNAVAILABLE, "http_500")


def failing(kind: FailureClass, retry_after_s: float | None = None) -> Failure:
    return Failure(kind, "test", retry_after_s)


def call(breaker: Breaker, now: float, failure: Failure | None = None) -> bool:
    """One synchronous call at that moment; whether it was admitted."""
    admission = breaker.admit(now)
    if admission is None:
        return False
    if failure is None:
        breaker.taken(admission, now)
        breaker.delivered(admission)
    else:
        breaker.failed(admission, failure, now)
    return True


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker(Limits())
    for _ in range(5):
        assert call(breaker, at, DOWN)
    return breaker


def test_five_failures_in_the_window_open_it_for_the_cool_down():
    breaker = opened()
    assert breaker.state(14.9) is State.OPEN and not call(breaker, 14.9)
    assert breaker.state(15.0) is State.HALF_OPEN


def test_few_failures_among_many_successes_do_not_open_it():
    breaker = Breaker(Limits())
    for second in range(20):
        call(breaker, float(second))
        call(breaker, float(second))
        call(breaker, float(second), DOWN)
    assert breaker.state(20.0) is State.CLOSED


def test_failures_older_than_the_window_are_forgotten():
    breaker = Breaker(Limits())
    for _ in range(4):
        call(breaker, 0.0, DOWN)
    call(breaker, 31.0, DOWN)
    assert breaker.state(31.0) is State.CLOSED


def test_half_open_admits_one_probe_at_a_time():
    breaker = opened()
    probe = breaker.admit(15.0)
    assert probe is not None and probe.probe
    assert breaker.admit(15.0) is None
    breaker.failed(probe, DOWN, 16.0)
    assert breaker.admit(30.9) is None
    second = breaker.admit(31.0)
    assert second is not None
    breaker.taken(second, 31.5)
    assert breaker.state(31.5) is State.CLOSED and call(breaker, 31.5) and call(breaker, 31.5)


def test_a_probe_that_was_never_made_frees_its_place():
    breaker = opened()
    probe = breaker.admit(15.0)
    assert probe is not None
    breaker.release(probe)
    assert breaker.admit(15.0) is not None


def test_a_probe_whose_outcome_got_lost_does_not_keep_the_route_closed_for_ever():
    breaker = opened()
    slow = breaker.admit(15.0)
    assert slow is not None and breaker.admit(74.0) is None and breaker.admit(75.1) is not None
    breaker.taken(slow, 80.0)  # late, but it proves as much
    assert breaker.state(80.0) is State.CLOSED


def test_calls_from_before_it_opened_change_nothing_when_they_end():
    breaker = Breaker(Limits())
    early = breaker.admit(0.0)
    assert early is not None
    for _ in range(5):
        call(breaker, 1.0, DOWN)
    breaker.taken(early, 2.0)
    assert breaker.state(2.0) is State.OPEN
    breaker.failed(early, DOWN, 14.0)
    assert breaker.state(16.1) is State.HALF_OPEN


@pytest.mark.parametrize(("kind", "until"), [(FailureClass.AUTH, 15), (FailureClass.QUOTA, 300)])
def test_a_refused_key_and_an_empty_account_open_it_at_once(kind, until):
    breaker = Breaker(Limits())
    call(breaker, 0.0, failing(kind))
    assert breaker.state(until - 0.1) is State.OPEN and breaker.state(until) is State.HALF_OPEN


@pytest.mark.parametrize("kind", [FailureClass.CONTENT_POLICY, FailureClass.INVALID_REQUEST])
def test_what_is_wrong_with_the_request_says_nothing_about_the_route(kind):
    breaker = Breaker(Limits())
    for _ in range(50):
        call(breaker, 0.0, failing(kind))
    assert breaker.state(0.0) is State.CLOSED
    breaker = opened()
    call(breaker, 15.0, failing(kind))
    assert breaker.state(15.0) is State.CLOSED


def test_failed_generations_count_softly():
    breaker = Breaker(Limits())
    for _ in range(19):
        call(breaker, 0.0, failing(FailureClass.FAILED_GENERATION))
    assert breaker.state(0.0) is State.CLOSED
    call(breaker, 0.0, failing(FailureClass.FAILED_GENERATION))
    assert breaker.state(0.0) is State.OPEN


def test_a_wish_for_peace_is_honoured_without_opening():
    breaker = Breaker(Limits())
    call(breaker, 0.0, failing(FailureClass.RATE_LIMITED, 7))
    assert not call(breaker, 6.9) and call(breaker, 7.0) and call(breaker, 7.0)


def test_a_wish_for_peace_is_bounded():
    breaker = Breaker(Limits(max_retry_after_s=120))
    call(breaker, 0.0, failing(FailureClass.RATE_LIMITED, 86_400))
    assert not call(breaker, 119.9) and call(breaker, 120.0)


def order(breaker: Breaker, now: float, failure: Failure | None = None) -> bool:
    """One asynchronous order, taken at that moment, and how it ended; whether it was admitted."""
    admission = breaker.admit(now)
    if admission is None:
        return False
    breaker.taken(admission, now)
    if failure is None:
        breaker.delivered(admission)
    else:
        breaker.failed(admission, failure, now, taken=True)
    return True


def test_a_provider_that_was_well_and_takes_no_order_any_more_is_left_alone_after_ten():
    breaker = Breaker(Limits())
    for _ in range(1_000):
        call(breaker, 0.0)
    for _ in range(9):
        call(breaker, 1.0, DOWN)
    assert breaker.state(1.0) is State.CLOSED
    call(breaker, 1.0, DOWN)
    assert breaker.state(1.0) is State.OPEN


def test_a_provider_that_takes_every_order_and_delivers_none_is_left_alone():
    breaker = Breaker(Limits())
    for number in range(5):
        assert order(breaker, 600.0 * number, failing(FailureClass.UNAVAILABLE))
    assert breaker.state(2_400.0) is State.OPEN


def test_a_provider_all_of_whose_generations_fail_is_left_alone():
    breaker = Breaker(Limits())
    for number in range(20):
        assert order(breaker, 60.0 * number, failing(FailureClass.FAILED_GENERATION))
    assert breaker.state(1_140.0) is State.OPEN


def test_one_delivery_makes_up_for_those_that_came_to_nothing():
    breaker = Breaker(Limits())
    for number in range(40):
        assert order(breaker, 60.0 * number, None if number % 5 == 4 else failing(FailureClass.UNAVAILABLE))
    assert breaker.state(2_400.0) is State.CLOSED


def test_who_did_not_deliver_has_to_deliver_a_probe():
    breaker = Breaker(Limits())
    for _ in range(5):
        order(breaker, 0.0, failing(FailureClass.UNAVAILABLE))
    probe = breaker.admit(15.0)
    assert probe is not None
    breaker.taken(probe, 15.1)
    assert breaker.state(15.1) is State.HALF_OPEN and breaker.admit(15.1) is None
    breaker.delivered(probe)
    assert breaker.state(15.2) is State.CLOSED


def test_a_probe_whose_request_was_bad_leaves_its_place_to_another():
    breaker = Breaker(Limits())
    for _ in range(5):
        order(breaker, 0.0, failing(FailureClass.UNAVAILABLE))
    call(breaker, 15.0, failing(FailureClass.INVALID_REQUEST))
    assert breaker.state(15.0) is State.HALF_OPEN and breaker.admit(15.0) is not None


@given(
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from([None, *FailureClass]), st.integers(0, 300)), max_size=80)
)
def test_whatever_happens_it_comes_back_within_its_longest_cool_down(history):
    limits = Limits()
    breaker = Breaker(limits)
    now = 0.0
    for pause, kind, retry_after_s in history:
        now += pause
        call(breaker, now, None if kind is None else failing(kind, retry_after_s))
        assert len(breaker._seconds) <= limits.window_s + 1
    assert breaker.admit(now + limits.quota_cool_down_s) is not None
