"""``python -m dispatcher``: the service, and the operator's commands."""

import os
import sys

import click

from dispatcher.settings import DispatcherSettings


@click.group(help=__doc__)
def main() -> None:
    """The command line."""


@main.command()
@click.option("--fd", type=int, help="A listening socket handed over by a supervisor.")
def serve(fd: int | None) -> None:
    """Serve until SIGTERM; then finish what only this process can finish and hand over the rest."""
    from common import service
    from dispatcher.app import create_app
    from dispatcher.routing.accounts import BadAccount

    settings = _settings()
    service.setup_telemetry("dispatcher", settings)
    try:
        app = create_app(settings)
    except BadAccount as error:
        raise click.ClickException(str(error)) from None
    service.serve(app, settings, fd=fd)


@main.command()
def migrate() -> None:
    """Bring the dispatcher's schema to the newest version (as the administrator of DATABASE_URL)."""
    from common import migrations

    migrations.run("dispatcher")


@main.command()
def routes() -> None:
    """Show every model's routes in order of preference, and whether each is configured."""
    from common.catalogue import load
    from dispatcher.routing.accounts import BadAccount, accounts

    models = load().models
    try:
        configured = accounts(os.environ, (route.provider for model in models for route in model.routes))
    except BadAccount as error:
        raise click.ClickException(str(error)) from None
    rows = [("model", "provider", "protocol", "modes", "configured")]
    for model in models:
        for route in model.routes:
            ready = "yes" if route.provider in configured else f"no: UPSTREAM_{route.provider.upper()}_API_KEY"
            rows.append((model.id, route.provider, route.protocol, " ".join(route.upstream), ready))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _settings() -> DispatcherSettings:
    from pydantic import ValidationError

    try:
        return DispatcherSettings()
    except ValidationError as error:
        # Names and reasons only: a value may be a secret.
        problems = [f"  {_variable(str(one['loc'][0]))}: {one['msg']}" for one in error.errors()]
        click.echo("the dispatcher does not start with these settings:\n" + "\n".join(problems), err=True)
        sys.exit(1)


def _variable(location: str) -> str:
    """The environment variable of a field; one with an alias is named by it."""
    return location if location.isupper() else f"DISPATCHER_{location.upper()}"


if __name__ == "__main__":
    main()
