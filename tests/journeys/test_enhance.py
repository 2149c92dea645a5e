"""A customer's own film, enhanced: billed by the length that was declared, and held to it."""

from typing import Any

from support.jobs import finished
from support.stack import Account, Stack

MODEL = "enhance-video-1.0"


def source(stack: Stack) -> dict[str, Any]:
    """A film that the stand-ins take for one of 5 seconds in 360p."""
    return {"model": MODEL, "video_url": f"{stack['SIM_MEDIA_URL']}/samples/0.mp4"}


async def enhanced(stack: Stack, account: Account, **fields: Any) -> dict[str, Any]:
    """The task at its end."""
    return await finished(stack, account, "video", {**source(stack), **fields})


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
