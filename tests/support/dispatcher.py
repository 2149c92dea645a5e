"""A dispatcher without a bus: jobs are handed to it as its consumer would, and what it publishes is collected."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from common import clock
from common.catalogue import Catalogue, Model, load
from common.catalogue.model import PollStep
from common.contracts import JobFailed, JobGenerated, JobReserved, Message
from common.contracts.body import BodyInput, JobBody
from common.ids import new_id, new_job_id
from common.messaging import CannotReach
from common.sealing import Sealer, rotate
from dispatcher.app import Parts, assemble
from dispatcher.settings import DispatcherSettings
from support.postgres import FreshDatabase
from support.s3 import ACCESS_KEY, S3, SECRET_KEY

Verdict = JobGenerated | JobFailed


class RunningDispatcher:
    """One dispatcher process' worth of parts, in this process."""

    def __init__(self, database: FreshDatabase, keys: Path) -> None:
        self.database = database
        self._sealer = Sealer(keys / "public.json")
        self.parts: Parts
        self.published: list[Message] = []
        self.broker_away = False
        self._news = asyncio.Condition()

    async def publish(self, message: Message) -> None:
        """What the bus would do."""
        if self.broker_away:
            raise CannotReach("broker: away for the test")
        self.published.append(message)
        async with self._news:
            self._news.notify_all()

    def event(
        self,
        model: str = "gpt-image-2",
        prompt: str = "a cat",
        *,
        deadline_s: float = 30,
        inputs: tuple[BodyInput, ...] = (),
        livemode: bool = True,
        **fields: Any,
    ) -> JobReserved:
        """A reserved job as billing would announce it."""
        known = load().find(model)
        assert known is not None
        roles = [one.role for one in inputs]
        request = known.request("native", {"prompt": prompt, **fields}, roles)
        job_id, account_id = new_job_id(), new_id()
        body = JobBody(texts=request.texts, inputs=inputs).model_dump(mode="json")
        deadline_at = clock.now() + timedelta(seconds=deadline_s)
        sealed = self._sealer.seal(job_id, account_id, clock.now() + timedelta(hours=1), body)
        return JobReserved(
            job_id=job_id,
            account_id=account_id,
            model=request.model,
            kind=known.kind,
            mode=request.mode,
            outputs=request.outputs,
            parameters=request.parameters,
            epoch=sealed.epoch,
            sealed=sealed.box,
            price_microusd=1,
            price_version=1,
            held_at=clock.now(),
            deadline_at=deadline_at,
            synchronous=known.kind == "image",
            livemode=livemode,
            replica="gateway.test",
        )

    async def take(self, event: JobReserved) -> UUID:
        """Hand a job over as its consumer does."""
        await self.parts.admission.take(event)
        return event.job_id

    async def verdict(self, job_id: UUID, timeout_s: float = 20) -> Verdict:
        """The job's result, once it is published."""
        async with asyncio.timeout(timeout_s), self._news:
            while True:
                for message in self.published:
                    if message.job_id == job_id and isinstance(message, JobGenerated | JobFailed):
                        return message
                await self._news.wait()

    async def run(self, model: str = "gpt-image-2", prompt: str = "a cat", **fields: Any) -> Verdict:
        """One job from reservation to result."""
        return await self.verdict(await self.take(self.event(model, prompt, **fields)))

    async def settled(self, job_id: UUID, timeout_s: float = 5) -> None:
        """Wait until this process is done with the job."""
        async with asyncio.timeout(timeout_s):
            while self.parts.runner.runs(job_id):
                await asyncio.sleep(0.01)

    async def die(self, *, release: bool = True) -> None:
        """End like a killed process: nothing more is written. With ``release`` its lease is over at once."""
        for _, task in list(self.parts.runner._runs.values()):
            task.cancel()
        await asyncio.sleep(0)
        await self.parts.attempts.stop()
        await self.parts.poller.stop()
        if release:
            await self.parts.ownership.leave()

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Look into the schema as the administrator."""
        with psycopg.connect(self.database.admin_url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute("set search_path = dispatcher")
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def job(self, job_id: UUID) -> dict[str, Any]:
        """The job's row."""
        return self.rows("select * from jobs where job_id = %(id)s", id=job_id)[0]

    def attempts(self, job_id: UUID) -> list[tuple[str, str, str | None]]:
        """Provider, state and failure class of each attempt, in order."""
        rows = self.rows("select * from attempts where job_id = %(id)s order by attempt_no", id=job_id)
        return [(row["provider"], str(row["state"]), row["failure_class"]) for row in rows]


def settings_for(database: FreshDatabase, s3: S3, keys: Path, **other: Any) -> DispatcherSettings:
    """Settings of a dispatcher under test."""
    return DispatcherSettings.model_validate(
        {
            "database_url": database.service_url,
            "AMQP_URL": "amqp://unused",
            "INTERNAL_TOKEN": "token-of-the-tests",
            "S3_ENDPOINT_URL": s3.url,
            "S3_BUCKET": "outputs",
            "S3_STAGING_BUCKET": "staging",
            "S3_ACCESS_KEY_ID": ACCESS_KEY,
            "S3_SECRET_ACCESS_KEY": SECRET_KEY,
            "sealing_keys_file": keys / "private.json",
            "breaker_cool_down_s": 0.5,
            **other,
        }
    )


def impatient(model: Model) -> Model:
    """The same model, whose orders are asked about ten times a second, whatever its providers prefer."""
    routes = [
        route.model_copy(update={"timeouts": route.timeouts.model_copy(update={"poll_least_ms": 0})})
        for route in model.routes
    ]
    return model.model_copy(update={"routes": tuple(routes), "polling": (PollStep(from_age_ms=0, every_ms=100),)})


@asynccontextmanager
async def running_dispatcher(
    database: FreshDatabase,
    s3: S3,
    keys: Path,
    environ: Mapping[str, str],
    catalogue: Catalogue | None = None,
    **settings: Any,
) -> AsyncIterator[RunningDispatcher]:
    """A dispatcher with its lease, without its timers: tests call what timers would.

    Unless a test has a catalogue of its own, orders are asked about often.
    """
    rotate(keys, clock.now())
    running = RunningDispatcher(database, keys)
    models = catalogue or Catalogue(tuple(map(impatient, load().models)))
    running.parts = assemble(settings_for(database, s3, keys, **settings), environ, running.publish, models)
    await running.parts.start()
    await running.parts.ownership.renew()
    try:
        yield running
    finally:
        await running.parts.runner.drain(0.5)
        await running.parts.stop()
