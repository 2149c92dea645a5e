"""What the supervisor promises, on real servers. Who takes the stack down brings it up again for the next test."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from stack import probes
from support.stack import CHECKOUT, Stack, inherited, running_stack, until

PARTS = ("POSTGRES", "RABBITMQ", "S3", "EPMD")


def stack_command(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        check=False,
        cwd=CHECKOUT,
        env={**inherited(), "LOCAL_STATE": str(state)},
        capture_output=True,  # would not return if anything left behind kept the output open
        text=True,
        timeout=120,
    )


def up_again(stack: Stack) -> None:
    done = stack_command(stack.state, "up", "--only", "infrastructure")
    assert done.returncode == 0, done.stderr


def all_pids(stack: Stack) -> list[int]:
    return [int(value) for name, value in stack.env.items() if name.startswith("PID_")]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def stopped_within(pids: list[int], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while any(map(running, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(running, pids))


@pytest.fixture(scope="module")
def infrastructure():
    with running_stack("supervisor", only="infrastructure") as stack:
        yield stack


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_is_replaced_within_two_seconds(infrastructure: Stack, part):
    old = infrastructure.kill(part)
    await infrastructure.restarted(part, old, limit_s=2)
    await asyncio.to_thread(up_again, infrastructure)


async def test_what_was_committed_survives_the_death_of_the_database(infrastructure: Stack):
    url = infrastructure["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (1)")
    for _ in range(3):
        old = infrastructure.kill("POSTGRES")
        await infrastructure.restarted("POSTGRES", old, limit_s=2)
    await asyncio.to_thread(up_again, infrastructure)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("select n from kept").fetchall() == [(1,)]
        connection.execute("drop table kept")


def test_a_second_up_changes_nothing(infrastructure: Stack):
    before = infrastructure.env
    up_again(infrastructure)
    assert infrastructure.env == before


def test_two_stacks_run_side_by_side(broker: Stack, infrastructure: Stack):
    for name in ("DATABASE_URL", "AMQP_URL", "S3_ENDPOINT_URL", "S3_SECRET_ACCESS_KEY", "PID_RABBITMQ"):
        assert broker[name] != infrastructure[name]


def test_nothing_outlives_down(infrastructure: Stack):
    pids = all_pids(infrastructure)
    assert stack_command(infrastructure.state, "down").returncode == 0
    assert not any(map(running, pids))
    up_again(infrastructure)


def test_a_killed_supervisor_takes_its_parts_along_and_down_still_works(infrastructure: Stack):
    pids = all_pids(infrastructure)
    infrastructure.kill("SUPERVISOR")
    assert stack_command(infrastructure.state, "down").returncode == 0
    assert stopped_within(pids, 10)
    up_again(infrastructure)


def links_of(pid: int) -> Iterator[str]:
    """What a process holds open, less what it closes while we look."""
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(handle.readlink())


def test_no_part_listens_beyond_loopback(infrastructure: Stack):
    links = [link for pid in all_pids(infrastructure) for link in links_of(pid)]
    inodes = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:[")}
    assert inodes
    exposed = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address = bytes.fromhex(fields[1].split(":")[0])
            loopback = {socket.inet_aton("127.0.0.1")[::-1], bytes.fromhex("00000000000000000000000001000000")}
            if fields[3] == "0A" and fields[9] in inodes and address not in loopback:
                exposed.append(fields[1])
    assert exposed == []


def test_the_parts_named_in_env_are_the_servers_themselves(infrastructure: Stack):
    assert Path(f"/proc/{infrastructure['PID_RABBITMQ']}/exe").readlink().name == "beam.smp"
    assert Path(f"/proc/{infrastructure['PID_POSTGRES']}/exe").readlink().name == "postgres"
    postmaster = (infrastructure.state / "postgres").resolve() / "data/postmaster.pid"
    assert postmaster.read_text().splitlines()[0] == infrastructure["PID_POSTGRES"]


def test_a_broken_address_is_told_in_a_sentence(tmp_path):
    environment = {**inherited(), "LOCAL_STATE": str(tmp_path), "DATABASE_URL": "postgresql://a:b@127.0.0.1:9/c"}
    environment |= {"AMQP_URL": "amqp://127.0.0.1:9/", "S3_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "stack", "up", "--only", "infrastructure"],
        check=False, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "_URL" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_part_is_replaced_while_the_state_cannot_be_written(infrastructure: Stack):
    file, aside = infrastructure.state / "env", infrastructure.state / "env.aside"
    old, url = infrastructure.pid("S3"), infrastructure["S3_ENDPOINT_URL"]
    file.rename(aside)
    file.mkdir()  # no file can be renamed over a folder, not even by root
    try:
        os.kill(old, signal.SIGKILL)
        async with asyncio.timeout(5):
            await probes.http(f"{url}/healthz")
    finally:
        file.rmdir()
    await until(file.is_file, limit_s=10)
    assert infrastructure.pid("S3") != old
    aside.unlink()


def test_the_supervisor_ends_when_its_folder_is_deleted(infrastructure: Stack):
    pids = all_pids(infrastructure)
    (infrastructure.state / "run" / "supervisor.lock").unlink()
    try:
        assert stopped_within(pids, 30)
    finally:
        for pid in filter(running, pids):
            os.kill(pid, signal.SIGKILL)
    up_again(infrastructure)
