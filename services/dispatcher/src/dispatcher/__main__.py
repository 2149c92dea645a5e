"""``python -m dispatcher``: the service, and the operator's commands."""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from dispatcher.routing.overrides import ALL, Override
from dispatcher.settings import DispatcherSettings

if TYPE_CHECKING:
    from dispatcher.repository.decisions import Decisions

Result = TypeVar("Result")


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


@main.group(invoke_without_command=True)
@click.pass_context
def routes(context: click.Context) -> None:
    """Show every model's routes in order of preference, and whether each is configured; drain or force them."""
    if context.invoked_subcommand is None:
        _show_routes()


@routes.command()
@click.argument("provider")
@click.argument("model", default=ALL)
@click.option("--reason", required=True, help="For whoever finds it later.")
def drain(provider: str, model: str, reason: str) -> None:
    """Give PROVIDER no new orders, for MODEL or for all of its models. Running ones are finished."""
    _decide(Override(provider, _known(provider, model), "drain"), reason)


@routes.command()
@click.argument("provider")
@click.argument("model")
@click.option("--reason", required=True, help="For whoever finds it later.")
def force(provider: str, model: str, reason: str) -> None:
    """Ask PROVIDER first for MODEL, whatever its breaker and its pace say."""
    _decide(Override(provider, _known(provider, model), "force"), reason)


@routes.command()
@click.argument("provider")
@click.argument("model", default=ALL)
def release(provider: str, model: str) -> None:
    """Leave the route to its health again."""
    if not _with_decisions(lambda decisions: decisions.forget(provider, _known(provider, model))):
        raise click.ClickException("nothing was decided about that; see: python -m dispatcher routes decisions")


@routes.command()
def decisions() -> None:
    """What was decided, when and why."""
    for row in _with_decisions(lambda kept: kept.list()):
        click.echo("  ".join(str(row[name]) for name in ("action", "provider", "model", "decided_at", "reason")))


def _known(provider: str, model: str) -> str:
    """The model's id; refuses what the catalogue does not know."""
    from common.catalogue import load

    found = load().find(model)
    models = load().models if model == ALL else (found,) if found else ()
    if not any(route.provider == provider for one in models for route in one.routes):
        raise click.UsageError("the catalogue has no such route; see: python -m dispatcher routes")
    return found.id if found else ALL


def _decide(override: Override, reason: str) -> None:
    _with_decisions(lambda decisions: decisions.decide(override, reason))
    click.echo(f"{override.action}: {override.provider} {override.model}; every dispatcher knows within 2 s")


def _with_decisions(act: "Callable[[Decisions], Awaitable[Result]]") -> "Result":
    """Do something with the decisions in the database of the settings."""
    import asyncio

    from common.database import Database
    from common.messaging import CannotReach
    from dispatcher.repository.decisions import Decisions

    async def work() -> "Result":
        database = Database(_settings().database_url.get_secret_value(), pool_size=2)
        await database.start()
        try:
            return await act(Decisions(database))
        finally:
            await database.stop()

    try:
        return asyncio.run(work())
    except CannotReach:
        raise click.ClickException("the database cannot be reached (DISPATCHER_DATABASE_URL)") from None


def _show_routes() -> None:
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
