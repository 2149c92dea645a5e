"""What is particular to Model Studio: how orders are written, and seconds become a cost."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio

from dispatcher.domain.jobs import Input, Order, Produced
from dispatcher.routing.accounts import accounts
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.dashscope_video import DashScopeVideo

TEXT, EDIT = "happyhorse-1.0-t2v", "happyhorse-1.0-video-edit"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


class Saying(Client):
    """Answers every question with one task."""

    def __init__(self, task: dict[str, Any]) -> None:
        super().__init__()
        self._task = task

    async def send(self, *_: Any, **__: Any) -> Answer:
        """The task."""
        return Answer(200, {}, orjson.dumps(self._task))


def speaker(providers, client: Client) -> DashScopeVideo:
    (account,) = accounts(providers.environ("dashscope"), ["dashscope"])["dashscope"]
    return DashScopeVideo(client, account)


def order(model: str, *inputs: Input, **fields: Any) -> Order:
    return Order(
        job_id=UUID(int=7),
        attempt_no=1,
        end_user="somebody",
        upstream_model=model,
        fields=fields,
        texts={"prompt": "a horse"},
        inputs=inputs,
        outputs=1,
        connect_s=0.5,
        timeout_s=10,
        start_within_s=30,
    )


async def made(speaking: DashScopeVideo, wanted: Order) -> Produced:
    accepted = await speaking.submit(wanted, lambda: None)
    produced = await speaking.poll(accepted.reference, 10)
    assert isinstance(produced, Produced)
    return produced


@pytest.mark.parametrize(
    ("fields", "cost_microusd"),
    [
        ({"resolution": "720P", "duration": 4}, 4 * 140_000),
        ({"resolution": "1080P", "duration": 15}, 15 * 240_000),
        # Whoever says nothing gets the dearer one.
        ({"duration": 3}, 3 * 240_000),
    ],
)
async def test_the_seconds_of_a_film_are_its_cost(providers, client, fields, cost_microusd):
    assert (await made(speaker(providers, client), order(TEXT, **fields))).cost_microusd == cost_microusd


async def test_a_source_is_billed_by_its_seconds_too(providers, client):
    speaking = speaker(providers, client)
    source = (await made(speaking, order(TEXT, resolution="720P", duration=6))).outputs[0]
    edit = order(EDIT, Input("video", url=source.url), resolution="720P")
    assert (await made(speaking, edit)).cost_microusd == (6 + 6) * 140_000


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"duration": 5},
        {"duration": 5, "SR": 480},
        {"duration": 5, "SR": "1080"},
        {"duration": True, "SR": 720},
        {"duration": -5, "SR": 720},
        {"duration": 10**9, "SR": 720},
    ],
)
async def test_a_usage_that_makes_no_sense_is_no_cost_and_no_error(providers, usage):
    output = {"task_status": "SUCCEEDED", "video_url": "https://films.example/a.mp4"}
    speaking = speaker(providers, Saying({"output": output, "usage": usage}))
    produced = await speaking.poll({"id": "t", "model": TEXT}, 1)
    assert isinstance(produced, Produced)
    assert (len(produced.outputs), produced.cost_microusd) == (1, None)


@pytest.mark.parametrize("reference", [{"id": "t"}, {"id": "t", "model": "happyhorse-1.1-t2v"}])
async def test_a_model_whose_price_is_not_known_has_no_cost(providers, reference):
    output = {"task_status": "SUCCEEDED", "video_url": "https://films.example/a.mp4"}
    speaking = speaker(providers, Saying({"output": output, "usage": {"duration": 5, "SR": 720}}))
    produced = await speaking.poll(reference, 1)
    assert isinstance(produced, Produced)
    assert produced.cost_microusd is None


async def test_media_keep_their_order_and_bytes_go_as_data(providers, client):
    inputs = [
        Input("reference_image", url="https://pictures.example/1.png", many=True),
        Input("reference_image", body=b"\x89PNG", media_type="image/png", many=True),
    ]
    await speaker(providers, client).submit(order("happyhorse-1.0-r2v", *inputs, ratio="1:1"), lambda: None)
    (call,) = providers.calls("dashscope", "a horse")[-1:]
    first, second = call["request"]["input"]["media"]
    assert first == {"type": "reference_image", "url": "https://pictures.example/1.png"}
    assert (second["type"], second["url"][:5]) == ("reference_image", "data:")
    assert call["request"]["parameters"] == {"ratio": "1:1"}
