"""Places per host: counted exactly, withheld from who does not answer."""

from hypothesis import given
from hypothesis import strategies as st

from notifier.webhooks.lanes import AILING_PLACES, MAX_AILING, Lanes


def test_a_host_has_its_places_and_no_more() -> None:
    lanes = Lanes(max_in_flight=5, max_per_host=3)
    for _ in range(3):
        assert not lanes.full("a")
        lanes.enter("a")
    assert lanes.full("a")
    assert not lanes.full("b")
    assert lanes.taken() == {"a": 3}
    for host in "bc":
        lanes.enter(host)
    assert lanes.room == 0
    assert lanes.full("b")
    lanes.leave("a")
    assert not lanes.full("a")


def test_a_host_that_does_not_answer_has_few_places_until_it_does() -> None:
    lanes = Lanes(max_in_flight=50, max_per_host=10)
    lanes.note("a", answered=False)
    assert lanes.taken() == {"a": 10 - AILING_PLACES}
    for _ in range(AILING_PLACES):
        lanes.enter("a")
    assert lanes.full("a")
    assert lanes.note("a", answered=True)
    assert not lanes.full("a")
    assert not lanes.note("a", answered=True)


def test_what_is_remembered_is_bounded() -> None:
    lanes = Lanes(max_in_flight=50, max_per_host=10)
    for number in range(3 * MAX_AILING):
        lanes.note(str(number), answered=False)
    assert len(lanes.taken()) == MAX_AILING


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["in", "out", "good", "bad"]))), st.integers(1, 4))
def test_places_always_add_up(steps: list[tuple[str, str]], per_host: int) -> None:
    lanes, posting = Lanes(6, per_host), {"a": 0, "b": 0, "c": 0}
    for host, step in steps:
        if step == "in" and not lanes.full(host):
            lanes.enter(host)
            posting[host] += 1
        elif step == "out" and posting[host]:
            lanes.leave(host)
            posting[host] -= 1
        elif step in {"good", "bad"}:
            lanes.note(host, answered=step == "good")
        assert lanes.room == 6 - sum(posting.values()) >= 0
        assert all(n <= per_host for n in posting.values())
        # What the database is told and what the sender believes are the same thing.
        for name in posting:
            assert lanes.full(name) == (lanes.room <= 0 or lanes.taken().get(name, 0) >= per_host)
