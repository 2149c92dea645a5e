"""What the supervisor says about the stack, for the commands that come and ask."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from stack.pids import Identity
from stack.state import State, read_json, write_atomically

STARTING, READY, FAILED, STOPPING = "starting", "ready", "failed", "stopping"


@dataclass(slots=True)
class Part:
    """One program of the stack."""

    state: str = "waiting"
    pid: int | None = None
    restarts: int = 0
    ready_after_s: float | None = None


@dataclass(slots=True)
class Status:
    """The whole stack at one moment."""

    phase: str = STARTING
    only: str = "everything"
    chosen: str = ""
    """Fingerprint of the environment it was started with."""
    error: str = ""
    started_at: float = field(default_factory=time.time)
    parts: dict[str, Part] = field(default_factory=dict)

    def write(self, state: State) -> None:
        """Publish it."""
        write_atomically(state.status, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, state: State) -> "Status | None":
        """What was last published; None for a stack that never started."""
        found = read_json(state.status)
        if not found:
            return None
        parts = {name: Part(**part) for name, part in found.pop("parts").items()}
        return cls(**found, parts=parts)


@contextmanager
def sole_supervisor(state: State) -> Iterator[bool]:
    """Hold the stack's lock; False if another supervisor does. The kernel lets go of it whatever happens to us."""
    with state.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        mine = Identity.of(os.getpid())
        assert mine is not None
        file.write(f"{mine.pid} {mine.started_ticks}\n")
        file.flush()
        yield True


def supervisor(state: State) -> Identity | None:
    """The living supervisor of this stack, if any."""
    identity = Identity.read(state.lock)
    return identity if identity is not None and identity.alive() else None
