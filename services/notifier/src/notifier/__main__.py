"""The notifier's commands."""

import json
from uuid import UUID

import click

from common import migrations


@click.group(help="Notifier: delivers webhooks.")
def main() -> None:
    """Entry point."""


@main.command(help="Serve until SIGTERM.")
@click.option("--fd", type=int, default=None, help="A listening socket inherited from a supervisor.")
def serve(fd: int | None) -> None:
    """Run the service."""
    from common.service import serve, setup_telemetry
    from notifier.app import make_app
    from notifier.settings import Settings

    settings = Settings()
    setup_telemetry("notifier", settings)
    serve(make_app(settings), settings, fd=fd)


@main.command(help="Bring the schema up to date (needs DATABASE_URL).")
def migrate() -> None:
    """Apply migrations."""
    migrations.run("notifier")


@main.group(help="Signing secrets of accounts.")
def secret() -> None:
    """Group of commands."""


@secret.command(help="Print an account's signing secret as JSON; make it if there is none.")
@click.argument("account_id", type=click.UUID)
def create(account_id: UUID) -> None:
    """Show (or make) the secret that per-request callbacks are signed with."""
    import asyncio

    from common.database import Database
    from notifier.secrets import Secrets
    from notifier.settings import Settings

    settings = Settings()

    async def run() -> str:
        database = Database(settings.database_url.get_secret_value(), 1)
        await database.start()
        try:
            return await Secrets(database, settings.secrets_key.get_secret_value()).of(account_id)
        finally:
            await database.stop()

    click.echo(json.dumps({"account_id": str(account_id), "webhook_secret": asyncio.run(run())}))


if __name__ == "__main__":
    main()
