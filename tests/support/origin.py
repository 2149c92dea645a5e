"""A small HTTP server whose answers a test decides: the far end of pulls and of webhooks, misbehaving on request."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Origin:
    """A listening server. ``url`` is its base."""

    port: int = 0
    connections: int = 0
    seen: list[Seen] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    most_busy: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _replies: dict[str, list[Reply]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, *replies: Reply) -> str:
        """The URL of a path that answers with these, in turn; the last one stays."""
        self._replies[path] = list(replies)
        return self.url + path

    def at(self, path: str) -> list[Seen]:
        """Requests that came to a path."""
        return [one for one in self.seen if one.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await _read(reader):
                self.seen.append(request)
                await self._answer(request, reader, writer)
        except ConnectionError:
            pass  # the caller has gone: what most of these tests are about
        finally:
            writer.transport.abort()

    async def _answer(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies = self._replies.get(request.path) or [answer(404)]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.busy[request.path] += 1
        self.most_busy[request.path] = max(self.most_busy[request.path], self.busy[request.path])
        replying = asyncio.ensure_future(reply(writer))
        try:
            while not replying.done() and not reader.at_eof():  # until all is said, or nobody listens any more
                await asyncio.wait([replying], timeout=0.02)
            if replying.done():
                replying.result()
        finally:
            replying.cancel()
            self.busy[request.path] -= 1


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(time.time(), head[0].split(" ")[1], headers, body)


def answer(status: int = 200, body: bytes = b"", *, after_s: float = 0, sized: bool = True, **headers: str) -> Reply:
    """A whole answer; ``sized=False`` says no length and ends with the connection."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after_s)
        lines = [f"HTTP/1.1 {status} Said"] + [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
        lines.append(f"content-length: {len(body)}" if sized else "connection: close")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        if not sized:
            writer.close()
            await writer.wait_closed()

    return reply


def promising(body: bytes, length: int, *, then_hang: bool = False, pace_s: float = 0) -> Reply:
    """Announces ``length`` bytes and sends only ``body``; then closes, or says nothing more."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode())
        for start in range(0, len(body), 4096):
            writer.write(body[start : start + 4096])
            await writer.drain()
            await asyncio.sleep(pace_s)
        if then_hang:
            await asyncio.sleep(60)
        writer.close()
        await writer.wait_closed()

    return reply


def flood(head: bytes, size: int, *, sized: bool) -> Reply:
    """``size`` bytes, made as they are read."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        length = f"content-length: {size}" if sized else "connection: close"
        writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode() + head)
        sent = len(head)
        while sent < size:
            writer.write(bytes(min(1 << 16, size - sent)))
            sent += 1 << 16
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    return reply


async def hang(_: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.sleep(60)


async def reset(writer: asyncio.StreamWriter) -> None:
    """Breaks the connection."""
    writer.transport.abort()


@contextlib.asynccontextmanager
async def an_origin() -> AsyncIterator[Origin]:
    """A server on a free loopback port, gone afterwards with all it still says."""
    origin = Origin()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(origin.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
