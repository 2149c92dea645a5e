"""A route is slow against its own habit, kind by kind, and forgiven when its slow answers are old."""

from dispatcher.domain.pace import Pace


def a_steady_one(kind="a", seconds=10.0, answers=30) -> Pace:
    pace = Pace()
    for number in range(answers):
        pace.took(kind, seconds, number)
    return pace


def test_a_route_that_keeps_its_habit_is_not_slow():
    assert not a_steady_one().is_slow(30)


def test_one_in_twenty_three_times_as_long_makes_it_slow():
    pace = a_steady_one()
    for number in range(3):
        pace.took("a", 31, 30 + number)
    assert pace.is_slow(33)


def test_a_single_slow_answer_among_many_does_not():
    pace = a_steady_one(answers=60)
    pace.took("a", 100, 60)
    assert not pace.is_slow(61)


def test_what_no_customer_would_notice_is_not_slow():
    pace = a_steady_one(seconds=0.005)
    for number in range(30):
        pace.took("a", 1.9, 30 + number)
    assert not pace.is_slow(60)


def test_longer_orders_are_measured_against_their_own_kind():
    pace = a_steady_one()
    for number in range(30):
        pace.took("4k", 120, 30 + number)
    assert not pace.is_slow(60)


def test_few_answers_say_nothing():
    pace = a_steady_one(answers=12)
    pace.took("a", 500, 12)
    assert not pace.is_slow(13)


def test_slow_answers_grow_old():
    pace = a_steady_one()
    for number in range(10):
        pace.took("a", 100, 30 + number)
    assert pace.is_slow(40)
    assert not pace.is_slow(400)
