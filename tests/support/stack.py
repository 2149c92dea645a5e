"""A whole stack for tests: the very one that ``make up`` starts, in a folder of its own."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import openai
import psycopg
from psycopg.rows import dict_row

from simulators.providers import PROVIDERS
from stack.state import read_client_file

CHECKOUT = Path(__file__).resolve().parents[2]
SERVICES = ("GATEWAY", "BILLING", "DISPATCHER", "STORAGE", "NOTIFIER")
_CHOICES = ("DATABASE_URL", "AMQP_URL", "OUTPUT_TTL_S", "EGRESS_ALLOW_CIDRS", "CRASH_AT")
_CHOICE_PREFIXES = (
    "S3_",
    "UPSTREAM_",
    "STRIPE_",
    "SIM_",
    "TRACE_",
    "REAPI_",
    *(f"{service}_" for service in SERVICES),
)


@dataclass(frozen=True)
class Account:
    """A customer with a key."""

    account_id: str
    api_key: str
    webhook_secret: str


class Stack:
    """A running stack, seen through its ``env`` file, its simulators' dials, its database and its processes."""

    def __init__(self, state: Path) -> None:
        self.state = state

    @property
    def env(self) -> dict[str, str]:
        """The file as it is now: pids change when something is restarted."""
        return read_client_file(self.state / "env")

    def __getitem__(self, name: str) -> str:
        return self.env[name]

    def account(
        self, credits: str | int = 100_000, *, rate: int | None = None, inflight: int | None = None
    ) -> Account:
        """A new account with exactly these credits, made as an operator makes it."""
        self._accounts = getattr(self, "_accounts", 0) + 1
        command = ["account", "--email", f"test{self._accounts}@example.org", "--credits", str(credits)]
        command += ["--rate", str(rate)] if rate else []
        command += ["--inflight", str(inflight)] if inflight else []
        return Account(**json.loads(_run(self.state, *command).splitlines()[-1]))

    def client(self, account: Account | None = None, **options: Any) -> openai.AsyncOpenAI:
        """A stock SDK client."""
        key = account.api_key if account else self["REAPI_API_KEY"]
        return openai.AsyncOpenAI(base_url=self["REAPI_BASE_URL"], api_key=key, **options)

    # Processes

    def pid(self, part: str) -> int:
        return int(self.env[f"PID_{part}"])

    def kill(self, part: str, number: int = signal.SIGKILL) -> int:
        """Signal one part's process; its pid."""
        pid = self.pid(part)
        os.kill(pid, number)
        return pid

    async def restarted(self, part: str, old_pid: int, limit_s: float = 30) -> None:
        """Wait until the supervisor has put another process in its place."""
        async with asyncio.timeout(limit_s):
            while self.pid(part) == old_pid:
                await asyncio.sleep(0.05)

    async def ready(self, limit_s: float = 60) -> None:
        """Wait until every service says it can do its work."""
        for service in SERVICES:
            await self._is_ready(self.service_url(service), limit_s)

    async def _is_ready(self, url: str, limit_s: float) -> None:
        async with aiohttp.ClientSession() as http, asyncio.timeout(limit_s):
            while True:
                try:
                    async with http.get(f"{url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def replica(self, service: str) -> AsyncIterator[str]:
        """Another process of a service, with the environment of the one that runs; its URL."""
        of_running = await asyncio.to_thread(Path(f"/proc/{self.pid(service)}/environ").read_text)
        env = dict(line.split("=", 1) for line in of_running.split("\0") if line)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", service.lower(), "serve"),
            env=env | {f"{service}_PORT": url.rpartition(":")[2]},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await self._is_ready(url, 60)
            yield url
        finally:
            process.terminate()
            await process.wait()

    def service_url(self, service: str) -> str:
        if service == "GATEWAY":
            return self["REAPI_BASE_URL"].removesuffix("/v1")
        return self[f"{service}_URL"]

    async def metrics(self, url: str) -> str:
        """What a service at this URL shows."""
        async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
            return await answer.text()

    # Simulators

    async def dial(self, simulator: str, **dials: Any) -> None:
        """Turn a simulator's dials; ``await stack.dial("openai", scenario="500")``."""
        await self._simulator("PUT", simulator, "/__dials", json=dials)

    async def reset(self, *simulators: str) -> None:
        """Dials back to ok, journals empty."""
        for simulator in simulators or (*PROVIDERS, "media", "receiver"):
            await self._simulator("POST", simulator, "/__reset")

    async def calls(self, simulator: str, operation: str | None = None) -> list[dict[str, Any]]:
        """What a simulator was asked, oldest first."""
        journal = await self._simulator("GET", simulator, "/__calls")
        return [call for call in journal["calls"] if operation in (None, call["operation"])]

    async def count(self, simulator: str, operation: str) -> int:
        """How often a simulator was asked for something since its reset, also what its journal has let go."""
        journal = await self._simulator("GET", simulator, "/__calls?limit=1")
        return int(journal["counts"]["by_operation"].get(operation, 0))

    async def _simulator(self, method: str, simulator: str, path: str, **options: Any) -> Any:
        async with aiohttp.ClientSession() as http:
            # Through the media host's door, which stays open when a simulator refuses its own.
            door = "" if simulator == "media" else f"/__on/{simulator}"
            own = path == "/__deliveries"
            url = self["SIM_RECEIVER_URL"] + path if own else self["SIM_MEDIA_URL"] + door + path
            async with http.request(method, url, **options) as answer:
                assert answer.status < 300, f"{url}: {answer.status} {await answer.text()}"
                return await answer.json()

    # The books

    def query(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows as an auditor sees them."""
        with psycopg.connect(self["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    async def native(self, method: str, path: str, account: Account | None = None, **options: Any) -> Any:
        """A call of the native family with plain HTTP: status and JSON."""
        key = account.api_key if account else self["REAPI_API_KEY"]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http:
            async with http.request(method, self["REAPI_NATIVE_URL"] + path, **options) as answer:
                return answer.status, await answer.json()


@contextmanager
def running_stack(name: str, *, only: str = "everything", **environment: str) -> Iterator[Stack]:
    """``make up`` in a fresh folder, ``make down`` afterwards; a failed run keeps its logs."""
    base = os.environ.get("TEST_STACKS_DIR")
    state = Path(tempfile.mkdtemp(prefix=f"reapi-{name}-", dir=base))
    state.chmod(0o755)
    try:
        _run(state, "up", "--only", only, **environment)
        yield Stack(state)
    finally:
        _run(state, "down")
        kept = os.environ.get("TEST_KEEP_LOGS")
        if kept:
            shutil.copytree(state / "logs", Path(kept) / state.name, dirs_exist_ok=True)
        shutil.rmtree(state, ignore_errors=True)


def inherited() -> dict[str, str]:
    """Our environment without what a stack would take for a choice: a test chooses for itself."""
    return {k: v for k, v in os.environ.items() if k not in _CHOICES and not k.startswith(_CHOICE_PREFIXES)}


def _run(state: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        cwd=CHECKOUT,
        env={**inherited(), **environment, "LOCAL_STATE": str(state)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}"
    return done.stdout


async def until(holds: Any, limit_s: float = 60, every_s: float = 0.1) -> None:
    """Wait for a condition (a plain or an async callable); the time limit is an error."""
    end = time.monotonic() + limit_s
    while True:
        result = holds()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(every_s)
