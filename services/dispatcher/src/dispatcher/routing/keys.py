"""Our keys at one provider: which is used next, how much each may carry, and who waits for room.

A key has its own breaker, for what the provider holds against the key and not against a model (it is refused, the
account is empty), and its own limits, so that our traffic does not trip the provider's.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from dispatcher.domain.breaker import Admission, Breaker, Limits
from dispatcher.domain.turns import Kind, Turns
from dispatcher.upstreams.protocol import Account, Upstream

_BURST_S = 10.0
"""So much of a minute's allowance may be used at once."""


@dataclass(slots=True, eq=False)
class Key:
    """One key, and who speaks each protocol with it."""

    account: Account
    speakers: Mapping[str, Upstream]
    breaker: Breaker
    open: int = 0
    """Orders that count against its limit: from the submit to the result."""
    promised: int = 0
    """Room kept for waiters that were called and have not come yet."""
    resting: dict[str, float] = field(default_factory=dict)
    """Until when the provider wants no more of a model's orders with this key; bounded by the catalogue."""
    _allowance: float = 1.0
    _counted_at: float | None = None

    def rests(self, model: str, now: float) -> bool:
        """Whether the provider asked for peace."""
        return self.resting.get(model, 0.0) > now

    def has_room(self, now: float) -> bool:
        """Whether its limits allow one more order."""
        most = self.account.max_concurrent
        if most is not None and self.open + self.promised >= most:
            return False
        self._count(now)
        return self.account.max_per_minute is None or self._allowance - self.promised >= 1

    def room_in_s(self, now: float) -> float | None:
        """When its rate allows the next one; None when only the end of another order makes room."""
        per_minute, most = self.account.max_per_minute, self.account.max_concurrent
        if per_minute is None or (most is not None and self.open + self.promised >= most):
            return None
        self._count(now)
        return max(0.0, (1 + self.promised - self._allowance) * 60 / per_minute)

    def take(self, now: float) -> None:
        """Count one order."""
        self._count(now)
        self._allowance -= 1
        self.open += 1

    def _count(self, now: float) -> None:
        per_minute = self.account.max_per_minute
        if per_minute is None:
            self._allowance = 1.0
            return
        burst = max(1.0, per_minute * _BURST_S / 60)
        if self._counted_at is None:
            self._allowance = burst
        else:
            self._allowance = min(burst, self._allowance + (now - self._counted_at) * per_minute / 60)
        self._counted_at = now


@dataclass(slots=True, eq=False)
class Ticket:
    """One waiter, for any of several providers."""

    kind: Kind
    account_id: UUID
    called: "asyncio.Future[None]"
    promise: tuple["Keyring", Key] | None = None
    """Where room is kept for it."""

    def redeem(self) -> None:
        """Give the kept room back: it is taken now, or not wanted."""
        if self.promise is not None:
            _, key = self.promise
            key.promised -= 1
            self.promise = None


class Keyring:
    """All keys of one provider."""

    def __init__(
        self, accounts: Mapping[Account, Mapping[str, Upstream]], limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self.keys = tuple(Key(account, speakers, Breaker(limits)) for account, speakers in accounts.items())
        self._next = 0
        self._waiting: Turns[Ticket] = Turns()
        self._timer: asyncio.TimerHandle | None = None

    def labelled(self, label: str | None) -> Key:
        """The key of an earlier order; another one when it is gone, which the provider may or may not accept."""
        return next((key for key in self.keys if key.account.label == label), self.keys[0])

    def speaks(self, protocol: str) -> bool:
        """Whether this provider can be spoken to in that protocol."""
        return all(protocol in key.speakers for key in self.keys)

    def well(self, model: str) -> list[Key]:
        """The keys that may be used for a model, the one whose turn it is first."""
        now = self._clock()
        turned = self.keys[self._next :] + self.keys[: self._next]
        return [key for key in turned if key.breaker.may_admit(now) and not key.rests(model, now)]

    def room(self, model: str, *, called: bool) -> Key | None:
        """A well key with room for one more order. Who was not called stands behind those who wait."""
        if self._waiting and not called:
            return None
        now = self._clock()
        return next((key for key in self.well(model) if key.has_room(now)), None)

    def take(self, key: Key) -> Admission:
        """Use a key for one order; the next order goes to the next key."""
        now = self._clock()
        admission = key.breaker.admit(now)
        assert admission is not None, "only a key that is well is used"
        key.take(now)
        self._next = (self.keys.index(key) + 1) % len(self.keys)
        return admission

    def give_back(self, key: Key) -> None:
        """An order has ended."""
        key.open -= 1
        self.serve()

    def wait(self, ticket: Ticket) -> None:
        """Stand in line."""
        self._waiting.join(ticket.kind, ticket.account_id, ticket)
        self.serve()

    def serve(self) -> None:
        """Call as many waiters as there is room for."""
        now = self._clock()
        while self._waiting:
            key = next((key for key in self.keys if key.breaker.may_admit(now) and key.has_room(now)), None)
            if key is None:
                self._serve_later(now)
                return
            ticket = self._waiting.next()
            if ticket is not None and not ticket.called.done():
                key.promised += 1
                ticket.promise = (self, key)
                ticket.called.set_result(None)

    def recall(self) -> None:
        """Something changed: everybody who waits looks again at all routes."""
        while (ticket := self._waiting.next()) is not None:
            if not ticket.called.done():
                ticket.called.set_result(None)

    def _serve_later(self, now: float) -> None:
        waits = [wait_s for key in self.keys if (wait_s := key.room_in_s(now)) is not None]
        if waits and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.01, min(waits)), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.serve()
