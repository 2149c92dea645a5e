"""The gateway's commands."""

import re

import click

from common import migrations


@click.group(help="Gateway: the public API.")
def main() -> None:
    """Entry point."""


@main.command(help="Serve until SIGTERM.")
@click.option("--fd", type=int, default=None, help="A listening socket inherited from a supervisor.")
def serve(fd: int | None) -> None:
    """Run the service."""
    from common.service import serve, setup_telemetry
    from gateway.app import make_app
    from gateway.settings import Settings

    settings = Settings()
    setup_telemetry("gateway", settings)
    serve(make_app(settings), settings, fd=fd)


@main.command(help="Bring the schema up to date (needs DATABASE_URL).")
def migrate() -> None:
    """Apply migrations."""
    migrations.run("gateway")


@main.group(help="Accounts and their keys.")
def account() -> None:
    """Operator's commands."""


def _email(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value) or not value.isprintable() or len(value) > 254:
        raise click.BadParameter(f"{value!r} is not an e-mail address; write one like who@example.org")
    return value


@account.command(help="Make an account, or set an existing one's limits, with a new key; prints JSON.")
@click.option("--account-id", required=True, type=click.UUID)
@click.option("--email", required=True, callback=_email)
@click.option("--rate-per-minute", type=click.IntRange(1), default=None, help="Requests a minute; unlimited.")
@click.option("--inflight", type=click.IntRange(1), default=None, help="Jobs at the same time; unlimited.")
def create(account_id: object, email: str, rate_per_minute: int | None, inflight: int | None) -> None:
    """The key is shown here and never again."""
    import asyncio
    from uuid import UUID

    from gateway.accounts.creating import create_account

    made = asyncio.run(
        create_account(UUID(str(account_id)), email, rate_per_minute=rate_per_minute, inflight=inflight)
    )
    click.echo(made)


@account.command(help="Suspend an account, let it go on, or close it (closing, then closed); its keys answer 403.")
@click.argument("account_id", type=click.UUID)
@click.argument("wanted", type=click.Choice(["active", "suspended", "closing", "closed"]))
def state(account_id: object, wanted: str) -> None:
    """Keys follow within three seconds."""
    import asyncio
    from uuid import UUID

    from gateway.accounts.creating import put_account_into

    if not asyncio.run(put_account_into(UUID(str(account_id)), wanted)):
        raise click.ClickException(f"there is no account {account_id} that could become {wanted}")
    click.echo(f"{account_id} is {wanted}")


if __name__ == "__main__":
    main()
