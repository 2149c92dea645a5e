"""How the supervisor's own life begins and ends."""

import asyncio
import os

from stack import program
from stack.choices import Choices
from stack.errors import CannotSetUp
from stack.state import State
from stack.status import FAILED, Status, sole_supervisor
from stack.supervisor import Supervisor


def main(state: State, only: str) -> None:
    """Supervise until told to stop; a second one for the same folder goes away again."""
    with sole_supervisor(state) as alone:
        if not alone:
            return
        program.prefer_batches()
        program.allow_open_files()
        choices = Choices.of(os.environ)
        status = Status(only=only, chosen=choices.fingerprint())
        status.write(state)
        try:
            asyncio.Runner().run(_supervise(state, choices, status))
        except (CannotSetUp, OSError) as reason:
            status.phase, status.error = FAILED, str(reason)
            status.write(state)
            print(reason, flush=True)
        # Not by the usual way out, which would wait for a download nobody wants any more.
        os._exit(1 if status.phase == FAILED else 0)


async def _supervise(state: State, choices: Choices, status: Status) -> None:
    supervisor = Supervisor(state, choices, infrastructure_only=status.only == "infrastructure", status=status)
    await supervisor.run(os.getpid())
