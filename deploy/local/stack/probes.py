"""When is a server ready? When it answers what its clients will ask, not when its port is open."""

import asyncio
from urllib.parse import urlsplit

import psycopg

_PAUSE_S = 0.05
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


async def amqp(host: str, port: int) -> None:
    """Return once a broker answers the AMQP header; it opens its port long before."""
    while True:
        try:
            async with asyncio.timeout(3):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(AMQP_HEADER)
                    await writer.drain()
                    if await reader.read(1):
                        return
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(_PAUSE_S)


async def port(host: str, number: int) -> None:
    """Return once somebody listens; for servers without a question worth asking."""
    while True:
        try:
            async with asyncio.timeout(3):
                _reader, writer = await asyncio.open_connection(host, number)
        except (OSError, TimeoutError):
            await asyncio.sleep(_PAUSE_S)
        else:
            writer.close()
            return


async def database(url: str) -> None:
    """Return once the server runs a statement for this login."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, connect_timeout=2) as connection:
                await connection.execute("select 1")
                return
        except psycopg.OperationalError:
            await asyncio.sleep(_PAUSE_S)


async def http(url: str, *, any_status: bool = False) -> None:
    """Return once a GET is answered with 200 (or with anything at all, where the path is not ours to choose)."""
    while True:
        try:
            async with asyncio.timeout(10):
                status = await get_status(url)
            if status == 200 or any_status:
                return
        except (OSError, TimeoutError, ValueError, IndexError):
            pass
        await asyncio.sleep(_PAUSE_S)


async def get_status(url: str) -> int:
    """The status of one GET over plain HTTP."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(
            f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        line = await reader.readline()
        return int(line.split()[1])
    finally:
        writer.close()
