"""Limits hold to the credit: a month of an account, a month of a key, and how many jobs are open."""

import asyncio
import json
from uuid import UUID

import psycopg
import pytest

from billing.repository.caps import Caps
from common.contracts import JobRejected, JobReserved, JobSubmitted
from common.ids import new_id
from support.ledger import PRICE, Ledger, Replica, a_job, failed, stored

from .test_operator import billing


@pytest.fixture
def caps(ledger: Ledger) -> Caps:
    return Caps(ledger.database)


async def outcomes(replica: Replica, jobs: list[JobSubmitted]) -> list[str]:
    answers = await asyncio.gather(*(replica.hold(job) for job in jobs))
    return [
        "held" if isinstance(one, JobReserved) else one.error.code if isinstance(one, JobRejected) else "settled"
        for one in answers
    ]


@pytest.mark.parametrize("of_key", [False, True])
async def test_exactly_as_much_as_allowed_is_held_however_many_ask_at_once(
    ledger: Ledger, caps: Caps, of_key: bool
) -> None:
    account, key = await ledger.account(microusd=100 * PRICE), new_id()
    await caps.limit(account, key if of_key else None, 17 * PRICE)
    async with ledger.replicas(3) as replicas:
        rounds = await asyncio.gather(
            *(outcomes(replica, [a_job(account, api_key_id=key) for _ in range(20)]) for replica in replicas)
        )
    told = [one for each in rounds for one in each]
    assert (told.count("held"), told.count("spend_cap_reached")) == (17, 43)
    assert await ledger.pots(account) == (0, 0, 83 * PRICE, 17 * PRICE)


async def test_a_job_that_is_too_dear_leaves_room_for_a_cheaper_one(ledger: Ledger, caps: Caps) -> None:
    account = await ledger.account(microusd=100 * PRICE)
    await caps.limit(account, None, 5 * PRICE)
    jobs = [a_job(account, quantity=quantity) for quantity in (4, 2, 1, 1)]
    assert await outcomes(ledger, jobs) == ["held", "spend_cap_reached", "held", "spend_cap_reached"]


async def test_each_key_has_its_own_limit_and_the_accounts_holds_for_all(ledger: Ledger, caps: Caps) -> None:
    account, small, large, free = await ledger.account(microusd=100 * PRICE), new_id(), new_id(), new_id()
    await caps.limit(account, small, PRICE)
    await caps.limit(account, large, 3 * PRICE)
    await caps.limit(account, None, 6 * PRICE)
    keys = [small, large, small, large, large, large, free, free, free, None]
    jobs = [a_job(account, api_key_id=key) for key in keys]
    told = await outcomes(ledger, jobs)
    held = [key for key, one in zip(keys, told, strict=True) if one == "held"]
    assert (held.count(small), held.count(large), held.count(free)) == (1, 3, 2)
    assert told[-1] == "unknown_key", "who names no key could spend beyond each key's limit"
    shown = {row["api_key_id"]: row["month_spent_microusd"] for row in await caps.read(account)}
    assert shown == {None: 6 * PRICE, small: PRICE, large: 3 * PRICE}


async def test_what_comes_back_may_be_spent_again(ledger: Ledger, caps: Caps) -> None:
    account, key = await ledger.account(microusd=100 * PRICE), new_id()
    await caps.limit(account, key, 4 * PRICE)
    await caps.limit(account, None, 4 * PRICE)
    lost, half = a_job(account, quantity=2, api_key_id=key), a_job(account, quantity=2, outputs=2, api_key_id=key)
    assert await outcomes(ledger, [lost, half, a_job(account, api_key_id=key)]) == [
        "held",
        "held",
        "spend_cap_reached",
    ]
    await ledger.settle.failed(failed(lost))
    await ledger.settle.stored(stored(half, 1))
    assert await outcomes(ledger, [a_job(account, quantity=3, api_key_id=key)]) == ["held"]
    assert await outcomes(ledger, [a_job(account, api_key_id=key)]) == ["spend_cap_reached"]


async def test_a_new_month_begins_at_nothing_and_the_old_ones_refunds_do_not_count(
    ledger: Ledger, caps: Caps
) -> None:
    account, key = await ledger.account(microusd=100 * PRICE), new_id()
    await caps.limit(account, key, 2 * PRICE)
    old = a_job(account, quantity=2, api_key_id=key)
    assert await outcomes(ledger, [old]) == ["held"]
    with psycopg.connect(ledger.urls.admin_url, autocommit=True) as admin:  # the hold was last month's
        admin.execute("set search_path = billing")
        admin.execute("alter table reservations disable trigger reservation_moves")
        admin.execute(
            "update reservations set decided_at = decided_at - interval '32 days' where job_id = %s", (old.job_id,)
        )
        admin.execute("alter table reservations enable trigger reservation_moves")
        admin.execute("update accounts set month = month - 32 where account_id = %s", (account,))
        admin.execute(
            "update accounts set month = date_trunc('month', month)::date where account_id = %s", (account,)
        )
        admin.execute("update key_caps set month = date_trunc('month', month - 2)::date")
    assert await outcomes(ledger, [a_job(account, quantity=2, api_key_id=key)]) == ["held"]
    await ledger.settle.failed(failed(old))
    assert await outcomes(ledger, [a_job(account, api_key_id=key)]) == ["spend_cap_reached"]


async def test_open_jobs_are_limited_and_a_finished_one_makes_room(ledger: Ledger) -> None:
    account = await ledger.account(microusd=100 * PRICE)
    ledger.holds._max_open_holds = 3
    jobs = [a_job(account) for _ in range(8)]
    told = await outcomes(ledger, jobs)
    assert (told.count("held"), told.count("too_many_open_jobs")) == (3, 5)
    await ledger.settle.failed(failed(jobs[told.index("held")]))
    assert await outcomes(ledger, [a_job(account), a_job(account)]) == ["held", "too_many_open_jobs"]


async def test_a_limit_set_in_the_middle_of_a_month_counts_what_was_spent(ledger: Ledger, caps: Caps) -> None:
    account, key = await ledger.account(microusd=100 * PRICE), new_id()
    assert await outcomes(ledger, [a_job(account, quantity=3, api_key_id=key)]) == ["held"]
    await caps.limit(account, key, 4 * PRICE)
    told = await outcomes(ledger, [a_job(account, api_key_id=key) for _ in range(2)])
    assert told == ["held", "spend_cap_reached"]
    await caps.limit(account, key, None)
    assert await outcomes(ledger, [a_job(account, quantity=50)]) == ["held"]


async def test_an_operator_sets_shows_and_lifts_a_limit(ledger: Ledger) -> None:
    account, key = await ledger.account(microusd=10 * PRICE), UUID(int=5)
    status, _, err = await billing(ledger, "cap", str(account), "--credits", "lots")
    assert (status, "not an amount" in err) == (2, True)
    await billing(ledger, "cap", str(account), "--credits", "14.5")
    _, out, _ = await billing(ledger, "cap", str(account), "--key", str(key), "--credits", "7")
    assert json.loads(out) == [
        {"key": None, "credits_a_month": 14.5, "spent": 0},
        {"key": str(key), "credits_a_month": 7, "spent": 0},
    ]
    assert await outcomes(ledger, [a_job(account, api_key_id=key) for _ in range(2)]) == ["held", "spend_cap_reached"]
    await billing(ledger, "cap", str(account), "--credits", "none")
    _, out, _ = await billing(ledger, "cap", str(account), "--key", str(key), "--credits", "none")
    assert json.loads(out) == [{"key": None, "credits_a_month": None, "spent": 7}]
