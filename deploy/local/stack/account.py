"""An account as an operator makes one: key from the gateway, credits from billing, secret from the notifier."""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping

from common.credits import from_credits
from stack import once
from stack.errors import CannotSetUp
from stack.state import State, read_json

_KEEPERS = ("gateway", "billing", "notifier")


async def create(
    environments: Callable[[str], Mapping[str, str]],
    email: str,
    credits_text: str,
    rate_per_minute: int | None = None,
    inflight: int | None = None,
) -> dict[str, str]:
    """A new account with exactly these credits and no limits but those asked for."""
    try:
        microusd = from_credits(credits_text)
    except ValueError as reason:
        raise CannotSetUp(f"CREDITS={credits_text}: {reason}") from None
    account_id = str(uuid.uuid4())
    limits = []
    if rate_per_minute is not None:
        limits += ["--rate-per-minute", str(rate_per_minute)]
    if inflight is not None:
        limits += ["--inflight", str(inflight)]
    # The account must exist when it gets credits only as far as billing is concerned, which asks nobody: the three
    # services keep their own part under the same id, so the three commands run side by side.
    made, secret, _ = await asyncio.gather(
        once.python(
            *("gateway", "account", "create", "--account-id", account_id, "--email", email, *limits),
            env=environments("gateway"),
        ),
        once.python("notifier", "secret", "create", account_id, env=environments("notifier")),
        _credit(account_id, credits_text, environments) if microusd else _nothing(),
    )
    return {
        "account_id": account_id,
        "api_key": once.last_json(made)["api_key"],
        "webhook_secret": once.last_json(secret)["webhook_secret"],
    }


async def _credit(account_id: str, credits_text: str, environments: Callable[[str], Mapping[str, str]]) -> None:
    await once.python(
        *("billing", "credit", account_id, "--credits", credits_text, "--reason", "operator command"),
        env=environments("billing"),
    )


async def _nothing() -> None:
    """No credits are no posting: billing knows an account from its first credit on."""


def command(state: State, email: str, credits_text: str, rate: int | None, inflight: int | None) -> None:
    """``make account``: the last line printed is the account as JSON."""
    if not all((state.service_environments / f"{service}.json").exists() for service in _KEEPERS):
        raise CannotSetUp("There is no stack to make an account in: run `make up` first.")
    made = asyncio.run(
        create(
            lambda service: read_json(state.service_environments / f"{service}.json"),
            email,
            credits_text,
            rate,
            inflight,
        )
    )
    print(json.dumps(made))
