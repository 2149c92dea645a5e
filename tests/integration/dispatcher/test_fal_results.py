"""What fal says after COMPLETED, and what a server error on submit means."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
import pytest_asyncio

from dispatcher.domain.failures import UpstreamFailed
from dispatcher.domain.jobs import Link, Produced
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import CannotAsk
from support.orders import an_order, speaking
from support.origin import Origin, an_origin, answer

DONE = {"status": "COMPLETED"}
FAILED = DONE | {"error": "Request failed", "error_type": "internal_error"}
VIDEO = {"video": {"url": "https://media.example/a.mp4", "content_type": "video/mp4"}}
MADE = Produced((Link("https://media.example/a.mp4", "video/mp4"),))
REFUSED = {"detail": [{"type": "content_policy_violation", "msg": "no"}]}


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[Origin]:
    async with an_origin() as running:
        yield running


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


async def polled(client: Client, origin: Origin, status: Mapping[str, Any], code: int, result: object, **said: str):
    """What a poll makes of this status and this result."""
    body = result if isinstance(result, bytes) else orjson.dumps(result)
    reference = {
        "status_url": origin.on("/status", answer(200, orjson.dumps(status))),
        "response_url": origin.on("/result", answer(code, body, **said)),
    }
    return await speaking("fal-queue", client, origin.url).poll(reference, 1)


@pytest.mark.parametrize(
    ("status", "code"),
    # Of a run that failed a server error is the news itself.
    [(DONE, code) for code in (401, 403, 408, 429, 500, 502, 503, 504)] + [(FAILED, code) for code in (401, 429)],
)
async def test_a_result_that_is_not_to_be_had_now_is_asked_for_again(status, code, client, origin):
    with pytest.raises(CannotAsk) as caught:
        await polled(client, origin, status, code, {"detail": "Try again later"}, retry_after="3")
    assert caught.value.wish_s == 3
    assert caught.value.reached is (code < 500)
    assert await polled(client, origin, DONE, 200, VIDEO) == Produced(
        (Link("https://media.example/a.mp4", "video/mp4"),)
    )


@pytest.mark.parametrize("status", [DONE, FAILED])
@pytest.mark.parametrize(
    ("code", "result", "kind"),
    [
        (422, REFUSED, "content_policy"),
        (500, REFUSED, "content_policy"),
        (422, {"detail": [{"type": "image_too_small"}]}, "invalid_request"),
        (500, {"detail": [{"type": "never_heard_of"}]}, "failed_generation"),
        (422, {"detail": "Something went wrong"}, "failed_generation"),
    ],
)
async def test_a_result_that_says_how_the_run_failed_ends_it(status, code, result, kind, client, origin):
    with pytest.raises(UpstreamFailed) as caught:
        await polled(client, origin, status, code, result)
    assert caught.value.failure.kind == kind


async def test_a_run_that_never_started_is_unavailable(client, origin):
    with pytest.raises(UpstreamFailed, match="unavailable"):
        await polled(client, origin, DONE, 504, {"detail": "Request timed out", "error_type": "request_timeout"})


@pytest.mark.parametrize("status", [DONE, FAILED])
@pytest.mark.parametrize("code", [422, 500])
async def test_a_refusal_cut_short_is_asked_for_again(code, status, client, origin):
    with pytest.raises(CannotAsk):
        await polled(client, origin, status, code, b'{"detail": [{"type": "content_pol')


@pytest.mark.parametrize("code", [500, 502, 503, 504])
@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ({"detail": [{"type": "never_heard_of"}]}, "unavailable"),
        ({"detail": [{"type": "internal_server_error"}]}, "unavailable"),
        ({"detail": "text"}, "unavailable"),
        (REFUSED, "content_policy"),
    ],
)
async def test_a_server_error_on_submit_is_not_the_customers_mistake(code, result, kind, client, origin):
    origin.on("/some/model", answer(code, orjson.dumps(result)))
    with pytest.raises(UpstreamFailed) as caught:
        await speaking("fal-queue", client, origin.url).submit(an_order(), lambda: None)
    assert caught.value.failure.kind == kind
