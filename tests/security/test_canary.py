"""P4: what customers write and send inside a request is readable nowhere at rest."""

import asyncio
import io
import secrets
from pathlib import Path

import PIL.Image
import pytest

from support.audit import settled
from support.jobs import image, video
from support.stack import Stack, running_stack


def found(canary: bytes, folder: Path) -> list[str]:
    """Files below ``folder`` that contain the canary, as it is or in base64 (any alignment), hex or UTF-16."""
    import base64

    forms = {canary, canary.hex().encode(), canary.decode().encode("utf-16-le")}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + canary)
        forms.add(encoded[4:-4])
    hits = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            hits += [str(path.relative_to(folder)) for form in forms if form in data]
    return hits


def a_picture(canary: bytes) -> bytes:
    """A PNG that carries the canary in its bytes."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Comment", canary.decode())
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (64, 64), "teal").save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


@pytest.mark.timeout(400)
async def test_nothing_a_customer_sent_is_found_on_any_disk(tmp_path: Path) -> None:
    canaries = {
        name: f"CANARY{name}{secrets.token_hex(12)}".encode() for name in ("prompt", "user", "filename", "picture")
    }
    traces = tmp_path / "traces.jsonl"
    with running_stack("canary", TRACE_RATIO="1", TRACE_FILE=str(traces), LOG_LEVEL="DEBUG") as stack:
        account = stack.account(1_000_000)
        prompt = f"a fox {canaries['prompt'].decode()} in the snow"
        await stack.dial("ark", render_ms=1_500)
        reference = (canaries["filename"].decode() + ".png", a_picture(canaries["picture"]), "image/png")

        async def customers() -> list:
            return await asyncio.gather(
                *(image(stack, account, prompt, user=canaries["user"].decode()) for _ in range(5)),
                *(video(stack, account, prompt, input_reference=reference) for _ in range(3)),
                image(stack, account, prompt, size=canaries["prompt"].decode()),  # refused: errors must not keep it
            )

        told = await customers()
        assert sum(one.ok for one in told) == 8, told
        # And again with deaths in the middle, so that what a crash leaves behind is searched too.
        running = asyncio.create_task(customers())
        await asyncio.sleep(0.7)
        for part in ("DISPATCHER", "GATEWAY", "RABBITMQ"):
            stack.kill(part)
        await running
        await stack.ready()
        await settled(stack)
        stack.query("checkpoint")
        await asyncio.sleep(1)

        planted = stack.state / "planted"
        planted.write_bytes(b"x" * 1000 + canaries["prompt"] + b"y" * 1000)
        for name, canary in canaries.items():
            hits = found(canary, stack.state) + found(canary, tmp_path)
            assert hits == (["planted"] if name == "prompt" else []), f"{name} was found in {hits}"
        assert traces.stat().st_size > 1_000, "no traces were written: nothing was searched"
        searched = sum(path.stat().st_size for path in stack.state.rglob("*") if path.is_file()) // 1_000_000
        print(
            f"\n    searched {searched} MB: database, WAL, broker, object store, logs, traces; planted canary found"
        )
        await metrics_are_clean(stack, canaries)


async def metrics_are_clean(stack: Stack, canaries: dict[str, bytes]) -> None:
    import aiohttp

    from support.stack import SERVICES

    async with aiohttp.ClientSession() as http:
        for service in SERVICES:
            async with http.get(f"{stack.service_url(service)}/metrics") as answer:
                body = await answer.read()
                assert len(body) > 100
                for canary in canaries.values():
                    assert canary not in body
