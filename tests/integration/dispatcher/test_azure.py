"""What Azure is told: each model is a deployment of one's own resource, whichever way the resource is named."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Inline
from dispatcher.upstreams.client import Client
from support.orders import an_order, speaking
from support.providers import Providers


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


@pytest.mark.parametrize("base", ["", "/openai/deployments", "/openai/deployments/gpt-image-2"])
@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-1.5"])
async def test_the_models_own_deployment_is_called(
    client: Client, providers: Providers, base: str, model: str
) -> None:
    azure = speaking("azure-images", client, providers.origin("azure") + base)
    produced = await azure.submit(an_order(upstream_model=model, texts={"prompt": "a deployment"}), lambda: None)
    assert isinstance(produced.outputs[0], Inline)
    (call,) = providers.calls("azure", "a deployment")
    assert call["model"] == model
    assert "model" not in call["request"]


async def test_a_deployment_that_is_missing_is_the_operators_fault(client: Client, providers: Providers) -> None:
    azure = speaking("azure-images", client, providers.origin("azure"))
    with pytest.raises(UpstreamFailed) as missing:
        await azure.submit(an_order(upstream_model="gpt-image-9"), lambda: None)
    assert missing.value.failure.kind is FailureClass.AUTH
