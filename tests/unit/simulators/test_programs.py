import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from simulators.providers import PROVIDERS

NAMES = (*PROVIDERS, "media", "receiver")


@contextmanager
def _program(*arguments: str, fds: tuple[int, ...] = ()) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-m", "simulators", *arguments]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=fds)
    assert program.stdout is not None
    try:
        yield program, json.loads(program.stdout.readline())
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(10)
        program.stdout.close()


def _call(url: str, body: object = None, method: str | None = None, key: str = "Bearer k") -> tuple[int, bytes]:
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, sent, {"authorization": key}, method=method)
    for _ in range(100):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(url)


def test_all_providers_run_in_one_light_process():
    with _program("providers", "--render-ms", "10") as (program, urls):
        assert tuple(urls) == NAMES
        assert (urls["openai"].endswith("/v1"), urls["ark"].endswith("/api/v3")) == (True, True)
        assert _call(urls["openai"] + "/images/generations", {"model": "gpt-image-2", "prompt": "x"})[0] == 200
        task = {"model": "dreamina-seedance-2-0-260128", "content": [{"type": "text", "text": "x"}]}
        status, body = _call(urls["ark"] + "/contents/generations/tasks", task)
        assert status == 200
        time.sleep(0.05)
        shown = json.loads(_call(f"{urls['ark']}/contents/generations/tasks/{json.loads(body)['id']}")[1])
        assert _call(shown["content"]["video_url"])[1][4:8] == b"ftyp"
        seen = psutil.Process(program.pid)
        assert seen.memory_info().rss < 200 * 2**20
        before = sum(seen.cpu_times()[:2])
        time.sleep(1)
        assert sum(seen.cpu_times()[:2]) - before < 0.02
    assert program.returncode == 0


def test_an_inherited_socket_is_served_and_outlives_the_program():
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    fd = listening.fileno()
    for _ in range(2):
        with _program("receiver", "--fd", str(fd), fds=(fd,)) as (_, urls):
            assert urls == {"receiver": f"http://127.0.0.1:{port}"}
            assert _call(f"{urls['receiver']}/healthz")[0] == 200
            dials = {"scenario": "refuse", "for_ms": 300}
            assert _call(f"{urls['receiver']}/__dials", dials, "PUT")[0] == 200
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            assert _call(f"{urls['receiver']}/healthz")[0] == 200
        # Whoever connects between two programs waits in the queue of the socket.
        socket.create_connection(("127.0.0.1", port)).close()
    listening.close()


def test_a_provider_alone_serves_its_own_outputs_and_knows_its_key():
    with _program("fal", "--api-key", "right", "--render-ms", "0") as (_, urls):
        submit = urls["fal"] + "/openai/gpt-image-2"
        assert _call(submit, {"prompt": "x"}, key="Key wrong")[0] == 401
        job = json.loads(_call(submit, {"prompt": "x"}, key="Key right")[1])
        result = json.loads(_call(job["response_url"], key="Key right")[1])
        assert result["images"][0]["url"].startswith(urls["fal"])
        assert _call(result["images"][0]["url"])[0] == 200


@pytest.mark.parametrize("name", NAMES)
def test_help_documents_the_dials(name: str):
    answer = subprocess.run(
        [sys.executable, "-m", "simulators", name, "--help"], capture_output=True, text=True, check=True
    )
    for word in (
        "--host",
        "--port",
        "--fd",
        "Scenarios:",
        "refuse",
        "/__dials",
        "/__calls",
        "/__reset",
        "fail_ratio",
    ):
        assert word in answer.stdout


def test_no_stand_in_loads_the_video_encoder_before_it_is_needed():
    code = (
        "import sys, simulators.starting; print('av' in sys.modules, 'PIL' in sys.modules, 'aiohttp' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/"))
    assert answer.stdout.split() == ["False"] * 3
