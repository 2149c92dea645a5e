"""A customer's own film, enhanced: billed by the length that was declared, and held to it."""

from typing import Any

from support.stack import Account, Stack, until

MODEL = "enhance-video-1.0"


def source(stack: Stack) -> dict[str, Any]:
    """A film that the stand-ins take for one of 5 seconds in 360p."""
    return {"model": MODEL, "video_url": f"{stack['SIM_MEDIA_URL']}/samples/0.mp4"}


async def enhanced(stack: Stack, account: Account, **fields: Any) -> dict[str, Any]:
    """The task at its end."""
    body = {**source(stack), **fields}
    status, task = await stack.native("POST", "/videos/generations", account, json=body)
    assert status == 200, task

    async def ended() -> bool:
        nonlocal task
        _, task = await stack.native("GET", f"/tasks/{task['id']}", account)
        return task["status"] in {"completed", "failed"}

    await until(ended, 120)
    return task


async def test_each_declared_second_is_charged(stack: Stack) -> None:
    account = stack.account(10_000)
    task = await enhanced(stack, account, source_seconds=6, source_resolution="360p", upscale_factor=2)
    assert (task["status"], task["credits"]) == ("completed", {"reserved": 69, "charged": 69, "refunded": 0})
    body = {**source(stack), "source_seconds": 6, "source_resolution": "720p", "fps": 60}
    _, quoted = await stack.native("POST", "/quote", account, json=body)
    assert quoted["credits"] == 6 * 46


async def test_a_source_longer_than_declared_is_not_delivered_and_not_charged(stack: Stack) -> None:
    account = stack.account(10_000)
    task = await enhanced(stack, account, source_seconds=2, source_resolution="360p")
    assert (task["status"], task["error"]["code"]) == ("failed", "source_exceeds_declared")
    assert task["credits"] == {"reserved": 46, "charged": 0, "refunded": 46}
    assert task["output"] is None
    _, left = await stack.native("GET", "/balance", account)
    assert (left["available_credits"], left["held_credits"]) == (10_000, 0)
