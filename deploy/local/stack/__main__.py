"""Commands of the local stack; `make help` names the ones meant for people."""

import sys
from uuid import UUID

import click

from stack.errors import CannotSetUp
from stack.state import State

_LIMIT = click.IntRange(1, 2**31 - 1)  # what the gateway's column holds


@click.group()
def main() -> None:
    """The local stack: up, down, status, logs, account, prove."""


@main.command()
@click.option("--only", type=click.Choice(["everything", "infrastructure"]), default="everything")
def up(only: str) -> None:
    """Start whatever does not run yet, wait until all is ready, and prove it."""
    from stack import starting

    sys.exit(starting.up(State.of_environment(), only))


@main.command()
def down() -> None:
    """Stop everything of this stack."""
    from stack import stopping

    stopping.down(State.of_environment())


@main.command()
def clean() -> None:
    """Stop everything of this stack and delete its state."""
    from stack import stopping

    stopping.clean(State.of_environment())


@main.command()
def status() -> None:
    """Say what runs; ends with 1 if anything does not."""
    from stack import showing

    sys.exit(showing.show(State.of_environment()))


@main.command()
def logs() -> None:
    """Follow what all parts say."""
    from stack import showing

    showing.follow_logs(State.of_environment())


@main.command()
def prove() -> None:
    """Run one image and one video through the running stack."""
    from stack import proof

    sys.exit(proof.prove(State.of_environment()))


@main.command()
@click.option("--email", required=True)
@click.option("--credits", "credits_text", required=True)
@click.option("--rate", type=_LIMIT, help="Requests a minute; no limit without it.")
@click.option("--inflight", type=_LIMIT, help="Jobs at a time; no limit without it.")
@click.option(
    "--account-id", type=click.UUID, help="Finish this account, of which a part exists; books nothing twice."
)
def account(email: str, credits_text: str, rate: int | None, inflight: int | None, account_id: UUID | None) -> None:
    """Make an account; the last line printed is its id, key and webhook secret as JSON."""
    from stack.account import Wanted, command

    command(State.of_environment(), Wanted(email, credits_text, rate, inflight), account_id)


@main.command(hidden=True)
@click.option("--only", default="everything")
def supervise(only: str) -> None:
    """The daemon that `up` leaves behind."""
    from stack import daemon

    daemon.main(State.of_environment(), only)


@main.command(hidden=True)
def migrate() -> None:
    """Bring every service's schema to the newest version, in one process to be quick."""
    from common import migrations
    from stack.state import SERVICES

    for service in SERVICES:
        migrations.run(service)


if __name__ == "__main__":
    try:
        main()
    except (CannotSetUp, OSError) as reason:
        print(f"\n{reason}", file=sys.stderr)
        sys.exit(1)
