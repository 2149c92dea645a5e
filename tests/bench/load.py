"""A closed-loop load generator: each client sends its next request when it has its answer.

Bare asyncio and a minimal HTTP/1.1 reader, so that on a machine of two cores little of what is measured is the
measuring. Loopback only, bounded in time.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True)
class Order:
    """What to send, how often at once, for how long."""

    url: str
    api_key: str
    body: str
    clients: int
    seconds: float


class _Client(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r", at) if head.find(b"\r", at) > 0 else len(head)])
        if len(self._buffer) >= end + 4 + length:
            status = int(head[9:12])
            self._buffer = self._buffer[end + 4 + length :]
            assert self._answer is not None
            self._answer.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def send(self, request: bytes) -> "asyncio.Future[int]":
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return self._answer


async def generate(order: Order) -> dict[str, object]:
    """Run it; latencies in milliseconds of every request that ended within the time, and failures by status."""
    parts = urlsplit(order.url)
    assert parts.hostname in {"127.0.0.1", "localhost"}, "this load is for this machine only"
    until = time.perf_counter() + order.seconds
    latencies: list[float] = []
    failures: dict[str, int] = {}

    async def client(number: int) -> None:
        _, protocol = await asyncio.get_running_loop().create_connection(_Client, parts.hostname, parts.port)
        count = 0
        while (began := time.perf_counter()) < until:
            count += 1
            body = order.body.replace("%i", f"{number}-{count}-{began}").encode()
            head = (
                f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {order.api_key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            status = await protocol.send(head.encode() + body)
            if status in {200, 202}:
                latencies.append((time.perf_counter() - began) * 1000)
            else:
                failures[str(status)] = failures.get(str(status), 0) + 1
        protocol.transport.close()  # type: ignore[attr-defined]

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(order.clients)))
    return {"seconds": time.perf_counter() - began, "latencies_ms": latencies, "failures": failures}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(generate(Order(**json.loads(sys.argv[1]))))))
