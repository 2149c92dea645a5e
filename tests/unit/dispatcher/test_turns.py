"""Pictures before films; within a kind one account after another; within an account first come, first served."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.turns import Turns

A, B, C = (UUID(int=number) for number in range(3))


def drained(turns: Turns[str]) -> list[str]:
    order = []
    while (one := turns.next()) is not None:
        order.append(one)
    return order


def test_accounts_take_turns_however_many_orders_one_has():
    turns: Turns[str] = Turns()
    for number in range(4):
        turns.join("image", A, f"a{number}")
    turns.join("image", B, "b0")
    turns.join("image", C, "c0")
    assert drained(turns) == ["a0", "b0", "c0", "a1", "a2", "a3"]


def test_a_picture_never_stands_behind_a_film():
    turns: Turns[str] = Turns()
    turns.join("video", A, "film")
    turns.join("image", B, "picture")
    assert drained(turns) == ["picture", "film"]


def test_nobody_waits_in_an_empty_line():
    turns: Turns[str] = Turns()
    assert not turns and turns.next() is None
    turns.join("video", A, "film")
    assert turns
    turns.next()
    assert not turns


@given(st.lists(st.tuples(st.sampled_from(["image", "video"]), st.integers(0, 4)), max_size=60))
def test_everybody_is_served_once_and_nobody_overtakes_within_an_account(joins):
    turns: Turns[tuple[str, int, int]] = Turns()
    for number, (kind, account) in enumerate(joins):
        turns.join(kind, UUID(int=account), (kind, account, number))
    order = drained(turns)
    assert sorted(order) == sorted((kind, account, number) for number, (kind, account) in enumerate(joins))
    for key in {(kind, account) for kind, account, _ in order}:
        numbers = [number for kind, account, number in order if (kind, account) == key]
        assert numbers == sorted(numbers)
    # Whoever waits is behind at most one order of each other account of its kind between two of its own.
    kinds = [kind for kind, _, _ in order]
    assert kinds == sorted(kinds)
