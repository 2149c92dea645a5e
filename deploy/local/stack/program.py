"""One program of the stack: how it is started, when it is ready, how it is stopped."""

import asyncio
import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Its number; the C library has no function for it."""
_SLICE_NS = 20_000_000
_OPEN_FILES = 65_536  # Erlang sizes tables by this limit, so a container's "unlimited" must not reach it


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ``ready`` returns once the program serves; whoever awaits it sets the limit."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    ready: Callable[[], Awaitable[None]]
    prepare: Callable[[], None] = lambda: None
    """Runs before every start; clears what a killed predecessor left."""
    fds: tuple[int, ...] = ()
    user: int | None = None
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    patience_s: float = 10
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it should the supervisor be killed."""


async def launch(program: Program) -> asyncio.subprocess.Process:
    """Start it in a session of its own, its output in its log, bound to die with us."""
    with program.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *program.argv,
            env=dict(program.env),
            cwd=program.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=program.fds,
            user=program.user,
            group=program.user,
            extra_groups=None if program.user is None else [],
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(program.orphan_signal),
        )


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Called in the child, after it changed its user (which would forget it) and before it becomes the program."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def prefer_batches() -> None:
    """Schedule us and all we start in batches: a wake-up then does not interrupt whoever runs, and whoever runs keeps
    the core for longer (Linux 6.12 and later).

    On two cores the first is worth a third of the throughput, the second a tenth. Neither needs a privilege; where
    they are refused, never mind.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except (OSError, AttributeError):
        return
    if (number := _SCHED_SETATTR.get(platform.machine())) is not None:
        # sched_attr of sched_setattr(2): size, policy, flags, nice, priority, runtime, deadline, period.
        wanted = struct.pack("=IIQiIQQQ", 48, os.SCHED_BATCH, 0, 0, 0, _SLICE_NS, 0, 0)
        _LIBC.syscall(number, 0, wanted, 0)


def allow_open_files() -> None:
    """Lift the limit on open files as far as we may, up to what the stack can use."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
