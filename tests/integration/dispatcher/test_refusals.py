"""P3: what one provider refuses to draw is shown to no other, however it words the refusal, in every adapter."""

import pytest

from common.catalogue import load
from common.contracts import JobFailed
from dispatcher.routing.overrides import Override
from simulators.providers import PROVIDERS
from support.dispatcher import RunningDispatcher
from support.providers import Providers
from support.spoken import SPOKEN

REFUSALS = [
    (spoken, scenario)
    for spoken, table in SPOKEN.items()
    for scenario, kind in table.expected.items()
    if kind == "content_policy"
]


def model_of(spoken: str) -> str:
    """A model that this adapter serves beside others."""
    wanted = SPOKEN[spoken].provider, SPOKEN[spoken].protocol
    for model in load().models:
        served = [route for route in model.routes if (route.provider, route.protocol) == wanted]
        if len(model.routes) > 1 and any("text" in route.upstream for route in served):
            return model.id
    raise AssertionError(f"no model is served by {spoken} and by others")


def test_every_adapter_has_refusals_of_input_and_output() -> None:
    for spoken in SPOKEN:
        assert {"policy_input", "policy_output"} <= {name for known, name in REFUSALS if known == spoken}


@pytest.mark.parametrize(("spoken", "scenario"), REFUSALS)
async def test_a_refusal_reaches_no_second_provider(
    dispatcher: RunningDispatcher,
    providers: Providers,
    spoken: str,
    scenario: str,
) -> None:
    provider, model, prompt = SPOKEN[spoken].provider, model_of(spoken), f"{scenario} of {spoken}"
    dispatcher.parts.router.heed([Override(provider, model, "force")])
    providers.dial(provider, scenario)
    verdict = await dispatcher.run(model, prompt)
    assert isinstance(verdict, JobFailed)
    assert verdict.code == "content_policy_violation"
    asked = {name: len(calls) for name in PROVIDERS if (calls := providers.calls(name, prompt))}
    assert asked == {provider: 1}
