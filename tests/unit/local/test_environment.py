import stat
import subprocess
from dataclasses import replace

import pytest

from stack import environment
from stack.choices import Choices
from stack.credentials import Credentials
from stack.environment import Addresses
from stack.state import SERVICES, State, read_client_file

ADDRESSES = Addresses(
    database_url="postgresql://admin:admin-secret@127.0.0.1:5/reapi?sslmode=disable",
    amqp_url="amqp://reapi:x@127.0.0.1:6/",
    s3={"S3_ENDPOINT_URL": "http://127.0.0.1:7", "S3_SECRET_ACCESS_KEY": "s3-secret"},
    upstreams={"UPSTREAM_ARK_BASE_URL": "http://127.0.0.1:8/api/v3", "UPSTREAM_ARK_API_KEY": "ark-secret"},
    stripe={"STRIPE_API_KEY": "stripe-secret", "STRIPE_WEBHOOK_SECRET": "whsec_x"},
    simulators={"SIM_ARK_URL": "http://127.0.0.1:8"},
    services={service: f"http://127.0.0.1:{100 + number}" for number, service in enumerate(SERVICES)},
)


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "state")
    state.create()
    return state


def given(service, state, **knobs):
    return environment.of_service(service, state, ADDRESSES, Choices.of(knobs), Credentials.of(state))


def test_provider_keys_reach_the_dispatcher_alone(state):
    holders = {service for service in SERVICES if "ark-secret" in given(service, state).values()}
    assert holders == {"dispatcher"}


def test_stripes_key_reaches_billing_alone(state):
    holders = {service for service in SERVICES if "stripe-secret" in given(service, state).values()}
    assert holders == {"billing"}


def test_no_service_is_given_the_administrators_database(state):
    for service in SERVICES:
        env = given(service, state)
        assert "DATABASE_URL" not in env
        assert not any("admin-secret" in value for value in env.values())
        assert [name for name in env if name.endswith("_DATABASE_URL")] == [f"{service.upper()}_DATABASE_URL"]


def test_the_object_store_is_known_to_those_who_use_it(state):
    holders = {service for service in SERVICES if "s3-secret" in given(service, state).values()}
    assert holders == {"gateway", "dispatcher", "storage"}


def test_a_knob_reaches_the_service_whose_name_it_bears(state):
    knobs = {"DISPATCHER_BREAKER_COOL_DOWN_S": "1", "OUTPUT_TTL_S": "9"}
    assert given("dispatcher", state, **knobs)["DISPATCHER_BREAKER_COOL_DOWN_S"] == "1"
    assert "DISPATCHER_BREAKER_COOL_DOWN_S" not in given("storage", state, **knobs)
    assert given("storage", state, **knobs)["OUTPUT_TTL_S"] == "9"


def test_a_login_keeps_the_servers_address_and_options(state):
    url = given("billing", state)["BILLING_DATABASE_URL"]
    assert url.startswith("postgresql://reapi_billing:")
    assert url.endswith("@127.0.0.1:5/reapi?sslmode=disable")


def test_two_stacks_on_one_foreign_database_agree_on_passwords(tmp_path):
    states = [State(tmp_path / name) for name in "ab"]
    for state in states:
        state.create()
    one, other = (Credentials.of(state) for state in states)
    assert one.role_passwords("postgresql://x") == other.role_passwords("postgresql://x")
    assert one.role_passwords(None) != other.role_passwords(None)
    assert len(set(one.role_passwords(None).values())) == len(SERVICES)


def test_two_databases_of_one_foreign_server_agree_on_passwords(state):
    def passwords(url):
        return Credentials.of(state).role_passwords(url)

    one = passwords("postgresql://admin:p%40ss@there/one")
    assert one == passwords("postgresql://admin:p%40ss@there:5432/other?sslmode=require")
    for other in ("admin:p%40ss@there:5433", "admin:p%40ss@elsewhere", "boss:p%40ss@there", "admin:pass@there"):
        assert one != passwords(f"postgresql://{other}/one")


def test_secrets_are_drawn_once_and_shown_to_nobody_else(state):
    first = Credentials.of(state)["INTERNAL_TOKEN"]
    assert Credentials.of(state)["INTERNAL_TOKEN"] == first
    assert stat.S_IMODE(state.secrets.stat().st_mode) == 0o600


def test_the_client_file_has_what_others_rely_on(state):
    urls = environment.service_database_urls(ADDRESSES, Choices(), Credentials.of(state))
    environment.write_client_file(state, ADDRESSES, urls, {"rabbitmq": 11, "postgres": 12})
    env = read_client_file(state.env)
    assert env["REAPI_BASE_URL"].endswith("/v1")
    assert env["REAPI_NATIVE_URL"].endswith("/api/v1")
    assert env["PID_RABBITMQ"] == "11"
    assert env["PID_POSTGRES"] == "12"
    assert {f"{service.upper()}_DATABASE_URL" for service in SERVICES} <= env.keys()
    assert env["UPSTREAM_ARK_API_KEY"] == "ark-secret"
    assert env["DATABASE_URL"] == ADDRESSES.database_url


def test_the_client_file_says_to_a_shell_what_it_says_to_a_reader(tmp_path):
    state = State(tmp_path / "a folder & more")
    state.create()
    addresses = replace(ADDRESSES, database_url="postgresql://a:$b@there/c?sslmode=disable&application_name='d'")
    environment.write_client_file(state, addresses, {}, {}, ["DATABASE_URL"])
    script = '. "$0" && printf "%s\\n" "$REAPI_STATE" "$DATABASE_URL" "$REAPI_CHOSEN"'
    done = subprocess.run(["sh", "-c", script, state.env], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(state.root), addresses.database_url, "DATABASE_URL"]
    env = read_client_file(state.env)
    assert [env[name] for name in ("REAPI_STATE", "DATABASE_URL", "REAPI_CHOSEN")] == done.stdout.splitlines()
