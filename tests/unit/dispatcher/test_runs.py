"""What a run may do next, and which answer counts."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from common import clock
from common.catalogue import load
from common.contracts import GeneratedOutput
from dispatcher.domain.breaker import Limits
from dispatcher.domain.failures import Failure, FailureClass, verdict_code
from dispatcher.domain.jobs import Job
from dispatcher.routing.router import Choice, Router, Way
from dispatcher.running.runs import MAX_ATTEMPTS, Hung, Made, Run


class _Permit:
    """Stands where the breaker's would; a run never touches it."""


def a_run(choice: Choice, outputs: int = 1) -> Run:
    job = Job(
        job_id=UUID(int=1),
        account_id=UUID(int=2),
        model=choice.way.model.id,
        kind="image",
        mode="text",
        outputs=outputs,
        parameters={},
        epoch="e",
        deadline_at=clock.now() + timedelta(seconds=60),
        synchronous=True,
        livemode=True,
        replica="r",
    )
    return Run.of(job, 1, "sealed")


@pytest.fixture
def choices() -> list[Choice]:
    model = load().find("gpt-image-2")
    assert model is not None
    return [Choice(Way(model, route, None, None), _Permit(), None) for route in model.routes]  # type: ignore[arg-type]


async def test_the_first_answer_counts_and_no_other(choices):
    run = a_run(choices[0])
    first, second = run.begin(choices[0]), run.begin(choices[1])
    assert run.claim(second) and run.claim(second) and not run.claim(first)
    run.close(second)
    assert run.claim(first)


async def test_no_answer_counts_whose_outputs_would_bear_the_numbers_of_those_there_are(choices):
    run = a_run(choices[1], outputs=6)
    hung = run.begin(choices[1])
    run.made = [Made("openai", GeneratedOutput(index=place, url="https://x")) for place in range(4)]
    assert not run.claim(hung)


async def test_a_hung_submits_late_end_does_not_hide_why_the_job_failed(choices):
    run = a_run(choices[0])
    run.note(Failure(FailureClass.FAILED_GENERATION, "x"))
    run.note(Failure(FailureClass.AMBIGUOUS, "late"))
    assert run.last_failure is not None and run.last_failure.kind is FailureClass.FAILED_GENERATION


async def test_no_answer_counts_after_the_verdict(choices):
    run = a_run(choices[0])
    attempt = run.begin(choices[0])
    run.settled = True
    assert not run.claim(attempt)
    run.tell(Hung(attempt))
    assert run.events.empty()


async def test_an_attempt_asks_for_what_is_missing_and_no_more_than_one_call_gives(choices):
    run = a_run(choices[1], outputs=6)
    assert (run.begin(choices[1]).asked, run.begin(choices[0]).asked) == (4, 6)
    run.made = [Made("fal", GeneratedOutput(index=place, url="https://x")) for place in range(4)]
    last = run.begin(choices[1])
    assert (last.asked, last.first_index, last.number) == (2, 4, 3)
    assert [Made.load(one.dump()) for one in run.made] == run.made


@pytest.mark.parametrize("kind", FailureClass)
async def test_which_failures_let_another_provider_be_asked(choices, kind):
    run = a_run(choices[0])
    run.begin(choices[0])
    final = kind in (FailureClass.CONTENT_POLICY, FailureClass.INVALID_REQUEST)
    assert run.may_go_on(Failure(kind, "x"), ambiguous_too=True) is not final
    if kind is FailureClass.AMBIGUOUS:
        assert not run.may_go_on(Failure(kind, "x"), ambiguous_too=False)


async def test_failed_generations_are_tried_once_more_and_attempts_are_bounded(choices):
    failure = Failure(FailureClass.FAILED_GENERATION, "x")
    run = a_run(choices[0])
    run.note(failure)
    assert run.may_go_on(failure, ambiguous_too=True)
    run.note(failure)
    assert not run.may_go_on(failure, ambiguous_too=True)
    run = a_run(choices[0])
    run.attempts = MAX_ATTEMPTS
    assert not run.may_go_on(Failure(FailureClass.UNAVAILABLE, "x"), ambiguous_too=True)


def test_what_the_customer_is_told_for_each_class():
    told = {kind: verdict_code(Failure(kind, "x")) for kind in FailureClass}
    assert told[FailureClass.CONTENT_POLICY] == "content_policy_violation"
    assert told[FailureClass.INVALID_REQUEST] == "invalid_request"
    assert told[FailureClass.FAILED_GENERATION] == "generation_failed"
    rest = set(FailureClass) - {
        FailureClass.CONTENT_POLICY,
        FailureClass.INVALID_REQUEST,
        FailureClass.FAILED_GENERATION,
    }
    assert {told[kind] for kind in rest} == {"upstream_unavailable"}


def test_a_router_without_accounts_chooses_nothing(choices):
    router = Router(load(), {}, Limits())
    assert asyncio.run(_choose(router, choices[0])) is None


async def _choose(router: Router, choice: Choice) -> Choice | None:
    return router.choose(a_run(choice).job, ())
