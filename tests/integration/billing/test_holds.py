"""A price is held once, exactly, or refused for good."""

import asyncio
import random
from datetime import timedelta

import pytest

from common.coalescer import alone
from common.contracts import JobRejected, JobReserved, JobSettled
from common.ids import new_job_id
from common.messaging import CannotWork
from support.ledger import PRICE, SKU, Ledger, a_job, cancel, failed


async def test_a_hold_moves_exactly_the_price(ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    job = a_job(account, quantity=3, outputs=3)

    answer = await ledger.hold(job)

    assert isinstance(answer, JobReserved)
    assert answer.price_microusd == 3 * PRICE
    assert answer.deadline_at - answer.held_at == timedelta(milliseconds=job.deadline_ms)
    assert await ledger.pots(account) == (0, 0, 7 * PRICE, 3 * PRICE)
    assert await ledger.entries(f"hold:{job.job_id}") == {"purchased": -3 * PRICE, "held": 3 * PRICE}


async def test_the_last_credit_can_be_spent_and_not_one_more(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    assert isinstance(await ledger.hold(a_job(account)), JobReserved)
    answer = await ledger.hold(a_job(account))
    assert isinstance(answer, JobRejected)
    assert answer.error.code == "insufficient_quota"


async def test_a_repeated_request_gets_the_same_answer_and_moves_nothing(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    job, poor = a_job(account), a_job(account)
    first, refused = await ledger.hold(job), await ledger.hold(poor)
    await ledger.accounts.credit(_more(account))

    assert await ledger.hold(job) == first
    assert await ledger.hold(poor) == refused
    assert isinstance(refused, JobRejected)
    assert await ledger.pots(account) == (0, 0, 100 * PRICE, PRICE)


async def test_pots_are_spent_in_order_and_refunded_to_where_they_came_from(ledger: Ledger) -> None:
    account = await ledger.account(subscription=PRICE, granted=PRICE // 2, microusd=5 * PRICE)
    job = a_job(account, quantity=2)
    await ledger.hold(job)
    assert await ledger.pots(account) == (0, 0, 5 * PRICE - PRICE // 2, 2 * PRICE)
    await ledger.settle.failed(failed(job))
    assert await ledger.pots(account) == (PRICE, PRICE // 2, 5 * PRICE, 0)


async def test_a_batch_spends_pots_in_order_job_by_job(ledger: Ledger) -> None:
    account = await ledger.account(subscription=PRICE + 1000, granted=2 * PRICE, microusd=PRICE)
    jobs = [a_job(account) for _ in range(4)]
    answers = await asyncio.gather(*(ledger.hold(job) for job in jobs))
    assert all(isinstance(answer, JobReserved) for answer in answers)
    assert [await ledger.entries(f"hold:{job.job_id}") for job in jobs] == [
        {"subscription": -PRICE, "held": PRICE},
        {"subscription": -1000, "granted": -(PRICE - 1000), "held": PRICE},
        {"granted": -PRICE, "held": PRICE},
        {"granted": -1000, "purchased": -(PRICE - 1000), "held": PRICE},
    ]
    assert await ledger.pots(account) == (0, 0, 1000, 4 * PRICE)


async def test_a_job_behind_one_that_is_too_dear_is_still_held(ledger: Ledger) -> None:
    account = await ledger.account(microusd=3 * PRICE)
    jobs = [a_job(account, quantity=q) for q in (2, 5, 1, 1)]
    answers = await asyncio.gather(*(ledger.hold(job) for job in jobs))
    assert [type(answer) for answer in answers] == [JobReserved, JobRejected, JobReserved, JobRejected]


async def test_two_hundred_race_for_the_money_of_fifty(ledger: Ledger) -> None:
    account = await ledger.account(microusd=50 * PRICE)
    async with ledger.replicas(3) as replicas:
        jobs = [a_job(account) for _ in range(200)]
        answers = await asyncio.gather(*(random.choice(replicas).hold(job) for job in jobs))
    assert sum(isinstance(answer, JobReserved) for answer in answers) == 50
    refused = [answer for answer in answers if isinstance(answer, JobRejected)]
    assert {answer.error.code for answer in refused} == {"insufficient_quota"}
    assert await ledger.pots(account) == (0, 0, 0, 50 * PRICE)


async def test_two_hundred_race_one_by_one_for_the_money_of_fifty(ledger: Ledger) -> None:
    account = await ledger.account(microusd=50 * PRICE + PRICE - 1)
    alone.set(True)
    async with ledger.replicas(2) as replicas:
        jobs = [a_job(account) for _ in range(200)]
        answers = await asyncio.gather(*(random.choice(replicas).hold(job) for job in jobs))
    alone.set(False)
    assert sum(isinstance(answer, JobReserved) for answer in answers) == 50
    assert await ledger.pots(account) == (0, 0, PRICE - 1, 50 * PRICE)


async def test_twins_are_held_once(ledger: Ledger) -> None:
    account = await ledger.account(microusd=1_000 * PRICE)
    rounds, twins = 40, 8
    async with ledger.replicas(4) as replicas:
        for _ in range(rounds):
            job = a_job(account)
            barrier = asyncio.Barrier(twins)

            async def twin(number: int, job=job, barrier=barrier):
                await barrier.wait()
                return await replicas[number % 4].hold(job)

            answers = await asyncio.gather(*(twin(number) for number in range(twins)))
            assert len({answer.model_dump_json() for answer in answers}) == 1
    assert await ledger.pots(account) == (0, 0, (1_000 - rounds) * PRICE, rounds * PRICE)


async def test_batches_with_the_same_jobs_in_any_order_hold_each_once(ledger: Ledger) -> None:
    accounts = [await ledger.account(microusd=100 * PRICE) for _ in range(5)]
    async with ledger.replicas(4) as replicas:
        for _ in range(10):
            jobs = [a_job(random.choice(accounts)) for _ in range(50)]
            await asyncio.gather(
                *(
                    asyncio.gather(*(replica.hold(job) for job in random.sample(jobs, len(jobs))))
                    for replica in replicas
                )
            )
            for job in jobs:
                await ledger.control.cancel(cancel(job))
    for account in accounts:
        assert await ledger.pots(account) == (0, 0, 100 * PRICE, 0)


async def test_nothing_is_held_after_accept_by(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    answer = await ledger.hold(a_job(account, accept_in_s=-0.01))
    assert isinstance(answer, JobRejected)
    assert answer.error.code == "accept_expired"
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


async def test_accept_by_is_judged_after_waiting_for_the_account(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    async with ledger.replicas(1) as (other,), other.database.transaction() as tx:
        await tx.fetch("select from accounts where account_id = %(id)s for update", {"id": account})
        holding = asyncio.create_task(ledger.hold(a_job(account, accept_in_s=0.2)))
        await asyncio.sleep(0.4)
    answer = await holding
    assert isinstance(answer, JobRejected)
    assert answer.error.code == "accept_expired"


async def test_a_job_without_a_price_is_refused(ledger: Ledger) -> None:
    answer = await ledger.hold(a_job(await ledger.account(microusd=PRICE), sku="unheard-of"))
    assert isinstance(answer, JobRejected)
    assert answer.error.code == "price_unavailable"


async def test_seeding_again_changes_no_price(ledger: Ledger) -> None:
    assert await ledger.prices.seed({SKU: 99, "another": 5}) == 1
    assert {row["sku"]: row["unit_price_microusd"] for row in await ledger.prices.paid_by()} == {
        SKU: PRICE,
        "another": 5,
    }


async def test_a_test_job_costs_nothing(ledger: Ledger) -> None:
    account = await ledger.account()
    answer = await ledger.hold(a_job(account, livemode=False))
    assert isinstance(answer, JobReserved)
    assert answer.price_microusd == 0


async def test_a_job_that_is_over_is_not_dispatched_again(ledger: Ledger) -> None:
    job = a_job(await ledger.account(microusd=PRICE))
    await ledger.hold(job)
    verdict = await ledger.control.cancel(cancel(job))
    assert isinstance(verdict, JobSettled)
    assert await ledger.hold(job) == verdict


@pytest.mark.parametrize(("quantity", "outputs"), [(0, 1), (3, 2), (10_001, 1), (4, 0)])
async def test_a_request_that_contradicts_itself_is_not_worked(ledger: Ledger, quantity: int, outputs: int) -> None:
    account = await ledger.account(microusd=PRICE)
    with pytest.raises(CannotWork):
        await ledger.hold(a_job(account, quantity=quantity, outputs=outputs))


async def test_a_job_of_another_account_is_not_worked(ledger: Ledger) -> None:
    job_id = new_job_id()
    await ledger.hold(a_job(await ledger.account(microusd=PRICE), job_id=job_id))
    with pytest.raises(CannotWork):
        await ledger.hold(a_job(await ledger.account(microusd=PRICE), job_id=job_id))


def _more(account):
    from billing.domain.postings import Credit

    return Credit(f"more:{account}", account, 100 * PRICE, "test")
