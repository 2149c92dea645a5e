"""`make status` and `make logs`: what runs, where, whether it can do its work, and what it says."""

import os

from stack import calls
from stack.errors import CannotSetUp
from stack.state import SERVICES, State, read_client_file
from stack.status import READY, Status, supervisor


def show(state: State) -> int:
    """0 if everything runs and is ready, 1 if not."""
    status = Status.read(state)
    if status is None or supervisor(state) is None:
        print(f"No stack of {state.root} runs; `make up` starts one.")
        return 1
    waiting = unready(state, status)
    width = max((len(name) for name in status.parts), default=0)
    for name, part in status.parts.items():
        found = "not ready" if name in waiting else part.state
        restarts = f", restarted {part.restarts} times" if part.restarts else ""
        print(f"  {name:<{width}}  {found:<10}  pid {part.pid}{restarts}")
    env = read_client_file(state.env)
    if status.only == "everything":
        print(f"API {env.get('REAPI_BASE_URL')}   console {env.get('REAPI_CONSOLE_URL')}")
    print(f"Everything else: {state.env}   logs: {state.logs}")
    return 1 if waiting or status.phase != READY else 0


def follow_logs(state: State) -> None:
    """Become a ``tail`` of all logs; whoever stops it stops nothing of the stack."""
    logs = sorted(map(str, state.logs.glob("*.log")))
    if supervisor(state) is None or not logs:
        raise CannotSetUp(
            f"No stack of {state.root} runs; "
            + (f"what the last one said is in {state.logs}." if logs else "`make up` starts one.")
        )
    os.execvp("tail", ["tail", "-n", "20", "-F", *logs])  # noqa: S606 - no shell is wanted


def unready(state: State, status: Status) -> list[str]:
    """The parts that do not run, and the services that say they cannot do their work at the moment."""
    env = read_client_file(state.env)
    found = [name for name, part in status.parts.items() if part.state != "ready"]
    for service in SERVICES:
        if service in status.parts and service not in found and not _says_ready(env[f"{service.upper()}_URL"]):
            found.append(service)
    return found


def _says_ready(url: str) -> bool:
    try:
        return calls.get(f"{url}/readyz", timeout_s=5).status == 200
    except OSError:
        return False
