"""Every model, in every mode, on every route: through the public API to the provider's stand-in and back.

What arrived at the provider is compared with ``matrix/<model>.json``, which is read like code when it changes;
``WRITE_MATRIX=1`` writes it anew.
"""

import asyncio
import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
import pytest_asyncio
from PIL import Image

from common.catalogue import Model, Route, load
from common.catalogue.parameters import Choice
from simulators.providers import PROVIDERS
from support.jobs import fingerprint, finished
from support.matrix import REPORT, UNRECORDED
from support.stack import Account, Stack

EXPECTED = Path(__file__).parent / "matrix"
WRITE = bool(os.environ.get("WRITE_MATRIX"))
MODELS = {model.id: model for model in load().models}
AT_ONCE = 6


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(stack: Stack) -> dict[str, Any]:
    """What each provider was told for each model, or what went wrong; all models at once, each route by route."""
    for name in PROVIDERS:
        await stack.dial(name, render_ms=0)
    account = stack.account(10_000_000)
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(model: Model) -> Any:
        async with slots:
            return await served(stack, account, model)

    found = await asyncio.gather(*(one(model) for model in MODELS.values()), return_exceptions=True)
    await stack.reset()
    return dict(zip(MODELS, found, strict=True))


@pytest.mark.parametrize("name", MODELS)
async def test_what_a_customer_asks_for_reaches_each_provider_in_its_own_words(
    told: dict[str, Any], name: str
) -> None:
    seen = told[name]
    if isinstance(seen, BaseException):
        raise seen
    assert set(seen) == set(MODELS[name].modes)
    file = EXPECTED / f"{name}.json"
    if WRITE:
        file.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
    if file.exists():
        assert seen == json.loads(file.read_text())
    else:  # a new model is one file; the report says that nobody has read yet what its providers are told
        UNRECORDED.add(name)


async def served(stack: Stack, account: Account, model: Model) -> dict[str, dict[str, Any]]:
    """One model in every mode on every route that is there."""
    seen: dict[str, dict[str, Any]] = {}
    for route in [one for one in model.routes if f"UPSTREAM_{one.provider.upper()}_BASE_URL" in stack.env]:
        with forced(stack, model, route):
            told = await asyncio.gather(*(made(stack, account, model, route, mode) for mode in route.upstream))
        for mode, one in zip(route.upstream, told, strict=True):
            if one is not None:
                seen.setdefault(mode, {})[route.provider] = one
                REPORT.append((model.id, mode, route.provider, one["credits"]))
    return seen


async def made(stack: Stack, account: Account, model: Model, route: Route, mode: str) -> dict[str, Any] | None:
    """One job on this very route: what the provider was told, and the price. None: the route cannot carry it."""
    prompt = f"{model.id} in {mode} at {route.provider}"
    fields, roles = order(stack, model, mode, prompt)
    wanted = model.request("native", {k: v for k, v in fields.items() if k not in given_as(model)}, roles)
    assert wanted.mode == mode
    if not route.carries(mode, wanted.parameters):
        return None
    for number in range(10):  # the dispatcher heeds a decision within a second or two
        numbered = f"{prompt} {number}"
        task = await finished(stack, account, model.kind, {**fields, "prompt": numbered})
        assert task["status"] == "completed", f"{prompt}: {task['error']}"
        attempts = stack.query(
            "select provider, state::text from dispatcher.attempts where job_id = %(id)s::uuid",
            id=task["id"].removeprefix("task_"),
        )
        if {row["provider"] for row in attempts} == {route.provider}:
            break
        await asyncio.sleep(0.5)
    else:
        pytest.fail(f"{prompt}: another route was taken")
    assert {row["state"] for row in attempts} == {"succeeded"}
    price = model.seed_prices[wanted.sku] * wanted.quantity / 1000
    assert task["credits"] == {"reserved": price, "charged": price, "refunded": 0}
    await decoded(task, model.kind)
    upstream = route.upstream[mode]
    calls = [
        call
        for call in await stack.calls(route.provider, "submit")
        if (call["prompt"] == fingerprint(numbered) if "prompt" in route.texts else call["model"] == upstream)
    ]
    # Who is told no prompt cannot be told from the tries before it.
    assert len(calls) == 1 or "prompt" not in route.texts
    call = calls[-1]
    names = {
        task["id"].removeprefix("task_"): "JOB",
        fingerprint(numbered): "PROMPT",
        stack["SIM_MEDIA_URL"]: "MEDIA",
    }
    return {"credits": price, "upstream": call["model"], "request": steady(call["request"], names)}


def steady(request: Any, names: dict[str, str]) -> Any:
    """The request with names for what differs from run to run."""
    text = json.dumps(request)
    for value, name in {**names, **PICTURES}.items():
        text = text.replace(value, name)
    return json.loads(re.sub(r'"[0-9a-f]{32}"', '"END_USER"', text))


def picture(number: int) -> bytes:
    """A picture that no other number has."""
    out = io.BytesIO()
    Image.new("RGB", (512, 512), (number, 64, 128)).save(out, "PNG")
    return out.getvalue()


def as_data(body: bytes) -> str:
    """A picture inside a request."""
    return f"data:image/png;base64,{base64.b64encode(body).decode()}"


PICTURES = {
    print_of: f"PICTURE-{number}"
    for number in range(16)
    for print_of in (
        fingerprint(as_data(picture(number))),
        fingerprint(base64.b64encode(picture(number)).decode()),
        hashlib.sha256(picture(number)).hexdigest()[:16],
    )
}
"""How a simulator's journal names a picture, whichever form it came in."""


def order(stack: Stack, model: Model, mode: str, prompt: str) -> tuple[dict[str, Any], list[str]]:
    """A native request for a mode with the fewest inputs, and the roles of these."""
    fields: dict[str, Any] = {"model": model.id} | ({"prompt": prompt} if "prompt" in model.texts else {})
    for name, known in model.parameters.items():
        if known.required:  # the first of a few words; of a number the largest, which no sample film outgrows
            fields[name] = known.values[0] if isinstance(known, Choice) else known.maximum
    roles: list[str] = []
    for role, (fewest, most) in model.modes[mode].inputs.items():
        count = fewest or (1 if not roles and set(model.modes[mode].inputs) == {role} else 0)
        field = model.inputs[role].fields["native"][0]
        media = [medium(stack, model.inputs[role].media_types[0], len(roles) + one) for one in range(count)]
        if media:
            fields[field] = media if most > 1 else media[0]
        roles += [role] * count
    return fields, roles


def given_as(model: Model) -> set[str]:
    """Fields that the model itself never sees."""
    return {"model"} | {name for known in model.inputs.values() for name in known.fields["native"]}


def medium(stack: Stack, media_type: str, number: int) -> str:
    """A picture inside the request, or the address of a film or a sound."""
    kind = media_type.partition("/")[0]
    if kind != "image":
        return f"{stack['SIM_MEDIA_URL']}/samples/{number}.{'mp4' if kind == 'video' else 'mp3'}"
    return as_data(picture(number))


async def decoded(task: dict[str, Any], kind: str) -> None:
    """The output can be opened and looked at."""
    (url,) = task["output"][f"{kind}_urls"]
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        body = await answer.read()
    if kind == "image":
        Image.open(io.BytesIO(body)).load()
    else:
        with av.open(io.BytesIO(body)) as container:
            assert next(container.decode(container.streams.video[0])).width > 0


@contextmanager
def forced(stack: Stack, model: Model, route: Route) -> Iterator[None]:
    """As an operator forces a route."""
    where = {"provider": route.provider, "model": model.id}
    stack.query(
        "insert into dispatcher.route_decisions (provider, model, action, reason)"
        " values (%(provider)s, %(model)s, 'force', 'the matrix')",
        **where,
    )
    try:
        yield
    finally:
        stack.query(
            "delete from dispatcher.route_decisions where provider = %(provider)s and model = %(model)s", **where
        )
