"""`make down`: stops everything of one stack, whatever state it is in."""

import shutil
import signal

from stack import pids
from stack.pids import Identity
from stack.state import State
from stack.status import supervisor

_PATIENCE_S = 60


def down(state: State) -> None:
    """Ask the supervisor to take everything down; without one, end what it left."""
    running = supervisor(state)
    if running is not None:
        pids.stop([running], _PATIENCE_S)
    left = clear_leftovers(state)
    if running is not None:
        print(f"The stack of {state.root} is stopped.")
    else:
        print(f"No stack of {state.root} runs." + (f" Ended {left} left behind." if left else ""))


def clean(state: State) -> None:
    """Stop the stack and delete what it made; whatever else lies in the folder stays."""
    if not state.secrets.is_file():
        print(f"{state.root} holds no stack; nothing is deleted.")
        return
    down(state)
    database = state.root / "postgres"
    if database.is_symlink():
        shutil.rmtree(database.resolve(), ignore_errors=True)
        database.unlink()
    made = (database, state.root / "rabbitmq", state.objects, state.keys, state.traces, state.logs, state.run)
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)
    state.env.unlink(missing_ok=True)
    if not any(state.root.iterdir()):
        state.root.rmdir()
    print(f"The stack of {state.root} is deleted.")


def clear_leftovers(state: State) -> int:
    """End processes that outlived a killed supervisor; only ones that are certainly ours. Returns how many."""
    known = [(path, Identity.read(path)) for path in state.pids.glob("*")]
    living = [identity for _, identity in known if identity is not None and identity.alive()]
    data = (state.root / "postgres").resolve() / "data"
    backends = pids.working_in(data, "postgres") if data.exists() else []
    pids.stop(living, 10)
    postgres_left = [identity for identity in backends if identity.alive()]
    pids.stop(postgres_left, 3, first=signal.SIGQUIT)
    for path, _ in known:
        path.unlink(missing_ok=True)
    return len(living)
