"""From an order to a job: one row, one message, however often and however badly the request is repeated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from common import clock, telemetry
from common.contracts import JobCancel, JobSubmitted, Message
from common.failpoints import reach
from common.messaging import Bus, CannotReach, Unconfirmed
from common.sealing import SealError
from gateway.domain.job import Job, NewJob
from gateway.errors import IdempotencyConflict, RateLimited, TooLarge, Unavailable
from gateway.jobs.orders import Order
from gateway.jobs.presence import Presence
from gateway.jobs.repository import JobRows, SubmissionRows
from gateway.jobs.waiters import Waiters, Watch
from gateway.settings import Settings

_REPEAT_S = 0.5
_INSIST_S = 15 * 60
_UNDECIDED_GRACE = timedelta(seconds=30)
"""After accept_by; together 60 s from submit to the first question."""
_JUDGING = timedelta(seconds=7)
"""How long a repeat waits until it can be told which processes live."""
_MAX_BACKGROUND = 10_000
_MAX_SEALED = 200 * 1024
"""A message has at most 256 KiB, envelope included."""

log = telemetry.logger(__name__)
submissions = telemetry.counter("gateway_submissions", "Orders by what became of them.", ("outcome",))


class Submission:
    """Places orders."""

    def __init__(
        self,
        *,
        settings: Settings,
        rows: SubmissionRows,
        jobs: JobRows,
        waiters: Waiters,
        bus: Bus,
        presence: Presence,
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._jobs = jobs
        self._waiters = waiters
        self._bus = bus
        self._presence = presence
        self._background: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def placed(self, order: Order) -> AsyncIterator[Watch]:
        """A watch on the job this order has become: a new one, the one its key names, or the one it adopts.

        Raises:
            Unavailable: nothing is held and nothing will be.
            IdempotencyConflict, RateLimited: nothing was begun.
        """
        earlier = await self._earlier(order)
        if earlier is None:
            with self._waiters.watch(order.job_id) as watch:
                message = self._message(order, order.job_id)
                if await self._insert(order, message):
                    watch.tell(_as_written(order, message))
                    await self._publish(message, is_new=True)
                    submissions.inc("new")
                    yield watch
                    return
            earlier = await self._by_key(order)
            if earlier is None:  # its key was freed between two statements
                raise Unavailable
        with self._waiters.watch(earlier.job_id) as watch:
            await self._join(order, earlier, watch)
            yield watch

    async def cancel(self, job: UUID, order: Order) -> None:
        """Ask that nothing be charged any more; insists beside the work until the broker has taken it."""
        self._insist(
            JobCancel(
                job_id=job,
                account_id=order.caller.account_id,
                reason="timed_out",
                replica=self._bus.replica,
                synchronous=order.synchronous,
            ),
            until=clock.now() + timedelta(seconds=_INSIST_S),
        )

    async def stop(self) -> None:
        """Give up what still insists; billing's answers to job.overdue repair it."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _earlier(self, order: Order) -> Job | None:
        """The job a stock SDK's repeat belongs to."""
        if order.idempotency_hash is not None or order.retry_count < 1:
            return None
        give_up_at = clock.now() + _JUDGING
        while True:
            adopted = await self._adopt(order)
            if adopted is not None:
                submissions.inc("adopted")
                log.info("job_adopted", job_id=adopted.job_id.hex, retry_count=order.retry_count)
                return adopted
            # Database and gateway may have died together: better late than a second picture.
            unjudged = await self._rows.has_unjudged(
                api_key_id=order.caller.api_key_id,
                body_hash=order.body_hash,
                waiter=self._presence.incarnation,
                may_judge=self._presence.is_held,
                since=clock.now() - timedelta(seconds=self._settings.adoption_window_s),
            )
            if not unjudged or clock.now() >= give_up_at:
                return None
            await asyncio.sleep(_REPEAT_S)

    async def _adopt(self, order: Order) -> Job | None:
        now = clock.now()
        accept_by = now + timedelta(seconds=self._settings.accept_within_s)
        return await self._rows.adopt(
            api_key_id=order.caller.api_key_id,
            body_hash=order.body_hash,
            count=order.retry_count,
            waiter=self._presence.incarnation,
            replica=self._bus.replica,
            may_judge=self._presence.is_held,
            now=now,
            window=timedelta(seconds=self._settings.adoption_window_s),
            accept_by=accept_by,
            ask_at=self._ask_at(accept_by),
        )

    async def _by_key(self, order: Order) -> Job | None:
        assert order.idempotency_hash is not None, "only an idempotency key can make an insert conflict"
        caller = order.caller
        job = await self._rows.by_key(caller.account_id, livemode=caller.livemode, key=order.idempotency_hash)
        if job is not None and job.body_hash != order.body_hash:
            raise IdempotencyConflict
        if job is not None:
            submissions.inc("replayed")
        return job

    async def _insert(self, order: Order, message: JobSubmitted) -> bool:
        """Write the row; False when the order's idempotency key has one already."""
        caller, request = order.caller, order.request
        new = NewJob(
            job_id=order.job_id,
            account_id=caller.account_id,
            api_key_id=caller.api_key_id,
            livemode=caller.livemode,
            family=order.family,
            model=request.model,
            kind=order.model.kind,
            mode=request.mode,
            sku=request.sku,
            quantity=request.quantity,
            outputs_wanted=request.outputs,
            parameters=request.parameters,
            synchronous=order.synchronous,
            body_hash=order.body_hash.hex(),
            idempotency_hash=order.idempotency_hash.hex() if order.idempotency_hash else None,
            waiter=self._presence.incarnation,
            replica=self._bus.replica,
            callback_url=order.callback_url,
            created_at=message.submitted_at,
            accept_by=message.accept_by,
            deadline_ms=order.model.deadline_ms,
            ask_at=self._ask_at(message.accept_by),
        )
        if await self._write(order, new):
            return True
        if order.idempotency_hash is not None:
            await self._rows.free_old_key(
                caller.account_id,
                livemode=caller.livemode,
                key=order.idempotency_hash,
                before=message.submitted_at - timedelta(seconds=self._settings.idempotency_life_s),
            )
            return await self._by_key(order) is None and await self._write(order, new)
        return False

    async def _write(self, order: Order, new: NewJob) -> bool:
        if order.caller.inflight is None:
            return await self._rows.insert(new)
        inserted = await self._rows.insert_within(new, order.caller.inflight)
        if inserted is None:
            error = RateLimited(
                f"At most {order.caller.inflight} jobs of this account may run at the same time.",
                code="concurrency_limit_exceeded",
            )
            error.headers["retry-after"] = "1"
            raise error
        return inserted

    async def _join(self, order: Order, earlier: Job, watch: Watch) -> None:
        """Wait for a job that was begun before; one without a decision is published again, which is harmless."""
        message = self._message(order, earlier.job_id)
        try:
            # Registered first, read afterwards: nothing can happen unseen in between.
            current = await self._jobs.read(earlier.job_id) or earlier
            if not current.is_decided:
                again = await self._rows.submit_again(
                    earlier.job_id,
                    accept_by=message.accept_by,
                    ask_at=self._ask_at(message.accept_by),
                    waiter=self._presence.incarnation,
                    replica=self._bus.replica,
                )
                current = current if again else await self._jobs.read(earlier.job_id) or current
        except CannotReach:
            # The job may be charged, so to say 5xx now would be a lie; whoever waits reads it when that is possible.
            current = earlier
        watch.tell(current)
        if not current.is_decided:
            await self._publish(message, is_new=False)

    def _message(self, order: Order, job_id: UUID) -> JobSubmitted:
        """Sealed before anything is written, so that a missing key costs nobody anything."""
        request = order.request
        now = clock.now()
        accept_by = now + timedelta(seconds=self._settings.accept_within_s)
        try:
            sealed = order.seal(job_id, self._latest_use(order, accept_by))
        except SealError as error:
            log.error("cannot_seal", reason=str(error))  # noqa: TRY400 - the reason is enough
            raise Unavailable from None
        if len(sealed.box) > _MAX_SEALED:
            raise TooLarge("The texts and URLs of one request may have about 150 KB together.")
        return JobSubmitted(
            job_id=job_id,
            account_id=order.caller.account_id,
            model=request.model,
            kind=order.model.kind,
            mode=request.mode,
            sku=request.sku,
            quantity=request.quantity,
            outputs=request.outputs,
            parameters=request.parameters,
            epoch=sealed.epoch,
            sealed=sealed.box,
            deadline_ms=order.model.deadline_ms,
            submitted_at=now,
            accept_by=accept_by,
            synchronous=order.synchronous,
            livemode=order.caller.livemode,
            replica=self._bus.replica,
            account_opened_at=order.caller.opened_at,
            quote_id=order.quote_id,
            max_microusd=order.max_microusd,
            api_key_id=order.caller.api_key_id,
            lossy=order.fallback.lossy,
            failover=order.fallback.enabled,
        )

    async def _publish(self, message: JobSubmitted, *, is_new: bool) -> None:
        reach("G2")
        try:
            await self._bus.publish(message, timeout_s=self._settings.publish_timeout_s)
        except Unconfirmed:
            # It may be there, so the job may come to be held: go on waiting for it, and make sure that it is.
            self._insist(message, until=message.accept_by)
        except CannotReach:
            if is_new and await self._abandoned(message):
                raise Unavailable from None
            self._insist(message, until=message.accept_by)
        reach("G3")

    async def _abandoned(self, message: JobSubmitted) -> bool:
        """Nothing was ever written to the broker, so nothing is held; False when a repeat has taken the job over."""
        submissions.inc("abandoned")
        try:
            return await self._rows.abandon(message.job_id, message.accept_by, clock.now())
        except CannotReach:
            # Only a repeat with its key can have taken it over, and that one's answer says how it ends.
            log.warning("job_not_abandoned", job_id=message.job_id.hex)
            return True

    def _ask_at(self, accept_by: datetime) -> datetime:
        """When billing is asked what became of it: by then every job that it knows is decided.

        Of a synchronous job that is held this learns nothing; of one that never arrived nobody else would tell.
        """
        return accept_by + _UNDECIDED_GRACE

    def _latest_use(self, order: Order, accept_by: datetime) -> datetime:
        """Until when a dispatcher may open the body: accepted at the last moment, run until the deadline."""
        return accept_by + timedelta(milliseconds=order.model.deadline_ms) + timedelta(minutes=1)

    def _insist(self, message: Message, until: datetime) -> None:
        if len(self._background) >= _MAX_BACKGROUND:
            log.warning("not_insisting", job_id=message.job_id.hex, type=message.TYPE)
            return
        task = asyncio.create_task(self._repeat(message, until), name=f"insist:{message.TYPE}")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _repeat(self, message: Message, until: datetime) -> None:
        while clock.now() < until:
            try:
                await self._bus.publish(message, timeout_s=self._settings.publish_timeout_s)
            except CannotReach:
                await asyncio.sleep(_REPEAT_S)
            else:
                return
        log.warning("gave_up_publishing", job_id=message.job_id.hex, type=message.TYPE)
        if isinstance(message, JobSubmitted):
            await self._ask_soon(message.job_id)

    async def _ask_soon(self, job_id: UUID) -> None:
        try:
            await self._rows.ask_soon(job_id)
        except CannotReach:
            log.debug("asked_later", job_id=job_id.hex)


def _as_written(order: Order, message: JobSubmitted) -> Job:
    """The row as it was just inserted, without reading it back."""
    return Job(
        job_id=message.job_id,
        account_id=message.account_id,
        livemode=message.livemode,
        family=order.family,
        model=message.model,
        kind=message.kind,
        parameters=message.parameters,
        synchronous=message.synchronous,
        state="submitted",
        outputs=(),
        reserved_microusd=None,
        charged_microusd=None,
        refunded_microusd=None,
        error_code=None,
        error_message=None,
        body_hash=order.body_hash,
        replica=message.replica,
        callback_url=order.callback_url,
        created_at=message.submitted_at,
        finished_at=None,
        expires_at=None,
    )
