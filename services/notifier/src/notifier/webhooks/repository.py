"""All SQL of webhook deliveries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from yarl import URL

from common.coalescer import Coalescer
from common.database import Database
from notifier.webhooks.schedule import Answer

_WINDOW = 10
"""Due rows looked at per row wanted, so that one host's backlog does not hide the others'."""
_RENEWAL_S = 3.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """A fact for one URL."""

    id: UUID
    job_id: UUID
    account_id: UUID
    url: str
    event_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one URL, claimed by this process; ``claim`` is the claim's token."""

    id: UUID
    account_id: UUID
    url: str
    host: str
    body: bytes
    tries: int
    claim: UUID
    sealed_secret: bytes | None


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one post. ``pause_s`` None: no further try."""

    delivery: Delivery
    answer: Answer
    started_at: datetime
    latency_ms: int
    pause_s: float | None

    @property
    def state(self) -> str:
        """The delivery's state after it."""
        return "delivered" if self.answer.delivered else "failed" if self.pause_s is None else "pending"


class Deliveries:
    """The log of what was to be told to whom, and every try at it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.add = Coalescer("deliveries", self._add)
        """A new delivery, due now; False when the same fact was announced before."""
        self.record = Coalescer("tries", self._record)
        """Note one try and what follows from it; False when another process holds the claim by now."""

    async def claim(
        self, room: int, for_s: float, taken: Mapping[str, int], max_per_host: int, *, lapsed_too: bool = True
    ) -> Sequence[Delivery]:
        """Due deliveries that nobody works on, ours for ``for_s`` seconds, then ``lapsed_too`` anybody's.

        ``taken``: places that are not free, of the ``max_per_host`` that each host has.
        """
        rows = await self._database.fetch(
            """
            with taken as (
                select * from unnest(%(hosts)s::text[], %(counts)s::int[]) as t(host, places)
            ), candidates as (
                select id, host, next_at from deliveries
                where state = 'pending' and next_at <= now()
                  and (claimed_until is null or (%(lapsed_too)s and claimed_until < now()))
                  and host <> all(%(full)s::text[])
                order by next_at limit %(window)s
            ), ranked as (
                select id, next_at,
                       row_number() over (partition by host order by next_at) + coalesce(places, 0) as place
                from candidates left join taken using (host)
            ), chosen as (
                -- Asked again under the lock: another process may have claimed the row since it was ranked.
                select d.id from deliveries d join ranked using (id)
                where place <= %(max_per_host)s
                  and d.state = 'pending' and d.next_at <= now()
                  and (d.claimed_until is null or (%(lapsed_too)s and d.claimed_until < now()))
                order by ranked.next_at limit %(room)s for update of d skip locked
            )
            update deliveries d
            set claim = gen_random_uuid(), claimed_until = now() + make_interval(secs => %(for_s)s)
            from chosen where d.id = chosen.id
            returning d.id, d.account_id, d.url, d.host, d.body, d.tries, d.claim,
                      (select sealed from secrets s where s.account_id = d.account_id) as sealed_secret
            """,
            {
                "hosts": list(taken),
                "counts": list(taken.values()),
                "full": [host for host, places in taken.items() if places >= max_per_host],
                "window": room * _WINDOW,
                "max_per_host": max_per_host,
                "room": room,
                "for_s": for_s,
                "lapsed_too": lapsed_too,
            },
        )
        return [Delivery(**{**row, "body": row["body"].encode()}) for row in rows]

    async def renew(self, deliveries: Collection[Delivery], for_s: float) -> set[UUID]:
        """Hold these claims for ``for_s`` seconds from now; the ids of those that are still ours."""
        # What is locked is being recorded, or claimed by somebody else: nothing is gained by waiting for it, and two
        # statements that lock many rows, each in an order of its own, would at times wait for each other.
        rows = await self._database.fetch(
            """
            with ours as (
                select d.id from deliveries d
                join unnest(%(ids)s::uuid[], %(claims)s::uuid[]) as t(id, claim) on d.id = t.id and d.claim = t.claim
                where d.state = 'pending' for no key update of d skip locked
            )
            update deliveries d set claimed_until = now() + make_interval(secs => %(for_s)s)
            from ours where d.id = ours.id returning d.id
            """,
            {
                "ids": [one.id for one in deliveries],
                "claims": [one.claim for one in deliveries],
                "for_s": for_s,
            },
            limit_s=_RENEWAL_S,
        )
        return {row["id"] for row in rows}

    async def next_due_s(self) -> float | None:
        """Seconds until the next pending delivery that is not due yet; None when there is none."""
        rows = await self._database.fetch(
            """
            select extract(epoch from min(next_at) - now())::float8 as due_s
            from deliveries where state = 'pending' and next_at > now()
            """
        )
        due_s: float | None = rows[0]["due_s"]
        return due_s

    async def _add(self, batch: list[Announcement]) -> list[bool]:
        rows = await self._database.fetch(
            """
            insert into deliveries (id, job_id, account_id, url, host, event_type, body)
            select * from unnest(
                %(ids)s::uuid[], %(jobs)s::uuid[], %(accounts)s::uuid[], %(urls)s::text[], %(hosts)s::text[],
                %(types)s::text[], %(bodies)s::text[]
            ) on conflict do nothing returning id
            """,
            {
                "ids": [one.id for one in batch],
                "jobs": [one.job_id for one in batch],
                "accounts": [one.account_id for one in batch],
                "urls": [one.url for one in batch],
                "hosts": [_host(one.url) for one in batch],
                "types": [one.event_type for one in batch],
                "bodies": [one.body for one in batch],
            },
        )
        added = {row["id"] for row in rows}
        return [one.id in added for one in batch]

    async def _record(self, batch: list[Try]) -> list[bool]:
        # A failure counts only for whoever holds the claim; that it was delivered is true whoever says it.
        rows = await self._database.fetch(
            """
            with given as (
                select * from unnest(
                    %(ids)s::uuid[], %(claims)s::uuid[], %(states)s::text[], %(pauses)s::float8[],
                    %(starts)s::timestamptz[], %(latencies)s::int[], %(statuses)s::int[], %(errors)s::text[]
                ) as t(id, claim, state, pause_s, started_at, latency_ms, status, error)
            ), tried as (
                update deliveries d set
                    state = g.state, tries = d.tries + 1, claim = null, claimed_until = null,
                    next_at = now() + make_interval(secs => g.pause_s),
                    finished_at = case when g.state = 'pending' then null else now() end
                from given g
                where d.id = g.id and d.state = 'pending'
                  and (d.claim = g.claim or g.state = 'delivered')
                returning d.id, d.tries, g.started_at, g.latency_ms, g.status, g.error
            )
            insert into attempts (delivery_id, number, started_at, latency_ms, status, error)
            select * from tried returning delivery_id
            """,
            {
                "ids": [one.delivery.id for one in batch],
                "claims": [one.delivery.claim for one in batch],
                "states": [one.state for one in batch],
                "pauses": [one.pause_s or 0.0 for one in batch],
                "starts": [one.started_at for one in batch],
                "latencies": [one.latency_ms for one in batch],
                "statuses": [one.answer.status for one in batch],
                "errors": [one.answer.error for one in batch],
            },
        )
        recorded = {row["delivery_id"] for row in rows}
        return [one.delivery.id in recorded for one in batch]


def _host(url: str) -> str:
    """Host and port, the unit that posts are counted by; what is no URL is refused when it is posted to."""
    try:
        parsed = URL(url)
    except ValueError:
        return ""
    return f"{(parsed.host or '').lower()}:{parsed.port}"
