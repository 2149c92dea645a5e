"""A hold ends once: captured for what was delivered, or given back."""

import asyncio
import os
import random

import pytest

from billing.sweeper import Sweeper
from common.contracts import JobRejected, JobReserved, JobSettled, OutputsDiscarded
from common.messaging import CannotReach, CannotWork
from support.ledger import PRICE, Ledger, a_job, cancel, failed, overdue, stored

RACES = 5_000 if os.environ.get("PROOF") == "prove" else 500


async def test_a_capture_charges_the_price(ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    job = a_job(account, quantity=2, outputs=2)
    await ledger.hold(job)

    (verdict,) = await ledger.settle.stored(stored(job, 2))

    assert isinstance(verdict, JobSettled)
    assert verdict.status == "completed"
    assert verdict.credits.charged_microusd == 2 * PRICE
    assert verdict.outputs == stored(job, 2).outputs
    assert await ledger.entries(f"settle:{job.job_id}") == {"held": -2 * PRICE, "earned": 2 * PRICE}
    assert await ledger.pots(account) == (0, 0, 8 * PRICE, 0)


async def test_only_delivered_outputs_are_charged(ledger: Ledger) -> None:
    account = await ledger.account(subscription=PRICE, granted=PRICE, microusd=10 * PRICE)
    job = a_job(account, quantity=8, outputs=4)
    await ledger.hold(job)

    (verdict,) = await ledger.settle.stored(stored(job, 1))

    assert isinstance(verdict, JobSettled)
    assert verdict.credits.model_dump() == {
        "reserved_microusd": 8 * PRICE,
        "charged_microusd": 2 * PRICE,
        "refunded_microusd": 6 * PRICE,
    }
    # What is left to the customer is what would have been spent last.
    assert await ledger.pots(account) == (0, 0, 10 * PRICE, 0)


async def test_a_hold_of_which_nothing_was_stored_is_given_back(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    job = a_job(account)
    await ledger.hold(job)
    (verdict,) = await ledger.settle.stored(stored(job, 0))
    assert isinstance(verdict, JobSettled)
    assert (verdict.status, verdict.error and verdict.error.code) == ("failed", "output_unavailable")
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


async def test_a_failure_is_told_in_its_own_words(ledger: Ledger) -> None:
    job = a_job(await ledger.account(microusd=PRICE))
    await ledger.hold(job)
    (verdict,) = await ledger.settle.failed(failed(job, "content_policy_violation"))
    assert isinstance(verdict, JobSettled)
    assert verdict.error is not None
    assert (verdict.error.code, verdict.error.message) == ("content_policy_violation", "It failed.")


async def test_a_repeated_result_gets_the_same_verdict(ledger: Ledger) -> None:
    account = await ledger.account(microusd=2 * PRICE)
    job = a_job(account)
    await ledger.hold(job)
    first = await ledger.settle.stored(stored(job, 1))
    assert await ledger.settle.stored(stored(job, 1)) == first
    assert await asyncio.gather(*(ledger.settle.stored(stored(job, 1)) for _ in range(5))) == [first] * 5
    assert await ledger.settle.failed(failed(job)) == first
    assert [await ledger.control.cancel(cancel(job))] == first
    assert [await ledger.control.overdue(overdue(job))] == first
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


async def test_outputs_after_a_refund_are_discarded_and_not_charged(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    job = a_job(account)
    await ledger.hold(job)
    (refund,) = await ledger.settle.failed(failed(job))
    verdict, discarded = await ledger.settle.stored(stored(job, 1))
    assert verdict == refund
    assert isinstance(discarded, OutputsDiscarded)
    assert discarded.keys == (stored(job, 1).outputs[0].key,)
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


async def test_outputs_of_a_refused_job_are_discarded(ledger: Ledger) -> None:
    job = a_job(await ledger.account())
    await ledger.hold(job)
    (discarded,) = await ledger.settle.stored(stored(job, 1))
    assert isinstance(discarded, OutputsDiscarded)


async def test_a_result_of_an_unknown_job_creates_nothing(ledger: Ledger) -> None:
    job = a_job(await ledger.account(microusd=PRICE))
    with pytest.raises(CannotWork):
        await ledger.settle.stored(stored(job, 1))
    assert await ledger.reservations.read([job.job_id]) == {}


async def test_a_result_that_names_another_account_moves_nothing(ledger: Ledger) -> None:
    account, other = await ledger.account(microusd=PRICE), await ledger.account(microusd=PRICE)
    job = a_job(account)
    await ledger.hold(job)
    with pytest.raises(CannotWork):
        await ledger.settle.stored(stored(job, 1).model_copy(update={"account_id": other}))
    assert (await ledger.reservation(job.job_id)).state == "held"


async def test_a_cancel_gives_everything_back(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    job = a_job(account)
    await ledger.hold(job)
    verdict = await ledger.control.cancel(cancel(job))
    assert isinstance(verdict, JobSettled)
    assert verdict.error is not None
    assert verdict.error.code == "cancelled"
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


@pytest.mark.parametrize(("ask", "code"), [(cancel, "cancelled"), (overdue, "accept_expired")])
async def test_a_job_asked_about_before_it_came_is_refused_when_it_comes(ledger: Ledger, ask, code: str) -> None:
    account = await ledger.account(microusd=PRICE)
    job = a_job(account)
    handler = ledger.control.cancel if ask is cancel else ledger.control.overdue
    tombstone = await handler(ask(job))
    assert isinstance(tombstone, JobRejected)
    assert tombstone.error.code == code
    assert await ledger.hold(job) == tombstone
    assert await handler(ask(job)) == tombstone
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


async def test_an_overdue_hold_that_has_not_expired_goes_on(ledger: Ledger) -> None:
    job = a_job(await ledger.account(microusd=PRICE))
    await ledger.hold(job)
    assert await ledger.control.overdue(overdue(job)) is None
    assert (await ledger.reservation(job.job_id)).state == "held"


async def test_an_overdue_hold_that_has_expired_is_given_back(quick_ledger: Ledger) -> None:
    account = await quick_ledger.account(microusd=PRICE)
    job = a_job(account, deadline_ms=1)
    await quick_ledger.hold(job)
    await asyncio.sleep(0.02)
    verdict = await quick_ledger.control.overdue(overdue(job))
    assert isinstance(verdict, JobSettled)
    assert verdict.error is not None
    assert verdict.error.code == "deadline_exceeded"
    assert await quick_ledger.pots(account) == (0, 0, PRICE, 0)


async def test_expired_holds_are_swept_and_told_until_the_broker_has_it(quick_ledger: Ledger) -> None:
    account = await quick_ledger.account(microusd=5 * PRICE)
    jobs = [a_job(account, deadline_ms=1) for _ in range(3)]
    lasting = a_job(account)
    await asyncio.gather(*(quick_ledger.hold(job) for job in (*jobs, lasting)))
    await asyncio.sleep(0.02)
    told = []

    async def broker_away(_) -> None:
        raise CannotReach("broker")

    async def broker(message) -> None:
        told.append(message)

    assert await Sweeper(quick_ledger.settle, quick_ledger.reservations, broker_away).sweep() == 3
    assert await quick_ledger.pots(account) == (0, 0, 4 * PRICE, PRICE)
    unpublished = await quick_ledger.reservations.unpublished(0, 10)
    assert {reservation.job_id for reservation in unpublished} == {job.job_id for job in jobs}

    await asyncio.sleep(0.05)
    sweeper = Sweeper(quick_ledger.settle, quick_ledger.reservations, broker, republish_after_s=0.01)
    assert await sweeper.sweep() == 0
    assert {message.job_id for message in told} == {job.job_id for job in jobs}
    await sweeper.sweep()
    assert len(told) == 3


async def test_of_capture_refund_expiry_and_late_success_one_decides(quick_ledger: Ledger) -> None:
    """Each of these jobs is past its expiry, so every racer could win; each resolves once."""
    account = await quick_ledger.account(microusd=RACES * 2 * PRICE)
    jobs = [a_job(account, quantity=2, outputs=2, deadline_ms=1) for _ in range(RACES)]
    answers = await asyncio.gather(*(quick_ledger.hold(job) for job in jobs))
    assert all(isinstance(answer, JobReserved) for answer in answers)
    await asyncio.sleep(0.02)
    async with quick_ledger.replicas(4) as replicas:

        async def race(job):
            one, two, three, four = random.sample(replicas, 4)
            racers = [
                lambda: one.settle.stored(stored(job, 2)),
                lambda: two.settle.failed(failed(job)),
                lambda: three.control.overdue(overdue(job)),
                lambda: four.settle.stored(stored(job, 1)),
            ]
            random.shuffle(racers)
            heard = await asyncio.gather(*(racer() for racer in racers))
            flat = [m for answer in heard for m in (answer if isinstance(answer, list) else [answer])]
            verdicts = {m.model_dump_json() for m in flat if isinstance(m, JobSettled)}
            assert len(verdicts) == 1, verdicts
            return next(m for m in flat if isinstance(m, JobSettled))

        verdicts = await asyncio.gather(*(race(job) for job in jobs))
    charged = sum(verdict.credits.charged_microusd for verdict in verdicts)
    assert await quick_ledger.pots(account) == (0, 0, RACES * 2 * PRICE - charged, 0)
    assert len({verdict.status for verdict in verdicts}) == 2
    rows = await quick_ledger.database.fetch(
        "select count(*) as n from transactions where operation like 'settle:%%'", {}
    )
    assert rows[0]["n"] == RACES


async def test_holds_and_tombstones_race_to_one_decision(ledger: Ledger) -> None:
    account = await ledger.account(microusd=1_000 * PRICE)
    jobs = [a_job(account) for _ in range(200)]
    async with ledger.replicas(3) as replicas:

        async def race(job):
            return await asyncio.gather(
                replicas[0].hold(job), replicas[1].control.cancel(cancel(job)), replicas[2].hold(job)
            )

        await asyncio.gather(*(race(job) for job in jobs))
        for job in jobs:
            assert (await ledger.reservation(job.job_id)).state in {"refused", "refunded"}
    assert await ledger.pots(account) == (0, 0, 1_000 * PRICE, 0)
