"""The operator's commands, as an operator runs them."""

import asyncio
import json
import os
import sys

import pytest

from common.ids import new_id
from support.ledger import PRICE, Ledger, a_job


async def billing(ledger: Ledger, *arguments: str) -> tuple[int, str, str]:
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "billing", *arguments),
        env={"PATH": os.environ["PATH"], "BILLING_DATABASE_URL": ledger.urls.service_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await run.communicate()
    assert run.returncode is not None
    return run.returncode, out.decode(), err.decode()


async def test_credit_books_exactly_what_is_asked(ledger: Ledger) -> None:
    account = new_id()
    status, out, _ = await billing(ledger, "credit", str(account), "--credits", "12.5", "--reason", "a test")
    assert status == 0
    said = json.loads(out)
    assert (said["credits"], said["available_credits"], said["new"]) == (12.5, 12.5, True)
    assert await ledger.pots(account) == (0, 0, 12_500, 0)
    assert await ledger.entries(said["operation"]) == {"purchased": 12_500, "outside": -12_500}


async def test_an_operation_is_booked_once(ledger: Ledger) -> None:
    account = new_id()
    command = ["credit", str(account), "--credits", "1", "--reason", "r", "--operation", "invoice-1"]
    first, again = [json.loads((await billing(ledger, *command))[1]) for _ in range(2)]
    assert (first["new"], again["new"]) == (True, False)
    assert first["transaction_id"] == again["transaction_id"]
    command[3] = "2"
    status, _, err = await billing(ledger, *command)
    assert (status, "another posting" in err) == (1, True)
    assert await ledger.pots(account) == (0, 0, 1_000, 0)


@pytest.mark.parametrize("amount", ["0", "-1", "0.0001", "NaN", "1e30", "many"])
async def test_an_impossible_amount_is_refused_in_a_sentence(ledger: Ledger, amount: str) -> None:
    status, out, err = await billing(ledger, "credit", str(new_id()), f"--credits={amount}", "--reason", "r")
    assert status == 2
    assert out == ""
    assert "Traceback" not in err


async def test_balance_and_check_say_what_is(ledger: Ledger) -> None:
    account = await ledger.account(microusd=2 * PRICE)
    await ledger.hold(a_job(account))
    _, out, _ = await billing(ledger, "balance", str(account))
    assert json.loads(out)["available_credits"] == json.loads(out)["held_credits"] == PRICE / 1000
    status, out, _ = await billing(ledger, "check")
    assert status == 0
    assert set(json.loads(out)["violations"].values()) == {0}
