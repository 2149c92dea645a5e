"""The operator's commands, as an operator runs them."""

import asyncio
import json
import os
import sys

import pytest

from common.ids import new_id
from support.ledger import PRICE, SKU, Ledger, a_job


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


async def test_prices_are_scheduled_from_the_command_line(ledger: Ledger) -> None:
    account = await ledger.account(microusd=PRICE)
    dearer = ["prices", "schedule", "--price", f"{SKU}=9", "--reason", "dearer upstream"]
    status, _, err = await billing(ledger, *dearer, "--in-days", "13.99")
    assert status == 1
    assert "the earliest date is" in err
    assert "Traceback" not in err
    change_id = str(new_id())
    scheduled = [await billing(ledger, *dearer, "--in-days", "14", "--change-id", change_id) for _ in range(2)]
    assert [status for status, _, _ in scheduled] == [0, 0]
    first, again = [json.loads(out) for _, out, _ in scheduled]
    assert first == again

    _, out, _ = await billing(ledger, "prices", "list")
    assert json.loads(out)["prices"] == {SKU: 9}, "who signs up now is shown the new price"
    _, out, _ = await billing(ledger, "prices", "list", "--account", str(account))
    shown = json.loads(out)
    assert shown["prices"] == {SKU: PRICE / 1_000}
    assert [(one["sku"], one["credits"]) for one in shown["upcoming"]] == [(SKU, 9)]
    _, out, _ = await billing(ledger, "prices", "unmoved", change_id)
    (line,) = out.splitlines()
    assert json.loads(line)["account_id"] == str(account)
    assert json.loads(line)["reason"] == "no_notice_accepted"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--price", "no-equals-sign"], "SKU=CREDITS"),
        (["--price", f"{SKU}=many"], "not an amount"),
        (["--price", f"{SKU}=0"], "above 0"),
        (["--price", "unheard-of=1"], "no such SKU"),
        (["--price", f"{SKU}=1", "--effective-at", "tomorrow"], "not a date"),
        (["--price", f"{SKU}=1", "--effective-at", "2027-01-01T00:00:00"], "offset"),
        (["--price", f"{SKU}=1", "--effective-at", "2020-01-01T00:00:00Z"], "has passed"),
    ],
)
async def test_a_price_that_cannot_be_scheduled_is_refused_in_a_sentence(
    ledger: Ledger, arguments: list[str], says: str
) -> None:
    status, out, err = await billing(ledger, "prices", "schedule", "--reason", "r", *arguments)
    assert status == 1
    assert out == ""
    assert says in err
    assert "Traceback" not in err
