"""Performs attempts: submit, record the acceptance, poll, keep the outputs. Tells the run; decides nothing.

Each attempt is a task of the process: no lost connection of ours, no verdict and no other attempt tears a call that
is under way. What an upstream says after the job is settled is cancelled there, or counted as an orphan.
"""

import asyncio
import dataclasses
import time
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from common import clock, telemetry
from common.failpoints import reach
from common.messaging import CannotReach
from dispatcher import metrics
from dispatcher.domain.failures import Failure, FailureClass, UpstreamFailed
from dispatcher.domain.jobs import KEY_LABEL, Accepted, Order, Produced
from dispatcher.repository.progress import Acceptance
from dispatcher.running.addresses import Addresses
from dispatcher.running.commits import Commits, LostJob
from dispatcher.running.hang_timer import HangTimer
from dispatcher.running.insisting import insist
from dispatcher.running.outputs import Outputs
from dispatcher.running.poller import Poller
from dispatcher.running.runs import Attempt, Failed, Hung, Lost, Made, Run, Succeeded
from dispatcher.upstreams.protocol import AsynchronousUpstream, CallingBack, CannotAsk, Searchable

log = telemetry.logger(__name__)

_CANCEL_S = 10.0
_FIND_S = 5.0
_LATE = Failure(FailureClass.AMBIGUOUS, "late")
_NEVER_FINISHED = Failure(FailureClass.UNAVAILABLE, "never_finished")


class Attempts:
    """Starts attempts and sees each through to its end."""

    def __init__(
        self, commits: Commits, poller: Poller, outputs: Outputs, addresses: Addresses | None = None
    ) -> None:
        """``addresses``: where providers may call back; without, none is asked to."""
        self._addresses = addresses
        self._commits = commits
        self._poller = poller
        self._outputs = outputs
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, run: Run, attempt: Attempt, order: Order) -> None:
        """Make the call of an attempt whose row is committed."""
        self._spawn(run, attempt, self._submit(run, attempt, order))

    def resume(self, run: Run, attempt: Attempt, reference: dict[str, str], accepted_at: datetime) -> None:
        """Go on asking about an order that an earlier owner had accepted."""
        attempt.reference = reference
        if run.claim(attempt):
            age_s = max(0.0, (clock.now() - accepted_at).total_seconds())
            self._spawn(run, attempt, self._await_result(run, attempt, reference, age_s=age_s, wish_s=None))
        else:
            self._spawn(run, attempt, self._too_late(run, attempt, reference))

    def adopt(self, run: Run, attempt: Attempt, begun_at: datetime) -> None:
        """Find out what became of a submit whose process died before it could say."""
        self._spawn(run, attempt, self._adopt(run, attempt, begun_at))

    def ask_now(self, attempt: Attempt) -> None:
        """Ask about an accepted order without waiting for its turn."""
        if attempt.polled is not None:
            self._poller.ask_now(attempt.polled)

    def overdue(self, run: Run) -> None:
        """The deadline struck: a route that had most of the job's time and did not deliver has failed."""
        now = time.perf_counter()
        for attempt in run.open.values():
            if attempt.polled is not None and now - attempt.started >= (now - run.began) / 2:
                attempt.choice.failed(_NEVER_FINISHED)

    def abandon(self, run: Run) -> None:
        """The run is settled: stop asking, and have accepted orders cancelled. Open submits end by themselves."""
        for attempt in run.open.values():
            if attempt.polled is not None:
                attempt.polled.cancel()
                if attempt.reference is not None:
                    self._spawn(run, attempt, self._discard(run, attempt, attempt.reference, "settled"))

    def leave(self, run: Run) -> None:
        """Another process goes on with this run: stop asking and touch nothing."""
        for attempt in run.open.values():
            if attempt.polled is not None:
                attempt.polled.cancel()

    async def stop(self) -> None:
        """Tear what is still open."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _submit(self, run: Run, attempt: Attempt, order: Order) -> None:
        reach("D2")
        hang = HangTimer(_patience_s(attempt), lambda: run.tell(Hung(attempt)))
        if attempt.way.route.synchronous:
            hang()  # its silence says nothing, so only a model that asks for it is hedged, by the clock
        order = dataclasses.replace(order, callback_url=self._callback_url(run, attempt))
        begun_at = clock.now()
        attempt.started = time.perf_counter()
        if attempt.failed_at is not None:
            metrics.failover_seconds.observe(attempt.started - attempt.failed_at, run.job.model)
        try:
            with telemetry.span("upstream.submit", provider=attempt.way.provider, attempt=attempt.number):
                answer = await attempt.way.upstream.submit(order, hang)
        except UpstreamFailed as error:
            found = await self._find(run, attempt, error.failure, begun_at)
            if isinstance(found, Failure):
                _fail(run, attempt, found)
                return
            answer = found
        except Exception as error:  # noqa: BLE001 - a defect in an adapter costs one attempt, not the job
            kind = type(error).__name__  # no more of it: its text may quote the request
            log.error("submit_defect", provider=attempt.way.provider, error=kind)  # noqa: TRY400
            _fail(run, attempt, Failure(FailureClass.AMBIGUOUS, "adapter_defect"))
            return
        finally:
            hang.stop()
        reach("D3")
        if isinstance(answer, Accepted):
            attempt.choice.permit.taken()
            await self._accepted(run, attempt, answer)
        elif run.claim(attempt):
            await self._keep(run, attempt, answer)
        else:
            await self._too_late(run, attempt, None)

    async def _find(self, run: Run, attempt: Attempt, failure: Failure, since: datetime) -> Accepted | Failure:
        """What became of an order whose answer was lost, where the provider can be asked; else the failure.

        One that surely was not taken may go to any other route.
        """
        upstream, callback_url = attempt.way.upstream, self._callback_url(run, attempt)
        if failure.kind is not FailureClass.AMBIGUOUS or not isinstance(upstream, Searchable) or not callback_url:
            return failure
        try:
            found = await upstream.find(callback_url, since, _FIND_S)
        except (CannotAsk, UpstreamFailed):
            return failure
        metrics.searched.inc(attempt.way.provider, "found" if found else "not_taken")
        return found or Failure(FailureClass.UNAVAILABLE, "not_taken")

    def _callback_url(self, run: Run, attempt: Attempt) -> str | None:
        if self._addresses is None or not isinstance(attempt.way.upstream, CallingBack):
            return None
        return self._addresses.of(attempt.way.provider, run.job.job_id, attempt.number)

    async def _adopt(self, run: Run, attempt: Attempt, begun_at: datetime) -> None:
        made: tuple[Made, ...] | None = None
        if attempt.way.route.synchronous:
            try:
                made = await insist("adoption", lambda: self._outputs.adopt(run, attempt), run.deadline)
            except CannotReach:
                return  # it is past the deadline: the verdict has fallen
        if made is not None:
            record(run, attempt, "adopted")
            run.tell(Succeeded(attempt, made))
            return
        lost = Failure(FailureClass.AMBIGUOUS, "taken_over")
        found = await self._find(run, attempt, lost, begun_at)
        if isinstance(found, Accepted):
            attempt.choice.permit.taken()
            await self._accepted(run, attempt, found)
            return
        if found is lost:
            metrics.orphans.inc(attempt.way.provider, "taken_over")
        record(run, attempt, found.kind.value, code=found.code)
        run.tell(Failed(attempt, found, time.perf_counter()))

    async def _accepted(self, run: Run, attempt: Attempt, accepted: Accepted) -> None:
        reference = {**accepted.reference, KEY_LABEL: attempt.way.account.label}
        if not run.claim(attempt):
            await self._too_late(run, attempt, reference)
            return
        attempt.reference = reference
        acceptance = Acceptance(run.job.job_id, run.generation, attempt.number, accepted.upstream_id, reference)
        try:
            await self._commits.accept(acceptance, run.deadline)
        except LostJob:
            # Whoever has the job now knows nothing of this order and will have it made elsewhere.
            run.tell(Lost())
            await self._discard(run, attempt, reference, "lost_lease")
            return
        except CannotReach:
            await self._discard(run, attempt, reference, "settled")
            return
        reach("D4")
        if run.settled:
            await self._discard(run, attempt, reference, "settled")
            return
        await self._await_result(run, attempt, reference, age_s=0, wish_s=accepted.wish_s)

    async def _await_result(
        self, run: Run, attempt: Attempt, reference: dict[str, str], *, age_s: float, wish_s: float | None
    ) -> None:
        upstream = attempt.way.upstream
        assert isinstance(upstream, AsynchronousUpstream), "only asynchronous protocols accept"
        timeouts, model = attempt.way.route.timeouts, attempt.way.model
        poll_s = (timeouts.poll_ms or 0) / 1000
        attempt.polled = self._poller.watch(
            lambda: upstream.poll(reference, poll_s),
            lambda age_ms: max(model.poll_after_ms(age_ms), timeouts.poll_least_ms),
            provider=attempt.way.provider,
            until=run.deadline,
            age_s=age_s,
            wish_s=wish_s,
        )
        # The request is not needed while the upstream works on it; should it fail, the row still has it.
        run.body = None
        run.sealed = None
        try:
            produced = await attempt.polled
        except UpstreamFailed as error:
            if error.failure.code == "lost_contact":
                metrics.orphans.inc(attempt.way.provider, "lost_contact")
            _fail(run, attempt, error.failure)
            return
        finally:
            attempt.polled = None
        await self._keep(run, attempt, produced)

    async def _too_late(self, run: Run, attempt: Attempt, reference: dict[str, str] | None) -> None:
        """Another attempt's answer counts. Should that one come to nothing, the run must not wait for this one."""
        run.tell(Failed(attempt, _LATE, time.perf_counter()))
        if reference is not None:
            await self._discard(run, attempt, reference, "late")
            return
        attempt.choice.delivered()
        metrics.orphans.inc(attempt.way.provider, "late")
        record(run, attempt, "late")

    async def _keep(self, run: Run, attempt: Attempt, produced: Produced) -> None:
        attempt.choice.delivered()
        attempt.cost_microusd = produced.cost_microusd
        metrics.cost_usd.inc(attempt.way.provider, attempt.way.model.id, by=(produced.cost_microusd or 0) / 1e6)
        try:
            made = await self._outputs.keep(run, attempt, produced)
        except CannotReach:
            return  # it is past the deadline: the verdict has fallen
        record(run, attempt, "succeeded")
        run.tell(Succeeded(attempt, made))

    async def _discard(self, run: Run, attempt: Attempt, reference: dict[str, str], reason: str) -> None:
        """Nobody wants this order any more: cancel it, or count it."""
        attempt.choice.permit.release()
        upstream = attempt.way.upstream
        cancelled = False
        if isinstance(upstream, AsynchronousUpstream):
            try:
                cancelled = await upstream.cancel(reference, _CANCEL_S)
            except UpstreamFailed:
                cancelled = False
        if not cancelled:
            metrics.orphans.inc(attempt.way.provider, reason)
        record(run, attempt, reason, code="cancelled" if cancelled else "orphan")

    def _spawn(self, run: Run, attempt: Attempt, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_netted(run, attempt, work), name="attempt")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _netted(run: Run, attempt: Attempt, work: Coroutine[Any, Any, None]) -> None:
    """A defect costs one attempt: a run whose attempt ended without a word would wait until its deadline."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - whatever it is
        kind = type(error).__name__  # no more of it: its text may quote the request
        log.error("attempt_defect", provider=attempt.way.provider, error=kind)  # noqa: TRY400
        run.tell(Failed(attempt, Failure(FailureClass.FAILED_GENERATION, "defect"), time.perf_counter()))
    finally:
        attempt.choice.permit.end()


def record(run: Run, attempt: Attempt, outcome: str, code: str | None = None) -> None:
    """The one log line of an attempt, and its metrics."""
    seconds = time.perf_counter() - attempt.started
    provider, model = attempt.way.provider, attempt.way.model.id
    metrics.attempts.inc(provider, model, outcome)
    metrics.attempt_seconds.observe(seconds, provider, outcome)
    log.info(
        "attempt",
        job_id=run.job.job_id.hex,
        attempt=attempt.number,
        provider=provider,
        model=model,
        outcome=outcome,
        code=code,
        seconds=round(seconds, 3),
    )


def _fail(run: Run, attempt: Attempt, failure: Failure) -> None:
    record(run, attempt, failure.kind.value, code=failure.code)
    attempt.choice.failed(failure)
    run.tell(Failed(attempt, failure, time.perf_counter()))


def _patience_s(attempt: Attempt) -> float | None:
    """How long a submit may be silent until a rival begins; None: as long as its answer may take."""
    hang_ms = attempt.way.route.timeouts.hang_failover_ms or attempt.way.model.hedge_after_ms
    return None if hang_ms is None else hang_ms / 1000
