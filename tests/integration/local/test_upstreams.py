"""With any ``UPSTREAM_*`` set, only the providers that are set are routes, and ``make up`` proves what there is."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.jobs import image
from support.stack import running_stack


@pytest.fixture
def provider_url() -> Iterator[str]:
    """A stand-in for OpenAI that is not the stack's own."""
    provider = subprocess.Popen(
        [sys.executable, "-m", "simulators", "openai", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert provider.stdout is not None
    yield json.loads(provider.stdout.readline())["openai"]
    provider.terminate()
    provider.wait(10)
    provider.stdout.close()


async def test_one_provider_alone_is_enough_to_come_up(provider_url: str) -> None:
    given = {"UPSTREAM_OPENAI_BASE_URL": provider_url, "UPSTREAM_OPENAI_API_KEY": "k"}
    with running_stack("partial", **given) as stack:
        assert stack["UPSTREAM_OPENAI_BASE_URL"] == provider_url
        assert not [name for name in stack.env if name.startswith(("UPSTREAM_FAL", "UPSTREAM_ARK"))]
        account = stack.account(100)
        assert (await image(stack, account, "a harbour")).ok
        status, body = await stack.native(
            "POST", "/videos/generations", account, json={"model": "seedance-2.0", "prompt": "waves"}
        )
        assert (status, body["error"]["code"]) == (503, "model_unavailable")
        _, balance = await stack.native("GET", "/balance", account)
        assert balance["held_credits"] == 0
