"""All stand-ins but S3 in this process, on real ports, behind one HTTP client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from simulators import ark, fal, media, openai, receiver
from simulators.dials import Setting
from simulators.links import Links
from simulators.serving import Stand, bind

KEYS = {"openai": "Bearer k", "ark": "Bearer k", "fal": "Key a:b"}


class House:
    """Five doors and a client."""

    def __init__(self, stand: Stand, http: aiohttp.ClientSession) -> None:
        self.simulators = {simulator.name: simulator for simulator in stand.simulators}
        self.urls = {
            simulator.name: f"http://127.0.0.1:{door.port}"
            for simulator, door in zip(stand.simulators, stand.doors, strict=True)
        }
        self.http = http

    async def call(self, name: str, method: str, path: str, **options: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, body (parsed when it is JSON) and headers of one call with a good key."""
        url = path if path.startswith("http") else self.urls[name] + path
        headers = {"authorization": KEYS.get(name, ""), **options.pop("headers", {})}
        async with self.http.request(method, url, headers=headers, allow_redirects=False, **options) as answer:
            is_json = answer.content_type == "application/json"
            body = await (answer.json() if is_json else answer.read())
            return answer.status, body, {k.lower(): v for k, v in answer.headers.items()}

    async def dial(self, name: str, scenario: str = "ok", **fields: Any) -> None:
        """Turn dials over HTTP, through another's door."""
        other = "media" if name != "media" else "openai"
        answer = await self.call(other, "PUT", f"/__on/{name}/__dials", json={"scenario": scenario, **fields})
        assert answer[0] == 200, answer[1]

    async def journal(self, name: str, **query: str) -> dict[str, Any]:
        """What a stand-in wrote down."""
        return (await self.call(name, "GET", "/__calls", params=query))[1]

    async def reset(self) -> None:
        """Everything as after the start."""
        for name in self.simulators:
            other = "media" if name != "media" else "openai"
            assert (await self.call(other, "POST", f"/__on/{name}/__reset"))[0] == 200


@asynccontextmanager
async def running_house() -> AsyncIterator[House]:
    """Open all doors, tasks take 60 ms."""
    sockets = {name: bind("127.0.0.1", 0) for name in ("openai", "ark", "fal", "media", "receiver")}
    links = Links(f"http://127.0.0.1:{sockets['media'].getsockname()[1]}")
    start = Setting(render_ms=60)
    placed = [
        (openai.build(links), sockets["openai"]),
        (ark.build(links, start), sockets["ark"]),
        (fal.build(links, start), sockets["fal"]),
        (media.build(links), sockets["media"]),
        (receiver.build(), sockets["receiver"]),
    ]
    stand = Stand.of(placed)
    await stand.open()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
            yield House(stand, http)
    finally:
        await stand.close()
