"""All parts of a stack are scheduled in batches, and so is whatever they start."""

import os
import platform
import subprocess
import sys

import pytest

SHOW = (
    "import os, subprocess, sys; from stack.program import prefer_batches; prefer_batches();"
    " print(os.sched_getscheduler(0), flush=True);"
    " subprocess.run(['cat', '/proc/self/sched'], check=False)"
)


def shown() -> list[str]:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()


def test_a_program_and_its_children_are_scheduled_in_batches() -> None:
    policy, *_ = shown()
    assert int(policy) == os.SCHED_BATCH


def test_whoever_runs_keeps_the_core_for_longer_where_the_kernel_can() -> None:
    version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    lines = [line for line in shown() if line.startswith("se.slice")]
    if version < (6, 12) or not lines or platform.machine() not in {"x86_64", "aarch64"}:
        pytest.skip("this kernel has no slices to choose, or does not show them")
    assert lines[0].split()[-1] == "20000000"
