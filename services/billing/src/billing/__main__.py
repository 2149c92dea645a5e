"""``python -m billing``: the service, and the operator's commands."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
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


@main.group()
def prices() -> None:
    """The price book: what is paid, what is announced, and who still pays the old price."""


@prices.command("list")
@click.option("--account", type=click.UUID, help="As this account pays; without it, as a new customer would.")
def list_prices(account: UUID | None) -> None:
    """Every SKU's price of one unit, in credits, and what is announced."""
    from billing.repository.prices import Prices
    from common.credits import to_credits
    from common.database import Database

    async def read(database: Database) -> dict[str, Any]:
        book = Prices(database)
        return {
            "prices": {row["sku"]: to_credits(row["unit_price_microusd"]) for row in await book.paid_by(account)},
            "upcoming": [
                {
                    "sku": row["sku"],
                    "credits": to_credits(row["unit_price_microusd"]),
                    "effective_at": row["effective_at"].isoformat(),
                    "announced_at": row["announced_at"].isoformat(),
                }
                for row in await book.upcoming()
            ],
        }

    click.echo(json.dumps(_with_database(read), indent=2))


@prices.command()
@click.option("--price", "new_prices", multiple=True, required=True, metavar="SKU=CREDITS", help="May be repeated.")
@click.option("--reason", required=True, help="Customers read it in their notice.")
@click.option("--effective-at", type=str, help="With its offset: 2027-03-01T00:00:00Z.")
@click.option("--in-days", type=click.FloatRange(0), help="Instead of a date: so many times 24 hours from now.")
@click.option(
    "--change-id", type=click.UUID, help="An id of your own: repeating the command announces nothing twice."
)
def schedule(
    new_prices: tuple[str, ...],
    reason: str,
    effective_at: str | None,
    in_days: float | None,
    change_id: UUID | None,
) -> None:
    """Announce new prices. An increase needs 14 days; a decrease may be immediate, with neither date nor days."""
    from billing.domain.pricing import BadChange, PriceChange
    from billing.repository.price_changes import PriceChanges
    from common.database import Database
    from common.ids import new_id

    if effective_at is not None and in_days is not None:
        raise click.UsageError("--effective-at and --in-days exclude each other")
    try:
        change = PriceChange(
            change_id or new_id(),
            dict(map(_price, new_prices)),
            reason,
            None if effective_at is None else _moment(effective_at),
            None if in_days is None else timedelta(days=in_days),
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None

    async def announce(database: Database) -> dict[str, Any]:
        row = await PriceChanges(database).schedule(change)
        return {
            "change_id": str(row["change_id"]),
            "announced_at": row["announced_at"].isoformat(),
            "effective_at": row["effective_at"].isoformat(),
        }

    try:
        click.echo(json.dumps(_with_database(announce)))
    except BadChange as error:
        raise click.ClickException(str(error)) from None


@prices.command()
@click.argument("change_id", type=click.UUID)
def unmoved(change_id: UUID) -> None:
    """Accounts that do not pay a change's prices yet, one JSON line each, with the reason."""
    from billing.repository.price_changes import PriceChanges
    from common.database import Database

    async def read(database: Database) -> None:
        after = UUID(int=0)
        while rows := await PriceChanges(database).on_old_price(change_id, after=after, limit=1_000):
            for row in rows:
                click.echo(json.dumps(dict(row), default=str))
            after = rows[-1]["account_id"]

    _with_database(read)


def _price(text: str) -> tuple[str, int]:
    from common.credits import from_credits

    sku, equals, amount = text.rpartition("=")
    if not equals or not sku:
        raise ValueError(f"{text!r} is not SKU=CREDITS, such as gpt-image-2:1024x1024:low=7.5")
    return sku, from_credits(amount)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as 2027-03-01T00:00:00Z") from None


@main.command()
@click.argument("account_id", type=click.UUID)
@click.option("--credits", "amount", required=True, help="How many, decimals allowed down to 0.001.")
@click.option("--reason", required=True, help="Kept in the ledger and shown on the statement.")
@click.option("--operation", required=True, help="An id of your own: repeating the command grants nothing twice.")
def grant(account_id: UUID, amount: str, reason: str, operation: str) -> None:
    """Give credits away: spent before purchased ones, forfeited when the account closes."""
    from billing.repository.moves import Move, Moves
    from common.credits import from_credits
    from common.database import Database

    try:
        microusd = from_credits(amount)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if microusd == 0 or not 1 <= len(operation) <= 150 or len(reason) > 500:
        message = "credits are above 0, an operation has 1 to 150 characters, a reason at most 500"
        raise click.BadParameter(message)
    move = Move(f"grant:{operation}", "grant", account_id, "granted", microusd, reason)

    async def give(database: Database) -> bool:
        moves = Moves(database)
        new = await moves.add(move)
        if not new and (await moves.brought(move.operation)) != (account_id, "granted", microusd):
            raise click.ClickException(f"operation {operation} stands for another grant already")
        return new

    click.echo(json.dumps({"operation": move.operation, "new": _with_database(give)}))


@main.command()
@click.argument("account_id", type=click.UUID)
@click.option("--finish", is_flag=True, help="The second step; without it, the first.")
def close(account_id: UUID, *, finish: bool) -> None:
    """Close an account: first nothing new is held; then, when nothing is open, unpaid credits are forfeited."""
    from billing.repository.closing import Closing
    from common.credits import to_credits
    from common.database import Database

    async def step(database: Database) -> dict[str, Any]:
        closing = Closing(database)
        standing = await (closing.finish(account_id) if finish else closing.begin(account_id))
        if standing is None:
            raise click.ClickException("its closing was never begun: run this without --finish first")
        return {
            "account_id": str(account_id),
            "closed": standing.closed,
            "open_jobs": standing.open_holds,
            "owed_credits": to_credits(standing.purchased_microusd),
            "forfeited_when_closed": to_credits(standing.subscription_microusd + standing.granted_microusd),
        }

    click.echo(json.dumps(_with_database(step)))


@main.command()
@click.argument("account_id", type=click.UUID)
@click.option("--key", type=click.UUID, help="Only what this key spends; without it, the whole account.")
@click.option("--credits", "amount", help="A month (UTC), decimals allowed; 'none' lifts the limit.")
def cap(account_id: UUID, key: UUID | None, amount: str | None) -> None:
    """Limit what is spent a calendar month; without --credits only show the limits and what is spent."""
    from billing.repository.caps import Caps
    from common.credits import from_credits, to_credits
    from common.database import Database

    try:
        limit = None if amount in (None, "none") else from_credits(str(amount))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None

    async def set_and_read(database: Database) -> list[dict[str, Any]]:
        caps = Caps(database)
        if amount is not None:
            await caps.limit(account_id, key, limit)
        return [
            {
                "key": None if row["api_key_id"] is None else str(row["api_key_id"]),
                "credits_a_month": None
                if row["month_cap_microusd"] is None
                else to_credits(row["month_cap_microusd"]),
                "spent": to_credits(row["month_spent_microusd"]),
            }
            for row in await caps.read(account_id)
        ]

    click.echo(json.dumps(_with_database(set_and_read)))


@main.group()
def payments() -> None:
    """Stripe: give money back, and look through it for what nobody told of."""


@payments.command()
@click.argument("payment", metavar="PAYMENT_INTENT")
@click.option("--cents", type=click.IntRange(1), help="A part of it; without it, all that is left.")
@click.option("--operation", required=True, help="An id of your own: repeating the command refunds nothing twice.")
def refund(payment: str, cents: int | None, operation: str) -> None:
    """Give a card payment back; the same fraction of its credits goes, what was spent of them is owed."""
    from billing.payments.parts import Payments

    async def give_back(parts: Payments) -> dict[str, Any]:
        made = await parts.client.refund(payment, cents, operation)
        await parts.sync.charge(str(made.charge))
        return {"refund": made.id, "cents": made.amount, "status": made.status}

    click.echo(json.dumps(_with_payments(give_back)))


@payments.command()
def reconcile() -> None:
    """Look through Stripe now; prints how many gaps of each kind were closed."""
    from billing.payments.parts import Payments

    async def look(parts: Payments) -> dict[str, int]:
        return await parts.reconciler.run()

    click.echo(json.dumps(_with_payments(look)))


def _with_payments(use: Callable[[Any], Awaitable[Outcome]]) -> Outcome:
    """Run one command against Stripe and the ledger, as the service is set up."""
    from billing.payments import offers
    from billing.payments.parts import Payments
    from billing.payments.stripe_client import StripeAway, StripeRefused
    from billing.payments.sync import Misfit

    settings = _settings()
    if not settings.stripe_api_key.get_secret_value():
        raise click.ClickException("STRIPE_API_KEY is not set: whose payments are meant?")

    async def run(database: Any) -> Outcome:
        parts = Payments.of(settings, database, offers.load())
        try:
            return await use(parts)
        finally:
            await parts.client.stop()

    try:
        return _with_database(run)
    except (StripeRefused, Misfit) as refused:
        raise click.ClickException(str(refused)) from None
    except StripeAway:
        raise click.ClickException("Stripe does not answer; the command may be repeated as it is") from None


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
