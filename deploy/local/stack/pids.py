"""Processes by identity: a number alone may belong to a stranger by now, a number with its start time cannot."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good: its id and when the kernel says it started, in clock ticks after boot."""

    pid: int
    started_ticks: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The living process with this id; None for none, and for one that is dead but not yet reaped."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold spaces and brackets
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def read(cls, path: Path) -> "Identity | None":
        """What `write` left behind."""
        try:
            pid, started = path.read_text().split()
            return cls(int(pid), int(started))
        except (OSError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """Remember the process for whoever has to stop it later."""
        path.write_text(f"{self.pid} {self.started_ticks}\n")

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def stop(processes: list[Identity], patience_s: float, first: signal.Signals = signal.SIGTERM) -> None:
    """End processes: politely first, for certain once the patience is used up."""
    for process in processes:
        process.signal(first)
    if not _all_gone(processes, patience_s):
        for process in processes:
            process.signal(signal.SIGKILL)
        _all_gone(processes, 5)


def _all_gone(processes: list[Identity], patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while any(process.alive() for process in processes):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def working_in(folder: Path, program: str) -> list[Identity]:
    """The living processes of one program whose working folder is this one: what an orphaned server left."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            same = (entry / "cwd").readlink() == folder and (entry / "exe").readlink().name.startswith(program)
        except OSError:
            continue
        identity = Identity.of(int(entry.name)) if same else None
        if identity is not None:
            found.append(identity)
    return found
