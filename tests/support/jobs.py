"""Customers at work: what they asked, what they were told, and what the upstreams saw of it."""

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import openai

from support.stack import Account, Stack, until

IMAGE: dict[str, Any] = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024"}
VIDEO: dict[str, Any] = {"model": "seedance-2.0", "seconds": "4", "size": "864x496"}


def fingerprint(prompt: str) -> str:
    """How a simulator's journal names a prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


@dataclass
class Told:
    """What one customer was told in the end."""

    prompt: str
    ok: bool
    status: int | None = None
    code: str | None = None
    job: str | None = None
    value: Any = None
    seconds: float = 0
    seen: list[str] = field(default_factory=list)

    @property
    def print(self) -> str:
        return fingerprint(self.prompt)


async def image(stack: Stack, account: Account | None, prompt: str, **options: Any) -> Told:
    """A synchronous picture through the stock SDK."""
    settings = {k: options.pop(k) for k in ("max_retries", "timeout") if k in options}
    began = time.monotonic()
    async with stack.client(account, **settings) as client:
        try:
            answer = await client.images.generate(**{**IMAGE, **options}, prompt=prompt)
        except openai.APIStatusError as error:
            told = Told(prompt, ok=False, status=error.status_code, code=error.code)
        except openai.APIConnectionError as error:
            told = Told(prompt, ok=False, code=type(error).__name__)
        else:
            told = Told(prompt, ok=True, value=answer)
    told.seconds = time.monotonic() - began
    return told


async def video(stack: Stack, account: Account | None, prompt: str, **options: Any) -> Told:
    """A video through the stock SDK, polled to its end by hand so that every state seen is kept."""
    settings = {k: options.pop(k) for k in ("max_retries", "timeout") if k in options}
    began = time.monotonic()
    async with stack.client(account, **settings) as client:
        try:
            task = await client.videos.create(**{**VIDEO, **options}, prompt=prompt)
            seen = [task.status]
            while task.status not in {"completed", "failed"}:
                await asyncio.sleep(0.25)
                try:
                    task = await client.videos.retrieve(task.id)
                except (openai.APIConnectionError, openai.InternalServerError):
                    continue  # polling is free; only creation is judged
                seen.append(task.status)
        except openai.APIStatusError as error:
            told = Told(prompt, ok=False, status=error.status_code, code=error.code)
        except openai.APIConnectionError as error:
            told = Told(prompt, ok=False, code=type(error).__name__)
        else:
            code = task.error.code if task.error else None
            told = Told(prompt, ok=task.status == "completed", code=code, job=task.id, value=task, seen=seen)
    told.seconds = time.monotonic() - began
    return told


async def finished(stack: Stack, account: Account, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A job of the native family at its end, as its task shows it."""
    status, task = await stack.native("POST", f"/{kind}s/generations", account, json=fields)
    assert status in {200, 202}, task

    async def ended() -> bool:
        nonlocal task
        _, task = await stack.native("GET", f"/tasks/{task['id']}", account)
        return task["status"] in {"completed", "failed"}

    await until(ended, 120)
    return task


async def together(jobs: list[Any], at_once: int) -> list[Told]:
    """Run coroutines with a bound on how many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(job: Any) -> Told:
        async with gate:
            return await job

    return list(await asyncio.gather(*(one(job) for job in jobs)))


def by_prompt(calls: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Calls of a journal grouped by the job they were for."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        if call["prompt"]:
            grouped.setdefault(call["prompt"], []).append(call)
    return grouped


def quantile(values: list[float], share: float) -> float:
    """The value that ``share`` of all stay under."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
