"""Every scenario of every provider's stand-in gives the class that the error-class table promises."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Order, Produced
from dispatcher.routing.accounts import accounts
from dispatcher.upstreams import PROTOCOLS
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import AsynchronousUpstream, CannotAsk, Upstream
from support.spoken import SPOKEN

PATIENCE_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


def order(spoken: str, timeout_s: float = PATIENCE_S) -> Order:
    return Order(
        job_id=UUID(int=7),
        attempt_no=1,
        end_user="somebody",
        upstream_model=SPOKEN[spoken].upstream_model,
        fields=SPOKEN[spoken].fields,
        texts={"prompt": "an error, please"},
        inputs=SPOKEN[spoken].inputs,
        outputs=1,
        connect_s=0.5,
        timeout_s=timeout_s,
        start_within_s=30,
    )


async def outcome(upstream: Upstream, spoken: str, timeout_s: float = PATIENCE_S) -> str:
    """What a runner would learn, in one word."""
    try:
        answer = await upstream.submit(order(spoken, timeout_s), lambda: None)
        reference = getattr(answer, "reference", {})
        for _ in range(5):
            if isinstance(answer, Produced):
                return "ok" if answer.outputs else "nothing"
            assert isinstance(upstream, AsynchronousUpstream)
            answer = await upstream.poll(reference, 1)
            await asyncio.sleep(0.01)
    except UpstreamFailed as error:
        return error.failure.kind.value
    except CannotAsk as error:
        return error.code
    return "pending"


def speaker(spoken: str, providers, client: Client) -> Upstream:
    provider = SPOKEN[spoken].provider
    (account,) = accounts(providers.environ(provider), [provider])[provider]
    return PROTOCOLS[SPOKEN[spoken].protocol](client, account)


@pytest.mark.parametrize("spoken", SPOKEN)
async def test_every_scenario_gives_its_class(spoken, providers, client):
    upstream = speaker(spoken, providers, client)
    known = set(providers.scenarios(SPOKEN[spoken].provider))
    found = {}
    for scenario in sorted(known):
        fields = {"for_ms": 300} if scenario == "refuse" else {}
        providers.dial(SPOKEN[spoken].provider, scenario, slow_ms=100, **fields)
        await asyncio.sleep(0.02)
        # Only where silence is what is tried does the outcome depend on the clock.
        silent = SPOKEN[spoken].expected.get(scenario) == "ambiguous"
        found[scenario] = await outcome(upstream, spoken, 0.4 if silent else PATIENCE_S)
        if scenario == "refuse":
            await asyncio.sleep(0.4)
    assert found == {name: SPOKEN[spoken].expected.get(name, "not in the table") for name in sorted(known)}


@pytest.mark.parametrize("spoken", SPOKEN)
async def test_a_wish_for_peace_is_heard(spoken, providers, client):
    providers.dial(SPOKEN[spoken].provider, "429_retry_after", retry_after_s=7)
    with pytest.raises(UpstreamFailed) as caught:
        await speaker(spoken, providers, client).submit(order(spoken), lambda: None)
    assert caught.value.failure.retry_after_s == 7


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("scenario", ["policy_input", "invalid", "500", "quota"])
async def test_no_word_of_a_provider_leaves_its_adapter(spoken, scenario, providers, client):
    providers.dial(SPOKEN[spoken].provider, scenario)
    with pytest.raises(UpstreamFailed) as caught:
        upstream = speaker(spoken, providers, client)
        accepted = await upstream.submit(order(spoken), lambda: None)
        for _ in range(5):
            await upstream.poll(accepted.reference, 1)
    said = repr(caught.value) + repr(caught.value.failure)
    assert "please" not in said and "content checker" not in said and len(said) < 200
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("spoken", [name for name, known in SPOKEN.items() if known.asks_again])
async def test_a_poll_that_fails_says_nothing_about_the_generation(spoken, providers, client):
    upstream = speaker(spoken, providers, client)
    accepted = await upstream.submit(order(spoken), lambda: None)
    for scenario in ("500", "reset", "bad_json", "429_retry_after"):
        providers.dial(SPOKEN[spoken].provider, scenario, on=["poll"])
        with pytest.raises(CannotAsk):
            await upstream.poll(accepted.reference, 1)
    providers.dial(SPOKEN[spoken].provider)
    assert isinstance(await upstream.poll(accepted.reference, 1), Produced)


def test_every_class_has_a_place_in_the_table():
    assert {kind.value for kind in FailureClass} <= {
        one for known in SPOKEN.values() for one in known.expected.values()
    }
