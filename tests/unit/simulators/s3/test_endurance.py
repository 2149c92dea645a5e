"""Kills, dials and odd clients leave whole objects, and nothing else."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def box(own_stand):
    client = own_stand.client(max_pool_connections=16)
    yield client
    client.close()


def blobs(stand) -> int:
    return sum(1 for path in (stand.folder / "blobs").rglob("*") if path.is_file())


def test_kill_amid_writes_leaves_acknowledged_objects_whole_and_no_half_ones(own_stand, box: "S3Client"):
    written: set[int] = set()
    stop = threading.Event()

    def write(worker: int) -> None:
        for number in range(worker, 100_000, 8):
            if stop.is_set():
                return
            try:
                box.put_object(Bucket="box", Key=f"k/{number}", Body=bytes([number % 256]) * 75_000)
            except (BotoCoreError, ClientError):
                return
            written.add(number)

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(write, worker) for worker in range(8)]
        while len(written) < 100:
            time.sleep(0.01)
        own_stand.kill()
        stop.set()
        # Started before the writers are waited for: those whose connection waits in the backlog want an answer.
        (own_stand.folder / "blobs" / "00" / ("0" * 32)).write_bytes(b"left by a kill")
        own_stand.start()
        for future in done:
            future.result()
    found = [
        entry["Key"]
        for page in box.get_paginator("list_objects_v2").paginate(Bucket="box")
        for entry in page["Contents"]
    ]
    assert {f"k/{number}" for number in written} <= set(found)
    for key in found:
        number = int(key.removeprefix("k/"))
        assert box.get_object(Bucket="box", Key=key)["Body"].read() == bytes([number % 256]) * 75_000
    assert blobs(own_stand) == len(found)


def test_body_cut_off_leaves_nothing(own_stand, box: "S3Client"):
    target = own_stand.presign("PUT", "/box/cut").removeprefix(own_stand.url)
    host = own_stand.url.removeprefix("http://")
    with socket.create_connection(own_stand.listener.getsockname()) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 300000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 200_000)
        time.sleep(0.2)
        assert box.list_objects_v2(Bucket="box")["KeyCount"] == 0
    deadline = time.monotonic() + 5
    while blobs(own_stand) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert blobs(own_stand) == 0


def test_of_many_conditional_writers_one_wins(box: "S3Client"):
    def write(number: int) -> int | None:
        try:
            box.put_object(Bucket="box", Key="one", Body=str(number).encode() * 100_000, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(write, range(16)) if number is not None]
    assert len(winners) == 1
    assert box.get_object(Bucket="box", Key="one")["Body"].read() == str(winners[0]).encode() * 100_000


def test_object_being_read_survives_its_deletion(own_stand, box: "S3Client"):
    body = os.urandom(20 * 1024**2)
    box.put_object(Bucket="box", Key="big", Body=body)
    got = box.get_object(Bucket="box", Key="big")["Body"]
    first = got.read(1000)
    box.delete_object(Bucket="box", Key="big")
    assert first + got.read() == body
    assert blobs(own_stand) == 0


def test_dials_fail_so_many_requests_and_no_more(own_stand, box: "S3Client"):
    for scenario, status in (("503", 503), ("403", 403)):
        own_stand.turn("dials", scenario=scenario, times=2, methods=["PUT"])
        url = own_stand.presign("PUT", "/box/k")
        assert own_stand.fetch("GET", own_stand.presign("GET", "/box")).status == 200
        assert [own_stand.fetch("PUT", url, b"x").status for _ in range(3)] == [status, status, 200]


def test_slow_and_hang_dials_do_as_they_say(own_stand, box: "S3Client"):
    own_stand.turn("dials", scenario="slow", delay_ms=300, times=1)
    began = time.monotonic()
    box.head_bucket(Bucket="box")
    assert time.monotonic() - began >= 0.3
    own_stand.turn("dials", scenario="hang", times=1)
    target = own_stand.presign("GET", "/box").removeprefix(own_stand.url)
    with socket.create_connection(own_stand.listener.getsockname()) as connection:
        connection.settimeout(0.5)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with pytest.raises(TimeoutError):
            connection.recv(1)
    box.head_bucket(Bucket="box")


def test_stats_count_and_bad_dials_are_refused(own_stand, box: "S3Client"):
    box.put_object(Bucket="box", Key="k", Body=b"x" * 100)
    box.get_object(Bucket="box", Key="k")["Body"].read()
    own_stand.fetch("GET", "/box/k")
    stats = json.loads(own_stand.fetch("GET", "/__stats").body)
    assert stats["operations"] == {"put_object": 1, "get_object": 1}
    assert stats["errors"] == {"AccessDenied": 1}
    assert (stats["objects"], stats["bytes_in"], stats["bytes_out"]) == (1, 100, 100)
    for path, body in (
        ("/__dials", b'{"scenario": "flood"}'),
        ("/__dials", b'{"times": 0}'),
        ("/__clock", b'{"offset_s": "soon"}'),
        ("/__clock", b"not json"),
        ("/__clock", b"[]"),
    ):
        assert own_stand.fetch("PUT", path, body).status == 400
    assert own_stand.fetch("GET", "/__nothing").status == 404


def test_second_endpoint_on_the_same_folder_is_refused_with_a_sentence(own_stand):
    command = [sys.executable, "-m", "simulators.s3", "--data", str(own_stand.folder), "--port", "0"]
    keys = ["--access-key", "a", "--secret-key", "b"]
    second = subprocess.run([*command, *keys], capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "another endpoint works on it" in second.stderr
    assert "Traceback" not in second.stderr


def test_large_refused_body_still_reads_its_refusal(own_stand, box: "S3Client"):
    box.put_object(Bucket="box", Key="k", Body=b"first")
    url = own_stand.presign("PUT", "/box/k")
    assert own_stand.fetch("PUT", url, bytes(20 * 1024**2), {"If-None-Match": "*"}).status == 412


def test_fsync_changes_nothing_to_the_eye(own_stand, box: "S3Client"):
    own_stand.stop()
    own_stand.options = ("--fsync",)
    own_stand.start()
    box.put_object(Bucket="box", Key="k", Body=b"x" * 100_000)
    assert box.get_object(Bucket="box", Key="k")["ContentLength"] == 100_000


def test_stop_and_start_keeps_all(own_stand, box: "S3Client"):
    box.put_object(Bucket="box", Key="k", Body=b"x", Metadata={"a": "b"})
    own_stand.stop()
    own_stand.start()
    assert box.get_object(Bucket="box", Key="k")["Metadata"] == {"a": "b"}


@pytest.mark.parametrize("target", ["/%ff%fe", "/box/%ff", "/box?prefix=%ff", "//", "/box//x", "/box/../etc/passwd"])
def test_odd_addresses_are_answered_in_kind(own_stand, target):
    assert 400 <= own_stand.fetch("GET", target).status < 500


def test_keys_are_never_paths(own_stand, box: "S3Client", tmp_path: pathlib.Path):
    box.put_object(Bucket="box", Key="../../evil", Body=b"x")
    assert not list(tmp_path.rglob("evil"))
    assert box.get_object(Bucket="box", Key="../../evil")["Body"].read() == b"x"
