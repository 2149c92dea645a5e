"""``python -m billing``: the service, and the operator's commands."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import click

from billing.settings import BillingSettings

Outcome = TypeVar("Outcome")


@click.group(help=__doc__)
def main() -> None:
    """The command line."""


@main.command()
@click.option("--fd", type=int, help="A listening socket handed over by a supervisor.")
def serve(fd: int | None) -> None:
    """Serve until SIGTERM."""
    from billing.app import create_app
    from billing.seeding import BadPrice
    from common import service
    from common.catalogue import CatalogueError

    settings = _settings()
    service.setup_telemetry("billing", settings)
    try:
        app = create_app(settings)
    except (CatalogueError, BadPrice) as error:
        raise click.ClickException(f"billing does not start with this catalogue: {error}") from None
    service.serve(app, settings, fd=fd)


@main.command()
def migrate() -> None:
    """Bring billing's schema to the newest version (as the administrator of DATABASE_URL)."""
    from common import migrations

    migrations.run("billing")


@main.command()
@click.argument("account_id", type=click.UUID)
@click.option("--credits", "amount", required=True, help="How many, decimals allowed down to 0.001.")
@click.option("--reason", required=True, help="Kept in the ledger and shown on the statement.")
@click.option("--operation", help="An id of your own: repeating a command with the same id books nothing.")
def credit(account_id: UUID, amount: str, reason: str, operation: str | None) -> None:
    """Book credits from outside into an account's purchased pot."""
    from billing.domain.postings import Credit, OperationTaken
    from billing.repository.accounts import Accounts
    from common.credits import from_credits, to_credits
    from common.database import Database
    from common.ids import new_id

    try:
        posting = Credit(f"credit:{operation or new_id()}", account_id, from_credits(amount), reason)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None

    async def book(database: Database) -> dict[str, Any]:
        accounts = Accounts(database)
        transaction_id, new = await accounts.credit(posting)
        balance = await accounts.balance(account_id)
        return {
            "account_id": str(account_id),
            "transaction_id": transaction_id,
            "operation": posting.operation,
            "new": new,
            "credits": to_credits(posting.amount_microusd),
            "available_credits": to_credits(balance.available_microusd),
        }

    try:
        click.echo(json.dumps(_with_database(book)))
    except OperationTaken as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("account_id", type=click.UUID)
def balance(account_id: UUID) -> None:
    """What an account has, in credits."""
    from billing.repository.accounts import Accounts
    from common.credits import to_credits
    from common.database import Database

    async def read(database: Database) -> dict[str, Any]:
        have = await Accounts(database).balance(account_id)
        return {
            "account_id": str(account_id),
            "available_credits": to_credits(have.available_microusd),
            "held_credits": to_credits(have.held_microusd),
            "subscription_credits": to_credits(have.subscription_microusd),
            "granted_credits": to_credits(have.granted_microusd),
            "purchased_credits": to_credits(have.purchased_microusd),
        }

    click.echo(json.dumps(_with_database(read)))


@main.command()
def check() -> None:
    """Evaluate every invariant over the whole ledger; exit status 1 if one is violated."""
    from billing.invariants import count_violations

    found = _with_database(count_violations)
    click.echo(json.dumps({"violations": found}, indent=2))
    sys.exit(1 if any(found.values()) else 0)


def _settings() -> BillingSettings:
    from pydantic import ValidationError

    try:
        return BillingSettings()
    except ValidationError as error:
        # Names and reasons only: a value may be a secret.
        problems = [f"  {_variable(str(one['loc'][0]))}: {one['msg']}" for one in error.errors()]
        raise click.ClickException("billing does not start with these settings:\n" + "\n".join(problems)) from None


def _variable(location: str) -> str:
    """The environment variable of a field; one with an alias is named by it."""
    return location if location.isupper() else f"BILLING_{location.upper()}"


def _with_database(use: Callable[[Any], Awaitable[Outcome]]) -> Outcome:
    """Run one operator's command against BILLING_DATABASE_URL, which is all it needs."""
    import os

    from common.database import Database
    from common.messaging import CannotReach

    url = os.environ.get("BILLING_DATABASE_URL", "")
    if not url:
        raise click.ClickException("BILLING_DATABASE_URL is not set: which ledger is meant?")

    async def run() -> Outcome:
        database = Database(url, pool_size=1)
        await database.start()
        try:
            return await use(database)
        finally:
            await database.stop()

    try:
        return asyncio.run(run())
    except CannotReach:
        raise click.ClickException("the database of BILLING_DATABASE_URL does not answer") from None


if __name__ == "__main__":
    main()
