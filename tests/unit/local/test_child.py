import asyncio
import os
import signal
import sys

import pytest

from stack.child import Child, pause_s
from stack.errors import CannotSetUp
from stack.pids import Identity, stop
from stack.program import Program

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPS.replace("up", "deaf")
DIES = "import sys; sys.exit('no such luck')"


async def at_once():
    return


async def never():
    await asyncio.Event().wait()


def program(tmp_path, code, ready=at_once, **more):
    return Program(
        name="sleeper",
        argv=(sys.executable, "-c", code),
        env={},
        log=tmp_path / "log",
        ready=ready,
        patience_s=2,
        **more,
    )


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_first_death_is_answered_at_once_and_no_pause_makes_a_restart_late():
    assert pause_s(1) == 0
    assert all(pause_s(failures) <= 1.5 for failures in range(100))


async def test_a_killed_program_is_started_again(tmp_path):
    child = Child(program(tmp_path, SLEEPS), tmp_path, lambda: None)
    await child.ready(5)
    first = child.part.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.part.pid != first and child.part.state == "ready")
    assert child.part.restarts == 1
    await child.stop()


async def test_a_stopped_program_stays_stopped(tmp_path):
    child = Child(program(tmp_path, SLEEPS), tmp_path, lambda: None)
    await child.ready(5)
    identity = Identity.of(child.part.pid)
    await child.stop()
    assert not identity.alive()
    assert child.part.state == "stopped"
    assert list(tmp_path.glob("sleeper")) == []


async def test_a_program_that_ignores_the_request_is_ended_by_force(tmp_path):
    child = Child(program(tmp_path, DEAF), tmp_path, lambda: None)
    await until(lambda: (tmp_path / "log").exists() and "deaf" in (tmp_path / "log").read_text())
    identity = Identity.of(child.part.pid)
    await child.stop()
    assert not identity.alive()


async def test_a_program_that_dies_at_every_start_is_reported_with_its_last_words(tmp_path):
    child = Child(program(tmp_path, DIES, ready=never), tmp_path, lambda: None)
    with pytest.raises(CannotSetUp, match="no such luck"):
        await child.ready(20)
    await child.stop()


async def test_a_program_that_cannot_be_started_is_tried_again_until_it_can(tmp_path):
    tmp_path = tmp_path / "folder"
    child = Child(program(tmp_path, SLEEPS), tmp_path, lambda: None)
    await until(lambda: child.part.restarts >= 2)
    tmp_path.mkdir()
    await child.ready(5)
    await child.stop()


async def test_a_program_that_can_never_be_started_is_reported_with_the_reason(tmp_path):
    def prepare():
        raise OSError("disk full")

    child = Child(program(tmp_path, SLEEPS, prepare=prepare), tmp_path, lambda: None)
    with pytest.raises(CannotSetUp, match="disk full"):
        await child.ready(20)
    await child.stop()


async def test_a_process_that_cannot_be_noted_is_kept_all_the_same(tmp_path):
    child = Child(program(tmp_path, SLEEPS), tmp_path / "nowhere", lambda: None)
    await child.ready(5)
    first = child.part.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.part.pid != first and child.part.state == "ready")
    await child.stop()


async def test_a_process_with_a_reused_number_is_a_stranger(tmp_path):
    child = Child(program(tmp_path, SLEEPS), tmp_path, lambda: None)
    await child.ready(5)
    real = Identity.of(child.part.pid)
    stranger = Identity(real.pid, real.started_ticks - 1)
    assert not stranger.alive()
    stop([stranger], patience_s=0.1)
    assert real.alive()
    await child.stop()
