"""What every upstream protocol looks like to the runner."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from dispatcher.domain.jobs import Accepted, Order, Pending, Produced
from dispatcher.upstreams.client import Client

BytesSent = Callable[[], None]
"""Called each time bytes of a submit have left; the last call marks its last byte."""


class CannotAsk(Exception):  # noqa: N818
    """A poll got no usable answer; the generation may well be running. Ask again later, ``wish_s`` or more.

    ``reached`` says that the provider is there and only would not answer now: contact with it is not lost.
    """

    def __init__(self, code: str, wish_s: float | None = None, *, reached: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.wish_s = wish_s
        self.reached = reached


@dataclass(frozen=True, slots=True)
class Account:
    """Our account at one provider: where it is, how we sign in, and how much of it we may use at once.

    A provider with several keys has one account for each; ``max_concurrent`` and ``max_per_minute`` hold for each.
    """

    provider: str
    base_url: str
    api_key: str
    origins: tuple[str, ...]
    """Origins besides public ones that its outputs may come from: its own, and those of the setting."""
    label: str = ""
    """Names the key in rows and logs."""
    max_concurrent: int | None = None
    max_per_minute: int | None = None


class Upstream(Protocol):
    """One wire protocol, spoken with one account.

    Raises :class:`~dispatcher.domain.failures.UpstreamFailed` and nothing else for what the provider answers or
    fails to answer. No upstream text leaves an adapter.
    """

    def __init__(self, client: Client, account: Account) -> None: ...

    async def submit(self, order: Order, sent: BytesSent) -> Accepted | Produced:
        """Ask for the order once. Never repeats anything by itself."""
        ...


@runtime_checkable
class AsynchronousUpstream(Upstream, Protocol):
    """A protocol whose submit is only accepted; the result is asked for later."""

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """How an accepted order is doing, or its result. Also raises CannotAsk."""
        ...

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:
        """Try to stop an accepted order; True when the provider confirms that it will not be made."""
        ...


@runtime_checkable
class CallingBack(Upstream, Protocol):
    """A protocol whose provider can be given ``Order.callback_url`` and then tells of changes by itself.

    What it says is never believed: a genuine call only has the order asked about at once.
    """

    async def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a call that came to an order's address was made by the provider.

        ``headers`` have lower-case names. A provider that signs nothing is known by the address alone.
        """
        ...


@runtime_checkable
class Searchable(Upstream, Protocol):
    """A protocol in which an order whose answer was lost can be found again."""

    async def find(self, callback_url: str, since: datetime, timeout_s: float) -> Accepted | None:
        """The order that was given this address, begun at ``since`` or later; None when there surely is none.

        Raises CannotAsk.
        """
        ...
