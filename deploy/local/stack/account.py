"""An account as an operator makes one: key from the gateway, credits from billing, secret from the notifier."""

import asyncio
import json
import shlex
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.credits import from_credits
from stack import once
from stack.errors import CannotSetUp
from stack.state import State, read_json
from stack.status import supervisor

_KEEPERS = ("gateway", "billing", "notifier")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an account shall be: exactly these credits, and no limits but those asked for."""

    email: str
    credits: str
    rate_per_minute: int | None = None
    inflight: int | None = None

    def microusd(self) -> int:
        """The credits in the ledger's unit; the sentence of a refusal if they are none."""
        try:
            return from_credits(self.credits)
        except ValueError as reason:
            raise CannotSetUp(f"CREDITS={self.credits}: {reason}") from None

    def limits(self) -> list[str]:
        """As options of the gateway's command."""
        named = {"--rate-per-minute": self.rate_per_minute, "--inflight": self.inflight}
        return [part for name, value in named.items() if value is not None for part in (name, str(value))]

    def again(self, account_id: str) -> str:
        """The command that finishes what could only be begun."""
        given = {"ACCOUNT_ID": account_id, "EMAIL": self.email, "CREDITS": self.credits}
        limits = {"RATE": self.rate_per_minute, "INFLIGHT": self.inflight}
        given |= {name: str(limit) for name, limit in limits.items() if limit is not None}
        return " ".join(["make account", *(f"{name}={shlex.quote(value)}" for name, value in given.items())])


async def create(
    environments: Callable[[str], Mapping[str, str]], wanted: Wanted, account_id: str | None = None
) -> dict[str, str]:
    """A new account, or the rest of one that exists in part: it gets another key, and its credits once in all."""
    microusd = wanted.microusd()
    account_id = account_id or str(uuid.uuid4())
    # Alone and first, for it is the one that looks at what was asked for: whom it refuses must not get credits.
    made = await once.python(
        *("gateway", "account", "create", "--account-id", account_id, "--email", wanted.email, *wanted.limits()),
        env=environments("gateway"),
    )
    secret, credited = await asyncio.gather(
        once.python("notifier", "secret", "create", account_id, env=environments("notifier")),
        _credit(account_id, wanted, environments) if microusd else _nothing(),
        return_exceptions=True,
    )
    _say_what_is_missing(account_id, wanted, {"a webhook secret": secret, "its credits": credited})
    assert isinstance(secret, str)
    return {
        "account_id": account_id,
        "api_key": once.last_json(made)["api_key"],
        "webhook_secret": once.last_json(secret)["webhook_secret"],
    }


async def _credit(account_id: str, wanted: Wanted, environments: Callable[[str], Mapping[str, str]]) -> None:
    # Under the account's own id, so that to finish an account never pays it twice.
    await once.python(
        *("billing", "credit", account_id, "--credits", wanted.credits, "--reason", "operator command"),
        *("--operation", f"account:{account_id}"),
        env=environments("billing"),
    )


async def _nothing() -> None:
    """No credits are no posting: billing knows an account from its first credit on."""


def _say_what_is_missing(account_id: str, wanted: Wanted, outcomes: Mapping[str, object]) -> None:
    missing = {what: outcome for what, outcome in outcomes.items() if isinstance(outcome, BaseException)}
    if not missing:
        return
    there = " and ".join(["a key", *(what for what in outcomes if what not in missing)])
    reasons = " ".join(str(reason) for reason in missing.values())
    raise CannotSetUp(
        f"Account {account_id} exists with {there}, but without {' and '.join(missing)}: {reasons}\n"
        f"This finishes it, with a new key: {wanted.again(account_id)}"
    )


def command(state: State, wanted: Wanted, account_id: uuid.UUID | None) -> None:
    """``make account``: the last line printed is the account as JSON."""
    kept = {service: state.service_environments / f"{service}.json" for service in _KEEPERS}
    if supervisor(state) is None or not all(path.exists() for path in kept.values()):
        raise CannotSetUp("There is no stack to make an account in: run `make up` first.")
    made = asyncio.run(
        create(lambda service: read_json(kept[service]), wanted, str(account_id) if account_id else None)
    )
    print(json.dumps(made))
