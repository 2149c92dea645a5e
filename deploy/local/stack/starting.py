"""`make up`: leaves a stack behind that is ready, and says so."""

import os
import subprocess
import sys
import time
from pathlib import Path

from stack import proof, showing, stopping
from stack.child import last_line
from stack.choices import Choices
from stack.errors import CannotSetUp
from stack.state import CHECKOUT, State
from stack.status import FAILED, READY, Status, supervisor

_LIMIT_S = 600  # fetching packages over a slow line is the longest part


def up(state: State, only: str) -> int:
    """0 once everything is ready (again); an error's sentence and 1 otherwise."""
    began = time.monotonic()
    chosen = Choices.of(os.environ).fingerprint()
    state.create()
    running = supervisor(state) is not None
    daemon = None
    if not running:
        stopping.clear_leftovers(state)
        state.status.unlink(missing_ok=True)
        _keep_logs_small(state.logs)
        daemon = _leave_behind(state, only)
    status = _wait(state, daemon)
    if status.phase == FAILED:
        raise CannotSetUp(f"The stack did not start. {status.error}")
    if running and status.chosen != chosen:
        print("It runs with other settings than the environment has now; `make down` first to change them.")
    if only == "infrastructure" or running:
        return showing.show(state)
    print(f"Ready after {time.monotonic() - began:.1f} s. Now one image and one video as proof.")
    return proof.prove(state)


def _leave_behind(state: State, only: str) -> "subprocess.Popen[bytes]":
    """The supervisor, in a session of its own, holding nothing of this terminal."""
    with (state.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stack", "supervise", "--only", only],
            env={**os.environ, "LOCAL_STATE": str(state.root)},
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(state: State, daemon: "subprocess.Popen[bytes] | None") -> Status:
    """Follow the start until everything is ready or cannot be; name each part as it comes."""
    named: set[str] = set()
    end = time.monotonic() + _LIMIT_S
    while time.monotonic() < end:
        status = Status.read(state)
        if status is not None:
            for name, part in status.parts.items():
                if part.state == "ready" and name not in named and daemon is not None:
                    named.add(name)
                    print(f"  {name} ready after {part.ready_after_s} s", flush=True)
            if status.phase == FAILED:
                return status
            if status.phase == READY and not showing.unready(state, status):
                return status
        if supervisor(state) is None and (daemon is None or daemon.poll() is not None):
            latest = Status.read(state)
            if latest is not None and latest.phase == FAILED:
                return latest
            raise CannotSetUp(
                f"The supervisor ended: {last_line(state.logs / 'supervisor.log')} (logs: {state.logs})"
            )
        time.sleep(0.05)
    raise CannotSetUp(f"The stack was not ready within {_LIMIT_S} s (logs: {state.logs})")


def _keep_logs_small(folder: Path) -> None:
    """Set a long log aside at a start, replacing the one set aside before."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > 10_000_000:
            log.replace(log.with_suffix(".log.1"))
