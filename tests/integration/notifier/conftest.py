"""The notifier as the service wires it, over a real database; receivers are servers that do as they are told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from common.clock import now
from common.contracts import JobFinished
from common.database import Database
from common.egress import EgressPolicy
from common.ids import new_id, new_job_id, task_id
from notifier.secrets import Secrets
from notifier.webhooks.announce import Announce
from notifier.webhooks.posting import Poster
from notifier.webhooks.repository import Deliveries
from notifier.webhooks.sender import Sender
from support.origin import Origin, an_origin
from support.postgres import FreshDatabase, Postgres

KEY = "5e" * 32
SCHEDULE_S = (0.2, 0.4, 0.8)


@dataclass
class Replica:
    """One notifier process: its own connections and its own sender."""

    database: Database
    secrets: Secrets
    deliveries: Deliveries
    sender: Sender
    announce: Announce


@dataclass
class Notifier:
    """A migrated database, a receiver and the first replica."""

    urls: FreshDatabase
    receiver: Origin
    replica: Replica
    account: UUID = field(default_factory=new_id)

    def finished(self, url: str | None, **fields: Any) -> JobFinished:
        """A job that is final, to be told to this URL."""
        job_id = fields.pop("job_id", None) or new_job_id()
        return JobFinished(
            **{
                "job_id": job_id,
                "account_id": self.account,
                "public_id": task_id(job_id),
                "task_id": task_id(job_id),
                "kind": "image",
                "model": "gpt-image-2",
                "status": "completed",
                "finished_at": now(),
                "callback_url": url,
                **fields,
            }
        )

    async def tell(self, url: str, **fields: Any) -> JobFinished:
        """Announce one."""
        event = self.finished(url, **fields)
        await self.replica.announce(event)
        return event

    def as_admin(self, sql: str, *params: object) -> list[dict[str, Any]]:
        """A statement of the administrator."""
        with psycopg.connect(self.urls.admin_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def delivery(self, event: JobFinished) -> dict[str, Any]:
        """The one delivery of a job."""
        [row] = self.as_admin("select * from notifier.deliveries where job_id = %s", event.job_id)
        return row

    def attempts(self, event: JobFinished) -> list[dict[str, Any]]:
        """Every try at it."""
        return self.as_admin(
            "select a.* from notifier.attempts a join notifier.deliveries d on d.id = a.delivery_id"
            " where d.job_id = %s order by number",
            event.job_id,
        )


@asynccontextmanager
async def a_replica(
    service_url: str, *, allow: str = "127.0.0.0/8", key: str = KEY, started: bool = True, **options: Any
) -> AsyncIterator[Replica]:
    """One process's worth, sending unless told otherwise."""
    timeout_s = options.pop("timeout_s", 1.0)
    database = Database(service_url, pool_size=6)
    poster = Poster(EgressPolicy.parse(allow), timeout_s=timeout_s)
    deliveries, secrets = Deliveries(database), Secrets(database, key)
    sender = Sender(
        deliveries,
        secrets,
        poster,
        **{
            "schedule_s": SCHEDULE_S,
            "max_in_flight": 150,
            "max_per_host": 10,
            "poll_interval_s": 0.5,
            **options,
        },
    )
    await database.start()
    await poster.start()
    if started:
        sender.start()
    try:
        yield Replica(database, secrets, deliveries, sender, Announce(deliveries, sender))
    finally:
        await sender.stop(5)
        await poster.stop()
        await database.stop()


@pytest.fixture
def urls(postgres: Postgres) -> FreshDatabase:
    return postgres.fresh_database("notifier")


@pytest.fixture
async def notifier(urls: FreshDatabase) -> AsyncIterator[Notifier]:
    async with an_origin() as receiver, a_replica(urls.service_url) as replica:
        yield Notifier(urls, receiver, replica)
