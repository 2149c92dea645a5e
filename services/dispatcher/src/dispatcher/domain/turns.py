"""Whose turn it is when there is not room for all: pictures before films, and of each kind one account after another.

Somebody waits for a picture while it is made, and it is made in seconds: it never stands behind a film. An account
with a thousand orders waits with all but one of them behind an account with one.
"""

from collections import OrderedDict, deque
from typing import Generic, Literal, TypeVar
from uuid import UUID

Waiter = TypeVar("Waiter")
Kind = Literal["image", "video"]


class Turns(Generic[Waiter]):
    """A line of waiters. Joining and being next cost the same however many wait."""

    def __init__(self) -> None:
        self._kinds: dict[Kind, OrderedDict[UUID, deque[Waiter]]] = {"image": OrderedDict(), "video": OrderedDict()}

    def __bool__(self) -> bool:
        return any(self._kinds.values())

    def join(self, kind: Kind, account_id: UUID, waiter: Waiter) -> None:
        """Stand behind the others of this account; an account that was not there stands behind the others."""
        self._kinds[kind].setdefault(account_id, deque()).append(waiter)

    def next(self) -> Waiter | None:
        """Whose turn it is; that account's next one waits until the other accounts have had theirs."""
        for accounts in self._kinds.values():
            if accounts:
                account_id, waiting = accounts.popitem(last=False)
                waiter = waiting.popleft()
                if waiting:
                    accounts[account_id] = waiting
                return waiter
        return None
