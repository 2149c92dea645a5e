"""A failpoint kills the process at its n-th hit and does nothing otherwise."""

import signal
import subprocess
import sys

PROGRAM = """
from common.failpoints import reach
reach("D3"); print("once", flush=True)
reach("B2"); print("other", flush=True)
reach("D3"); print("twice", flush=True)
"""


def run(crash_at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"CRASH_AT": crash_at}, capture_output=True, text=True, check=False
    )


def test_the_second_hit_kills() -> None:
    done = run("D3:2")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["once", "other"]


def test_nothing_happens_unless_asked() -> None:
    assert run("").stdout.split() == ["once", "other", "twice"]


def test_a_misspelt_name_is_refused_at_the_start() -> None:
    done = run("D99")
    assert done.returncode != 0
    assert "there is no such failpoint" in done.stderr
