"""Runs jobs: one task per job, owned by the process. It alone decides what is tried next and when it is over."""

import asyncio
from uuid import UUID

from common import telemetry
from common.contracts import JobFailed, JobGenerated
from common.messaging import CannotReach
from dispatcher import metrics
from dispatcher.domain.failures import Failure, FailureClass, verdict_code
from dispatcher.domain.jobs import Kind
from dispatcher.repository.leases import Leases
from dispatcher.repository.progress import Ending, Step
from dispatcher.routing.router import Choice, Full, Router
from dispatcher.running.attempts import Attempts
from dispatcher.running.bodies import Bodies, OpenBody, Unreadable, order_of
from dispatcher.running.commits import Commits, LostJob
from dispatcher.running.insisting import insist
from dispatcher.running.runs import MAX_ATTEMPTS, Attempt, Failed, Hung, Lost, Run, Succeeded
from dispatcher.running.verdicts import Verdicts, failed, generated

log = telemetry.logger(__name__)

MIN_START_S = 0.5
"""With less than this to the deadline, no further route is begun."""
_SHARE_OF_VIDEOS = 0.9
_HUNG = Failure(FailureClass.AMBIGUOUS, "hung")
_OUTRUN = Failure(FailureClass.AMBIGUOUS, "outrun")
"""A synchronous call was still silent when the rival that began much later had delivered."""

Verdict = tuple[JobGenerated | JobFailed, Ending | None]


class Runner:
    """All jobs this process runs."""

    def __init__(
        self,
        router: Router,
        *,
        bodies: Bodies,
        attempts: Attempts,
        commits: Commits,
        verdicts: Verdicts,
        leases: Leases,
        max_running: int,
    ) -> None:
        self._router = router
        self._bodies = bodies
        self._attempts = attempts
        self._commits = commits
        self._verdicts = verdicts
        self._leases = leases
        self._max_running = max_running
        self._runs: dict[UUID, tuple[Run, asyncio.Task[None]]] = {}

    def is_full_for(self, kind: Kind) -> bool:
        """True when no further job of this kind should be taken in; films leave some places to pictures."""
        share = _SHARE_OF_VIDEOS if kind == "video" else 1.0
        return len(self._runs) >= share * self._max_running

    def runs(self, job_id: UUID) -> bool:
        """Whether this process runs the job."""
        return job_id in self._runs

    def called(self, job_id: UUID, attempt_no: int) -> bool:
        """A provider says that something changed: its order is asked about at once; False if that is not ours."""
        run, _ = self._runs.get(job_id, (None, None))
        attempt = None if run is None else run.open.get(attempt_no)
        if attempt is None or attempt.polled is None:
            return False
        self._attempts.ask_now(attempt)
        return True

    def start(self, run: Run, first: Attempt | None = None) -> None:
        """Run a job to its verdict: its first attempt's row is committed, or its attempts tell it how they stand."""
        job_id = run.job.job_id
        if job_id in self._runs:
            return
        task = asyncio.create_task(self._run(run, first), name=f"job:{job_id.hex}")
        self._runs[job_id] = (run, task)
        metrics.running.set(len(self._runs))
        task.add_done_callback(lambda _: self._forget(job_id))

    async def drain(self, timeout_s: float) -> None:
        """Wait for jobs that only this process can finish; those that are merely polled can go on elsewhere."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while loop.time() < until:
            bound = [task for run, task in self._runs.values() if not run.can_be_left]
            if not bound:
                break
            await asyncio.wait(bound, timeout=0.2)
        for run, task in list(self._runs.values()):
            run.settled = True
            self._attempts.leave(run)
            task.cancel()
        await asyncio.gather(*(task for _, task in self._runs.values()), return_exceptions=True)

    def _forget(self, job_id: UUID) -> None:
        self._runs.pop(job_id, None)
        metrics.running.set(len(self._runs))

    async def _run(self, run: Run, first: Attempt | None) -> None:
        try:
            message, ending = await self._to_verdict(run, first)
            run.settled = True
            self._attempts.abandon(run)
            await self._verdicts.give(run, message, ending)
            if run.staged:
                await self._bodies.discard(run.job, run.staged)
        except LostJob:
            run.settled = True
            self._attempts.leave(run)
            log.warning("job_lost", job_id=run.job.job_id.hex, generation=run.generation)
        except CannotReach:
            run.settled = True
            log.error("verdict_not_written", job_id=run.job.job_id.hex)  # noqa: TRY400 - no news in its trace
        except Exception as error:  # the sweep for overdue jobs ends it
            run.settled = True
            self._attempts.abandon(run)
            log.error("run_defect", job_id=run.job.job_id.hex, exc_info=_place(error))  # noqa: TRY400 - as _place says

    async def _to_verdict(self, run: Run, first: Attempt | None) -> Verdict:
        try:
            async with asyncio.timeout_at(run.deadline):
                # A deadline that has passed strikes here, before anything is called.
                await asyncio.sleep(0)
                verdict: Verdict | None = None
                if first is not None:
                    await self._send(run, first)
                elif not run.open:
                    verdict = await self._after(run, None, None)
                while verdict is None:
                    verdict = await self._decide(run, await run.events.get())
                return verdict
        except TimeoutError:
            self._attempts.overdue(run)
            return self._over(run, "deadline_exceeded"), None
        except CannotReach:
            return self._over(run, "deadline_exceeded"), None
        except Unreadable as error:
            kind = str(error)
            log.error("unreadable_body", job_id=run.job.job_id.hex, kind=kind)  # noqa: TRY400 - the kind is enough
            return self._over(run, "generation_failed"), None

    async def _decide(self, run: Run, event: Hung | Failed | Succeeded | Lost) -> Verdict | None:
        match event:
            case Hung(attempt):
                return await self._on_hang(run, attempt)
            case Failed(attempt, failure, at):
                return await self._on_failure(run, attempt, failure, at)
            case Succeeded(attempt, made):
                run.close(attempt)
                run.made += made
                if len(made) >= attempt.asked:
                    run.tried.discard(attempt.way.provider)  # it gives no more per call, so it is called again
                return await self._after(run, Ending(attempt.number, cost_microusd=attempt.cost_microusd), None)
            case Lost():
                raise LostJob

    async def _on_hang(self, run: Run, attempt: Attempt) -> Verdict | None:
        """The next route starts while the hanging submit stays open; the first to accept wins."""
        if attempt.number not in run.open:
            return None
        attempt.silent = True
        if not attempt.way.route.synchronous:
            attempt.choice.failed(_HUNG)
        if run.winner is None and attempt.way.model.ambiguous_failover:
            choice = self._router.choose(run.job, run.tried) if self._may_start(run) else None
            if isinstance(choice, Choice):
                await self._open(run, choice, None)
        return None

    async def _on_failure(self, run: Run, attempt: Attempt, failure: Failure, at: float) -> Verdict | None:
        if attempt.number not in run.open:
            return None
        run.close(attempt)
        run.note(failure)
        ending = Ending(attempt.number, failure.kind.value, failure.code)
        if run.winner is not None and not failure.kind.final:
            # A hung submit ended at last while another order is being made.
            await self._commits.step(self._step(run, ending), run.deadline)
            return None
        if not run.may_go_on(failure, ambiguous_too=attempt.way.model.ambiguous_failover):
            return self._over(run, verdict_code(failure)), ending
        return await self._after(run, ending, at)

    async def _after(self, run: Run, ending: Ending | None, failed_at: float | None) -> Verdict | None:
        """Go on after an attempt's end: done, the next route, or the verdict."""
        if run.missing <= 0:
            for outrun in run.open.values():
                if outrun.silent:
                    outrun.choice.failed(_OUTRUN)
            return self._over(run, ""), ending
        choice = self._router.choose(run.job, run.tried) if self._may_start(run) else None
        if isinstance(choice, Full) and not run.open:
            if ending is not None:
                await self._commits.step(self._step(run, ending), run.deadline)
                ending = None
            choice = await self._wait_for_room(run)
        if isinstance(choice, Choice):
            await self._open(run, choice, ending, failed_at)
            return None
        if run.open:
            await self._commits.step(self._step(run, ending), run.deadline)
            return None
        return self._over(run, verdict_code(run.last_failure)), ending

    async def _wait_for_room(self, run: Run) -> Choice | None:
        """The next route, once it has room; meanwhile the request lies in its row, and anybody may take the job."""
        run.body = run.sealed = None
        run.waits_for_room = True
        try:
            return await self._router.wait(run.job, run.tried, run.deadline - MIN_START_S)
        finally:
            run.waits_for_room = False

    def _may_start(self, run: Run) -> bool:
        return not run.barred and run.attempts < MAX_ATTEMPTS and run.left_s() >= MIN_START_S

    async def _open(self, run: Run, choice: Choice, ending: Ending | None, failed_at: float | None = None) -> None:
        """One commit ends an attempt and opens the next; only then is the next upstream called."""
        attempt = run.begin(choice, failed_at)
        try:
            await self._commits.step(self._step(run, ending, attempt), run.deadline)
        except BaseException:
            choice.permit.end()
            raise
        await self._send(run, attempt)

    async def _send(self, run: Run, attempt: Attempt) -> None:
        try:
            body = await self._body(run)
            order = order_of(
                run.job,
                attempt.way,
                body,
                attempt_no=attempt.number,
                outputs=attempt.asked,
                left_s=run.left_s(),
            )
        except BaseException:
            attempt.choice.permit.end()
            raise
        self._attempts.submit(run, attempt, order)

    async def _body(self, run: Run) -> OpenBody:
        if run.body is None:
            if run.sealed is None:
                run.sealed = await insist("body", lambda: self._leases.sealed(run.job.job_id), run.deadline)
            if run.sealed is None:
                raise LostJob  # only a verdict removes it
            sealed = run.sealed
            run.body = await insist("inputs", lambda: self._bodies.open(run.job, sealed), run.deadline)
            run.staged = run.body.staged
        return run.body

    def _step(self, run: Run, ending: Ending | None, attempt: Attempt | None = None) -> Step:
        return Step(
            job_id=run.job.job_id,
            generation=run.generation,
            ending=ending,
            opening=attempt.opening(run.job.mode) if attempt else None,
            produced=[one.dump() for one in run.made],
        )

    def _over(self, run: Run, code: str) -> JobGenerated | JobFailed:
        """The verdict: whatever was made counts; only a job without any output failed."""
        if not run.made:
            return failed(run.job, code)
        model = self._router.model(run.job.model)
        most = model.most(run.job.parameters) if model else None
        return generated(run.job, run.made, self._origins(run), most)

    def _origins(self, run: Run) -> list[str]:
        origins: list[str] = []
        for provider in dict.fromkeys(one.provider for one in run.made if one.output.url):
            account = self._router.account(run.job, provider)
            origins += account.origins if account else ()
        return origins


def _place(error: BaseException) -> BaseException:
    """The same error without its chain and text: either may quote a request."""
    bare = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
    bare.__suppress_context__ = True
    return bare
