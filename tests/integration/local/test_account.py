"""`make account` on the services themselves."""

import json
import subprocess
import sys
import uuid

from support.stack import CHECKOUT, Stack, inherited


def account(stack: Stack, email: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stack", "account", "--email", email, "--credits", "5", *more],
        check=False, cwd=CHECKOUT, env={**inherited(), "LOCAL_STATE": str(stack.state)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def credits_booked(stack: Stack) -> int:
    return int(stack.query("select count(*) as n from billing.transactions where operation like 'credit:%%'")[0]["n"])


def test_a_refused_account_gets_no_credits(stack: Stack):
    before = credits_booked(stack)
    done = account(stack, "nobody")
    assert done.returncode == 1
    assert "'nobody' is not an e-mail address" in done.stderr
    assert credits_booked(stack) == before


def test_an_account_made_again_under_its_id_has_its_credits_once(stack: Stack):
    before = credits_booked(stack)
    account_id = str(uuid.uuid4())
    made = [account(stack, "o'brien@example.org", "--account-id", account_id) for _ in range(2)]
    one, other = (json.loads(done.stdout.splitlines()[-1]) for done in made)
    assert one["account_id"] == other["account_id"] == account_id
    assert one["webhook_secret"] == other["webhook_secret"]
    assert credits_booked(stack) == before + 1
