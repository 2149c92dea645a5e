"""One service as a process of its own, on the servers a test gives it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp


@asynccontextmanager
async def serving(service: str, **environment: str) -> AsyncIterator[str]:
    """``python -m <service> serve`` on a free port until the block ends; its base URL, once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", service, "serve", "--fd", str(fd)),
            env={**os.environ, "INTERNAL_TOKEN": "unused-unused-unused", **environment},
            pass_fds=[fd],
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            await _ready(url)
            yield url
        finally:
            child.send_signal(signal.SIGTERM)
            async with asyncio.timeout(45):
                assert await child.wait() in {0, -signal.SIGTERM}


async def metrics(url: str) -> str:
    """What a service counts."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as said:
        return await said.text()


async def _ready(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            async with http.get(f"{url}/readyz") as said:
                if said.status == 200:
                    return
            await asyncio.sleep(0.1)
