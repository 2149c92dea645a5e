"""Keeps one program running: starts it, waits for its end, starts it again."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

from stack.errors import CannotSetUp
from stack.pids import Identity
from stack.program import Program, launch
from stack.status import Part

_SETTLED_S = 5
"""Who lived this long did not fail at its start; its next start happens at once."""
_LONGEST_PAUSE_S = 1.5
_HOPELESS = 5
"""So many failures in a row before it was ever ready: somebody has to look at it."""


def pause_s(failures: int) -> float:
    """How long to wait before the next start, after so many starts in a row that failed at once."""
    return 0.0 if failures <= 1 else min(_LONGEST_PAUSE_S, 0.1 * 2.0 ** (failures - 1))


def say(sentence: str) -> None:
    """A line in the supervisor's log. A full disk must not end whoever speaks."""
    with contextlib.suppress(OSError):
        print(sentence, flush=True)


class Child:
    """A program and the process that runs it at the moment."""

    def __init__(self, program: Program, pids: Path, changed: Callable[[], None]) -> None:
        """``changed`` is told of every change and must not raise."""
        self.program = program
        self.part = Part()
        self._pid_file = pids / program.name
        self._changed = changed
        self._ready = asyncio.Event()
        self._hopeless = asyncio.Event()
        self._stop = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._refusal: OSError | None = None
        """Why the last start came to nothing before the program could say anything itself."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {program.name}")

    async def ready(self, limit_s: float) -> None:
        """Return once it serves for the first time, or say why it does not."""
        ready = asyncio.create_task(self._ready.wait())
        hopeless = asyncio.create_task(self._hopeless.wait())
        done, _ = await asyncio.wait(
            (ready, hopeless, self._keeper), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        hopeless.cancel()
        if self._keeper in done:
            self._keeper.result()
        if ready in done:
            return
        what = "stops right after every start" if hopeless in done else f"was not ready within {limit_s:.0f} s"
        why = self._refusal or last_line(self.program.log)
        raise CannotSetUp(f"{self.program.name} {what}: {why} (log: {self.program.log})")

    async def stop(self) -> None:
        """End it for good: as it likes to be asked, and by force once its patience is over."""
        self._stop.set()
        self._signal(self.program.stop_signal)
        done, _ = await asyncio.wait((self._keeper,), timeout=self.program.patience_s)
        if not done:
            self._signal(signal.SIGKILL)
            await asyncio.wait((self._keeper,), timeout=5)
        self._pid_file.unlink(missing_ok=True)

    async def _keep(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = time.monotonic()
            end = await self._live(began)
            if self._stop.is_set():
                break
            failures = failures + 1 if time.monotonic() - began < _SETTLED_S else 1
            if failures >= _HOPELESS and not self._ready.is_set():
                self._hopeless.set()
            self.part.state = "restarting"
            self.part.restarts += 1
            say(f"{self.program.name} {end}, start {self.part.restarts + 1} follows")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s(failures))
        self.part.state = "stopped"
        self._changed()

    async def _live(self, began: float) -> str:
        """One life of the program, and what became of it; not to be startable at all is one too."""
        try:
            await asyncio.to_thread(self.program.prepare)
            self._process = process = await launch(self.program)
        except OSError as reason:
            self._refusal = reason
            return f"could not be started ({reason})"
        self._refusal = None
        self._note_start(process.pid)
        if self._stop.is_set():  # told to end while it was being started
            self._signal(self.program.stop_signal)
        probe = asyncio.create_task(self._watch_for_ready(began))
        try:
            return f"ended ({await process.wait()})"
        finally:
            probe.cancel()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _note_start(self, pid: int) -> None:
        identity = Identity.of(pid)
        if identity is not None:
            try:
                identity.write(self._pid_file)
            except OSError as reason:  # it runs all the same, and dies with us
                say(f"{self.program.name} runs as {pid}, which could not be noted: {reason}")
        self.part.pid = pid
        self.part.state = "starting"
        self._changed()

    async def _watch_for_ready(self, began: float) -> None:
        await self.program.ready()
        self.part.ready_after_s = round(time.monotonic() - began, 2)
        self.part.state = "ready"
        self._ready.set()
        self._changed()


def last_line(log: Path) -> str:
    """The last thing a program said."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return "it said nothing"
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
