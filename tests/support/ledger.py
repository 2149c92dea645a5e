"""Billing's handlers over a real database, and builders for what goes in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from billing.domain.postings import Credit
from billing.domain.quotes import Quotes
from billing.domain.reservation import Reservation
from billing.handlers.control import Control
from billing.handlers.hold import HoldPrice
from billing.handlers.settle import Settle
from billing.invariants import count_violations
from billing.repository.accounts import Accounts
from billing.repository.holds import Holds
from billing.repository.moves import Moves
from billing.repository.price_changes import PriceChanges
from billing.repository.prices import Prices
from billing.repository.reservations import Reservations
from billing.repository.settlements import Settlements
from common.clock import now
from common.contracts import (
    JobCancel,
    JobFailed,
    JobOverdue,
    JobStored,
    JobSubmitted,
    StoredOutput,
)
from common.database import Database
from common.ids import new_id, new_job_id
from support.postgres import FreshDatabase

PRICE = 7_000
SKU = "picture"
QUOTES = Quotes("secret-of-the-tests")


def a_job(
    account: UUID,
    *,
    job_id: UUID | None = None,
    quantity: int = 1,
    outputs: int = 1,
    sku: str = SKU,
    deadline_ms: int = 60_000,
    accept_in_s: float = 30,
    livemode: bool = True,
    **other: Any,
) -> JobSubmitted:
    """A submitted job; its price is ``quantity`` times PRICE."""
    return JobSubmitted(
        job_id=job_id or new_job_id(),
        account_id=account,
        model="gpt-image-2",
        kind="image",
        mode="generate",
        sku=sku,
        quantity=quantity,
        outputs=outputs,
        parameters={},
        epoch="e1",
        sealed="c2VhbGVk",
        deadline_ms=deadline_ms,
        submitted_at=now(),
        accept_by=now() + timedelta(seconds=accept_in_s),
        synchronous=True,
        livemode=livemode,
        replica="gateway.test",
        **other,
    )


def stored(job: JobSubmitted, outputs: int) -> JobStored:
    """So many outputs of a job are in the bucket."""
    made = tuple(
        StoredOutput(
            index=i,
            key=f"std/{job.job_id.hex}/1/{i}.png",
            media_type="image/png",
            bytes=10,
            sha256="00" * 32,
            expires_at=datetime(2040, 1, 1, tzinfo=UTC),
        )
        for i in range(outputs)
    )
    return JobStored(job_id=job.job_id, account_id=job.account_id, wanted=job.outputs, outputs=made)


def failed(job: JobSubmitted, code: str = "upstream_unavailable") -> JobFailed:
    """No output will come."""
    return JobFailed(
        job_id=job.job_id, account_id=job.account_id, stage="dispatcher", code=code, message="It failed."
    )


def cancel(job: JobSubmitted) -> JobCancel:
    """The gateway gave the job up."""
    return JobCancel(
        job_id=job.job_id, account_id=job.account_id, reason="abandoned", replica="gateway.test", synchronous=True
    )


def overdue(job: JobSubmitted) -> JobOverdue:
    """The gateway misses an answer."""
    return JobOverdue(job_id=job.job_id, account_id=job.account_id, replica="gateway.test", synchronous=True)


@dataclass
class Replica:
    """One billing process: its own connections and its own batches."""

    database: Database
    hold: HoldPrice
    holds: Holds
    settle: Settle
    settlements: Settlements
    control: Control
    reservations: Reservations
    accounts: Accounts
    prices: Prices
    price_changes: PriceChanges
    moves: Moves

    @classmethod
    def on(cls, database: Database, expire_after_deadline_s: float) -> "Replica":
        """Handlers over a database, as the service wires them."""
        reservations = Reservations(database)
        settlements = Settlements(database)
        settle = Settle(settlements, reservations)
        holds = Holds(database, expire_after_deadline_s)
        return cls(
            database,
            HoldPrice(holds, QUOTES),
            holds,
            settle,
            settlements,
            Control(settle, reservations),
            reservations,
            Accounts(database),
            Prices(database),
            PriceChanges(database),
            Moves(database),
        )

    async def account(self, *, microusd: int = 0, subscription: int = 0, granted: int = 0) -> UUID:
        """A new customer with so much in each pot (``microusd`` is purchased)."""
        account = new_id()
        if microusd:
            await self.accounts.credit(Credit(f"credit:{account}", account, microusd, "test"))
        for purpose, amount in (("subscription", subscription), ("granted", granted)):
            if amount:
                await self._grant(account, purpose, amount)
        return account

    async def _grant(self, account: UUID, purpose: str, amount: int) -> None:
        # There is no way for customers to these pots yet; the posting is what such a way will book.
        async with self.database.transaction() as tx:
            rows = await tx.fetch(
                "insert into transactions (operation, event, account_id, booked_at)"
                " values (%(operation)s, 'credit', %(account)s, now()) returning transaction_id",
                {"operation": f"test:{new_id()}", "account": account},
            )
            await tx.execute(
                f"insert into accounts as a (account_id, {purpose}_microusd) values (%(account)s, %(amount)s)"
                f" on conflict (account_id) do update set {purpose}_microusd = a.{purpose}_microusd + %(amount)s",
                {"account": account, "amount": amount},
            )
            await tx.execute(
                "insert into entries (transaction_id, account_id, purpose, amount_microusd) values"
                " (%(tx)s, %(account)s, %(purpose)s::purpose, %(amount)s),"
                " (%(tx)s, %(house)s, 'outside', -%(amount)s)",
                {
                    "tx": rows[0]["transaction_id"],
                    "account": account,
                    "purpose": purpose,
                    "amount": amount,
                    "house": UUID(int=0),
                },
            )

    async def pots(self, account: UUID) -> tuple[int, int, int, int]:
        """Subscription, granted, purchased, held."""
        have = await self.accounts.balance(account)
        return (
            have.subscription_microusd,
            have.granted_microusd,
            have.purchased_microusd,
            have.held_microusd,
        )

    async def owed(self, account: UUID) -> int:
        """What the customer owes us; 0 or more."""
        rows = await self.database.fetch(
            "select -balance_microusd as owed from audit_balances"
            " where account_id = %(account)s and purpose = 'receivable'",
            {"account": account},
        )
        return rows[0]["owed"] if rows else 0

    async def reservation(self, job_id: UUID) -> Reservation:
        """The row that decides about a job."""
        return (await self.reservations.read([job_id]))[job_id]

    async def entries(self, operation: str) -> dict[str, int]:
        """What one operation moved, by purpose."""
        rows = await self.database.fetch(
            "select purpose, amount_microusd from audit_entries where operation = %(operation)s",
            {"operation": operation},
        )
        return {row["purpose"]: row["amount_microusd"] for row in rows}

    async def assert_sound(self) -> None:
        """No invariant is violated anywhere in the ledger."""
        found = await count_violations(self.database)
        assert not any(found.values()), found


@dataclass
class Ledger(Replica):
    """A migrated, seeded database and the first replica on it."""

    urls: FreshDatabase
    expire_after_deadline_s: float

    @asynccontextmanager
    async def replicas(self, count: int) -> AsyncIterator[Sequence[Replica]]:
        """Further processes on the same database."""
        databases = [Database(self.urls.service_url, pool_size=6) for _ in range(count)]
        await asyncio.gather(*(database.start() for database in databases))
        try:
            yield [Replica.on(database, self.expire_after_deadline_s) for database in databases]
        finally:
            await asyncio.gather(*(database.stop() for database in databases))


@asynccontextmanager
async def a_ledger(urls: FreshDatabase, *, expire_after_deadline_s: float = 600) -> AsyncIterator[Ledger]:
    """Billing on this database, with SKU at PRICE."""
    database = Database(urls.service_url, pool_size=6)
    await database.start()
    try:
        replica = Replica.on(database, expire_after_deadline_s)
        await replica.prices.seed({SKU: PRICE})
        yield Ledger(**vars(replica), urls=urls, expire_after_deadline_s=expire_after_deadline_s)
    finally:
        await database.stop()
