"""An operator suspends and closes accounts; keys follow within seconds, and a closed account stays closed."""

import os
import subprocess
import sys

import pytest

from support.stack import Account, Stack, until


def gateway(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "GATEWAY_DATABASE_URL": stack["GATEWAY_DATABASE_URL"]}
    return subprocess.run(
        [sys.executable, "-m", "gateway", "account", "state", *arguments],
        env=env, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


async def answers(stack: Stack, account: Account) -> tuple[int, str | None]:
    status, body = await stack.native("GET", "/balance", account)
    return status, body["error"]["code"] if status != 200 else None


async def becomes(stack: Stack, account: Account, expected: tuple[int, str | None]) -> None:
    async def so() -> bool:
        return await answers(stack, account) == expected

    await until(so, 5, 0.1)


async def test_keys_follow_the_accounts_state(stack: Stack) -> None:
    account = stack.account(10)
    for state, expected in (
        ("suspended", (403, "account_suspended")),
        ("active", (200, None)),
        ("closing", (403, "account_closed")),
        ("closed", (403, "account_closed")),
    ):
        done = gateway(stack, account.account_id, state)
        assert (done.returncode, done.stderr) == (0, "")
        await becomes(stack, account, expected)
    for state in ("active", "suspended", "closing"):
        refused = gateway(stack, account.account_id, state)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)


@pytest.mark.parametrize(("account", "state"), [("00000000-0000-7000-8000-000000000000", "closed"), ("x", "active")])
async def test_an_account_that_is_none_is_refused_in_a_sentence(stack: Stack, account: str, state: str) -> None:
    refused = gateway(stack, account, state)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
