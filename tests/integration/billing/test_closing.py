"""An account is closed in two steps; what was paid for stays owed, the rest is forfeited in one posting."""

import asyncio
import json

import psycopg
import pytest

from billing.repository.closing import Closing
from billing.repository.moves import Move
from common.contracts import JobRejected, JobReserved
from common.ids import new_id
from support.ledger import PRICE, Ledger, a_job, failed

from .test_operator import billing


@pytest.fixture
def closing(ledger: Ledger) -> Closing:
    return Closing(ledger.database)


async def test_open_jobs_finish_new_ones_are_refused_and_then_the_rest_is_forfeited(
    ledger: Ledger, closing: Closing
) -> None:
    account = await ledger.account(subscription=5 * PRICE, granted=2 * PRICE, microusd=3 * PRICE)
    open_job = a_job(account, quantity=6)
    assert isinstance(await ledger.hold(open_job), JobReserved)
    standing = await closing.begin(account)
    assert (standing.open_holds, standing.closed) == (1, False)
    refused = await ledger.hold(a_job(account))
    assert isinstance(refused, JobRejected) and refused.error.code == "account_closed"
    still = await closing.finish(account)
    assert still is not None and not still.closed
    await ledger.settle.failed(failed(open_job))
    closed = [await closing.finish(account) for _ in range(2)]
    assert all(one is not None and one.closed and one.purchased_microusd == 3 * PRICE for one in closed)
    assert await ledger.pots(account) == (0, 0, 3 * PRICE, 0)
    assert await ledger.entries(f"close:{account}") == {
        "subscription": -5 * PRICE,
        "granted": -2 * PRICE,
        "breakage": 7 * PRICE,
    }


async def test_a_hold_that_races_the_closing_is_either_finished_or_never_begun(
    ledger: Ledger, closing: Closing
) -> None:
    async with ledger.replicas(2) as (one, two):
        for _ in range(20):
            account = await ledger.account(granted=PRICE)
            job = a_job(account)
            answer, _ = await asyncio.gather(one.hold(job), Closing(two.database).begin(account))
            standing = await closing.finish(account)
            assert standing is not None
            assert standing.closed is isinstance(answer, JobRejected)


async def test_an_account_without_anything_closes_without_a_posting(ledger: Ledger, closing: Closing) -> None:
    account = new_id()
    assert await closing.finish(account) is None
    await closing.begin(account)
    standing = await closing.finish(account)
    assert standing is not None and standing.closed
    assert await ledger.entries(f"close:{account}") == {}


async def test_what_is_closed_stays_closed_and_empty(ledger: Ledger, closing: Closing) -> None:
    account = await ledger.account(microusd=PRICE)
    await closing.begin(account)
    await closing.finish(account)
    with psycopg.connect(ledger.urls.admin_url, autocommit=True) as admin:
        for change in ("closed_at = null", "closing_at = null", "closed_at = now()", "granted_microusd = 1"):
            with pytest.raises(psycopg.errors.CheckViolation):
                admin.execute(f"update billing.accounts set {change} where account_id = %s", (account,))


async def test_a_refund_after_the_closing_is_taken_from_what_is_owed(ledger: Ledger, closing: Closing) -> None:
    account = new_id()
    bought = Move("stripe:pi_1", "purchase", account, "purchased", 5 * PRICE, "test")
    await ledger.moves.add(bought)
    await closing.begin(account)
    await closing.finish(account)
    await ledger.moves.take_back(Move("stripe:re_1", "card_refund", account, "purchased", 5 * PRICE, "paid out"))
    assert await ledger.pots(account) == (0, 0, 0, 0)


async def test_an_operator_grants_and_closes(ledger: Ledger) -> None:
    account = str(new_id())
    command = ["grant", account, "--credits", "7", "--reason", "welcome", "--operation", f"signup:{account}"]
    first, again = [json.loads((await billing(ledger, *command))[1]) for _ in range(2)]
    assert (first["new"], again["new"]) == (True, False)
    command[3] = "8"
    status, _, err = await billing(ledger, *command)
    assert (status, "another grant" in err) == (1, True)
    status, _, err = await billing(ledger, "close", account, "--finish")
    assert (status, "never begun" in err) == (1, True)
    _, out, _ = await billing(ledger, "close", account)
    assert json.loads(out) == {
        "account_id": account, "closed": False, "open_jobs": 0, "owed_credits": 0, "forfeited_when_closed": 7,
    }  # fmt: skip
    _, out, _ = await billing(ledger, "close", account, "--finish")
    assert json.loads(out)["closed"]
