"""docker-compose.yml gives each service what the local stack gives it; else one of the two is wrong."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from simulators.providers import PROVIDERS
from stack import environment
from stack.choices import Choices
from stack.credentials import Credentials
from stack.environment import Addresses
from stack.state import SERVICES, State

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
# Spans go to a collector there, and providers' addresses are the dispatcher's business.
LOCAL_ONLY = {"TRACE_FILE", "EGRESS_ALLOW_CIDRS", *environment.MACHINE}


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_given_what_the_local_process_is_given(service, tmp_path):
    state = State(tmp_path)
    state.create()
    addresses = Addresses(
        database_url="postgresql://a:b@127.0.0.1:1/reapi",
        amqp_url="amqp://127.0.0.1:2/",
        s3=dict.fromkeys(COMPOSE["x-objects"], "x"),
        upstreams={},
        stripe=dict.fromkeys(("STRIPE_API_KEY", "STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRET"), "x"),
        simulators={},
        services=dict.fromkeys(SERVICES, "http://127.0.0.1:3"),
    )
    local = environment.of_service(service, state, addresses, Choices(), Credentials.of(state))
    given = COMPOSE["services"][service]["environment"]
    assert set(local) - LOCAL_ONLY - set(given) == set()
    assert "DATABASE_URL" not in given


def test_every_provider_has_its_stand_in_and_is_a_route():
    dispatcher, gateway = (COMPOSE["services"][name]["environment"] for name in ("dispatcher", "gateway"))
    command = COMPOSE["services"]["providers"]["command"]
    for name, provider in PROVIDERS.items():
        port = command[command.index(f"--{name}-port") + 1]
        assert dispatcher[f"UPSTREAM_{name.upper()}_BASE_URL"].endswith(f":{port}{provider.path}}}")
        assert f"UPSTREAM_{name.upper()}_API_KEY" in dispatcher
    assert gateway["GATEWAY_PROVIDERS"] == "${GATEWAY_PROVIDERS:-" + ",".join(PROVIDERS) + "}"


def test_every_service_has_its_schema_made_before_it_starts():
    for service in SERVICES:
        assert f"migrate-{service}" in COMPOSE["services"][service]["depends_on"]


def test_every_secret_that_is_asked_for_is_drawn():
    text = (CHECKOUT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{([A-Z0-9_]+):\?", text))
    drawn = subprocess.run(
        [CHECKOUT / "deploy/compose-env"], check=True, capture_output=True, text=True, env=dict(os.environ)
    ).stdout
    values = dict(line.split("=") for line in drawn.splitlines())
    assert asked == set(values)
    assert len(set(values.values())) == len(values)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values.values())
