"""Orders, Stripe's customers and subscriptions, and the events it told of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.database import Database, Row

_ORDER_COLUMNS = """order_id, account_id, kind, offer, amount_cents, currency, credits_microusd, session_id, state,
    problem, created_at, ended_at, topup"""


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer was about to pay."""

    order_id: UUID
    account_id: UUID
    kind: str
    offer: str
    amount_cents: int
    currency: str
    credits_microusd: int
    session_id: str | None
    state: str
    problem: str | None
    created_at: datetime
    ended_at: datetime | None
    topup: bool
    """Placed by an automatic top-up: there is no page."""


class Orders:
    """Orders and who pays them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, values: Mapping[str, Any]) -> Order:
        """A new order, or the one that has this id."""
        await self._database.execute(
            """
            insert into orders (order_id, account_id, kind, offer, amount_cents, currency, credits_microusd)
            values (%(order_id)s, %(account_id)s, %(kind)s, %(offer)s, %(amount_cents)s, %(currency)s,
                %(credits_microusd)s)
            on conflict (order_id) do nothing
            """,
            values,
        )
        found = await self.find(values["order_id"])
        assert found is not None
        return found

    async def find(self, order_id: UUID) -> Order | None:
        """One order."""
        sql = f"select {_ORDER_COLUMNS} from orders where order_id = %(order_id)s"  # noqa: S608 - constants
        rows = await self._database.fetch(sql, {"order_id": order_id})
        return Order(**rows[0]) if rows else None

    async def open_since(self, before_s: float, limit: int) -> Sequence[Order]:
        """Orders that have been open for a while and have a page."""
        sql = f"""
            select {_ORDER_COLUMNS} from orders
            where state = 'open' and session_id is not null
                and created_at < clock_timestamp() - make_interval(secs => %(before_s)s)
            order by created_at limit %(limit)s
        """  # noqa: S608 - constants
        rows = await self._database.fetch(sql, {"before_s": before_s, "limit": limit})
        return [Order(**row) for row in rows]

    async def paid_at(self, order_id: UUID, session_id: str) -> None:
        """Its page is known."""
        await self._database.execute(
            "update orders set session_id = %(session_id)s where order_id = %(order_id)s and session_id is null",
            {"order_id": order_id, "session_id": session_id},
        )

    async def end(self, order_id: UUID, state: str, problem: str | None = None) -> None:
        """It is paid, or never will be; a paid one stays paid."""
        await self._database.execute(
            """
            update orders set state = %(state)s, problem = coalesce(%(problem)s, problem),
                ended_at = coalesce(ended_at, clock_timestamp())
            where order_id = %(order_id)s and state <> 'paid'
            """,
            {"order_id": order_id, "state": state, "problem": problem},
        )

    async def note(self, order_id: UUID, problem: str) -> None:
        """Something about it does not fit; for whoever looks after payments."""
        await self._database.execute(
            "update orders set problem = %(problem)s where order_id = %(order_id)s",
            {"order_id": order_id, "problem": problem},
        )

    async def customer_of(self, account_id: UUID) -> str | None:
        """An account's customer at Stripe."""
        rows = await self._database.fetch(
            "select customer_id from stripe_customers where account_id = %(account_id)s", {"account_id": account_id}
        )
        return rows[0]["customer_id"] if rows else None

    async def account_of(self, customer_id: str) -> UUID | None:
        """The account that a customer at Stripe stands for."""
        rows = await self._database.fetch(
            "select account_id from stripe_customers where customer_id = %(customer_id)s",
            {"customer_id": customer_id},
        )
        return rows[0]["account_id"] if rows else None

    async def remember(self, account_id: UUID, customer_id: str) -> None:
        """Which customer stands for an account; the first one stays."""
        await self._database.execute(
            """
            insert into stripe_customers (account_id, customer_id) values (%(account_id)s, %(customer_id)s)
            on conflict do nothing
            """,
            {"account_id": account_id, "customer_id": customer_id},
        )

    async def subscribed(self, values: Mapping[str, Any]) -> None:
        """A subscription as Stripe shows it now; what was seen later stays."""
        await self._database.execute(
            """
            insert into subscriptions as s
                (subscription_id, account_id, plan, status, period_end, cancel_at_period_end, seen_at)
            values (%(subscription_id)s, %(account_id)s, %(plan)s, %(status)s, %(period_end)s,
                %(cancel_at_period_end)s, %(seen_at)s)
            on conflict (subscription_id) do update set plan = excluded.plan, status = excluded.status,
                period_end = excluded.period_end, cancel_at_period_end = excluded.cancel_at_period_end,
                seen_at = excluded.seen_at
            where s.seen_at <= excluded.seen_at
            """,
            values,
        )

    async def subscription_of(self, account_id: UUID) -> Row | None:
        """The account's subscription: the live one, or the last that ended."""
        rows = await self._database.fetch(
            """
            select subscription_id, plan, status, period_end, cancel_at_period_end from subscriptions
            where account_id = %(account_id)s and status <> 'incomplete_expired'
            order by status = 'canceled', period_end desc limit 1
            """,
            {"account_id": account_id},
        )
        return rows[0] if rows else None


@dataclass(frozen=True, slots=True)
class Told:
    """An event that Stripe told of."""

    event_id: str
    type: str
    object_id: str
    told_at: datetime


class StripeEvents:
    """The inbox: every event once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, events: Sequence[Told]) -> int:
        """Keep events that are not known yet; how many that were."""
        return await self._database.execute(
            """
            insert into stripe_events (event_id, type, object_id, told_at)
            select * from unnest(%(ids)s::text[], %(types)s::text[], %(objects)s::text[], %(times)s::timestamptz[])
            on conflict (event_id) do nothing
            """,
            {
                "ids": [one.event_id for one in events],
                "types": [one.type for one in events],
                "objects": [one.object_id for one in events],
                "times": [one.told_at for one in events],
            },
        )

    async def take(self, limit: int, for_s: float) -> Sequence[Told]:
        """Events to be handled now; they come again after ``for_s`` unless they are done by then."""
        rows = await self._database.fetch(
            """
            with due as (
                select event_id from stripe_events where handled_at is null and next_at <= clock_timestamp()
                order by next_at limit %(limit)s for update skip locked
            )
            update stripe_events e set tries = e.tries + 1,
                next_at = clock_timestamp() + make_interval(secs => %(for_s)s)
            from due where e.event_id = due.event_id
            returning e.event_id, e.type, e.object_id, e.told_at
            """,
            {"limit": limit, "for_s": for_s},
        )
        return [Told(**row) for row in rows]

    async def done(self, event_id: str) -> None:
        """Handled."""
        await self._database.execute(
            "update stripe_events set handled_at = clock_timestamp(), problem = null where event_id = %(event_id)s",
            {"event_id": event_id},
        )

    async def again(self, event_id: str, problem: str) -> None:
        """Not handled: later again, ever more rarely."""
        await self._database.execute(
            """
            update stripe_events set problem = %(problem)s,
                next_at = clock_timestamp() + make_interval(secs => least(3600, power(2, least(tries, 12))))
            where event_id = %(event_id)s and handled_at is null
            """,
            {"event_id": event_id, "problem": problem},
        )

    async def waiting(self) -> int:
        """How many are still to be handled."""
        rows = await self._database.fetch("select count(*) as n from stripe_events where handled_at is null")
        return int(rows[0]["n"])

    async def prune(self, days: float) -> int:
        """Forget handled events that Stripe itself does not list any more."""
        return await self._database.execute(
            """
            delete from stripe_events where handled_at < clock_timestamp() - make_interval(secs => %(s)s)
                and told_at < clock_timestamp() - make_interval(secs => %(s)s)
            """,
            {"s": days * 86_400},
        )

    async def reconciled_until(self) -> datetime | None:
        """Up to when the last complete look at Stripe reached."""
        rows = await self._database.fetch("select until from reconciled")
        return rows[0]["until"] if rows else None

    async def reconciled(self, until: datetime) -> None:
        """A look was complete."""
        await self._database.execute(
            """
            insert into reconciled as r (until) values (%(until)s)
            on conflict (sole) do update set until = greatest(r.until, excluded.until)
            """,
            {"until": until},
        )
