import pytest

from stack import environment
from stack.choices import Choices
from stack.credentials import Credentials
from stack.environment import Addresses
from stack.errors import CannotSetUp
from stack.state import SERVICES, State, read_client_file

SIMULATED = {
    f"UPSTREAM_{provider}_{part}": f"simulated {provider} {part}"
    for provider in ("OPENAI", "ARK", "FAL")
    for part in ("BASE_URL", "API_KEY", "MEDIA_ORIGINS")
}


def test_with_nothing_chosen_every_simulator_is_a_route():
    assert Choices.of({}).upstreams_in_use(SIMULATED) == SIMULATED


def test_with_any_upstream_chosen_only_those_are_routes():
    choices = Choices.of({"UPSTREAM_FAL_BASE_URL": "http://there", "UPSTREAM_FAL_API_KEY": "key"})
    assert choices.upstreams_in_use(SIMULATED) == {
        "UPSTREAM_FAL_BASE_URL": "http://there",
        "UPSTREAM_FAL_API_KEY": "key",
    }


def test_the_simulators_media_host_is_allowed_only_beside_their_own_address():
    address = {"UPSTREAM_FAL_BASE_URL": SIMULATED["UPSTREAM_FAL_BASE_URL"]}
    for given in (address, {"UPSTREAM_FAL_API_KEY": "key"}):
        assert "UPSTREAM_FAL_MEDIA_ORIGINS" in Choices.of(given).upstreams_in_use(SIMULATED)
    for given in (
        {"UPSTREAM_FAL_BASE_URL": "http://there"},
        address | {"UPSTREAM_FAL_MEDIA_ORIGINS": "http://media"},
    ):
        used = Choices.of(given).upstreams_in_use(SIMULATED)
        assert used.get("UPSTREAM_FAL_MEDIA_ORIGINS") == given.get("UPSTREAM_FAL_MEDIA_ORIGINS")


def test_a_provider_the_simulators_do_not_know_is_passed_on():
    choices = Choices.of({"UPSTREAM_VIDU_BASE_URL": "https://vidu.example", "UPSTREAM_VIDU_API_KEY": "key"})
    assert set(choices.upstreams_in_use(SIMULATED)) == {"UPSTREAM_VIDU_BASE_URL", "UPSTREAM_VIDU_API_KEY"}


def test_customers_urls_reach_loopback_unless_said_otherwise():
    assert Choices.of({}).egress_allow_cidrs == "127.0.0.0/8"
    assert Choices.of({"EGRESS_ALLOW_CIDRS": "10.0.0.0/8"}).egress_allow_cidrs == "10.0.0.0/8"


def test_an_empty_allow_list_means_nowhere():
    assert Choices.of({"EGRESS_ALLOW_CIDRS": ""}).egress_allow_cidrs == ""


def test_an_empty_address_is_no_choice():
    choices = Choices.of({"DATABASE_URL": "", "AMQP_URL": "", "UPSTREAM_ARK_BASE_URL": "", "S3_BUCKET": ""})
    assert choices == Choices()


def test_the_fingerprint_tells_settings_apart_and_hides_them():
    one, other = Choices.of({"OUTPUT_TTL_S": "5"}), Choices.of({"OUTPUT_TTL_S": "6"})
    assert one.fingerprint() != other.fingerprint()
    assert one.fingerprint() == Choices.of({"OUTPUT_TTL_S": "5", "SHELL": "/bin/sh"}).fingerprint()


@pytest.fixture(params=["state", "a state's folder"])
def exported(tmp_path, request):
    """A shell in which the `env` file of a stack was exported; the stack used what it is told was chosen."""

    def of(**chosen):
        state = State(tmp_path / request.param)
        state.create()
        choices = Choices.of(chosen)
        addresses = Addresses(
            database_url=choices.database_url or "postgresql://postgres:own@127.0.0.1:5/reapi",
            amqp_url=choices.amqp_url or "amqp://reapi:own@127.0.0.1:6/",
            s3={"S3_ENDPOINT_URL": "http://127.0.0.1:7", "S3_BUCKET": "outputs"} | dict(choices.s3),
            upstreams=choices.upstreams_in_use(SIMULATED),
            stripe={"STRIPE_API_KEY": "sk_test_local", "STRIPE_WEBHOOK_SECRET": "whsec_x"} | dict(choices.stripe),
            simulators={"SIM_ARK_URL": "http://127.0.0.1:8"},
            services=dict.fromkeys(SERVICES, "http://127.0.0.1:9"),
        )
        urls = environment.service_database_urls(addresses, choices, Credentials.of(state))
        environment.write_client_file(state, addresses, urls, {"postgres": 1}, choices.addresses())
        return chosen | read_client_file(state.env)

    return of


def test_the_exported_values_of_a_stack_are_no_choice(exported):
    assert Choices.of(exported()) == Choices()


def test_what_was_chosen_stays_chosen_when_the_stacks_values_are_exported(exported):
    chosen = {"DATABASE_URL": "postgresql://u:p&q@there/db", "S3_BUCKET": "mine", "UPSTREAM_FAL_API_KEY": "key"}
    chosen |= {"BILLING_DATABASE_URL": "postgresql://b:p@there/db", "BILLING_DATABASE_POOL_SIZE": "3"}
    assert Choices.of(exported(**chosen)) == Choices.of(chosen)


def test_an_address_set_after_the_stacks_values_were_exported_is_a_choice(exported):
    shell = exported() | {"AMQP_URL": "amqp://there/", "OUTPUT_TTL_S": "5"}
    assert Choices.of(shell) == Choices(amqp_url="amqp://there/", knobs={"OUTPUT_TTL_S": "5"})


def test_a_services_login_counts_only_beside_the_database_it_is_for():
    login = {"BILLING_DATABASE_URL": "postgresql://b:p@there/db"}
    assert Choices.of(login) == Choices()
    assert Choices.of(login | {"DATABASE_URL": "postgresql://a:p@there/db"}).knobs == login


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgres+psycopg2"])
def test_every_spelling_of_a_database_is_one_spelling_inside(scheme):
    given = {"DATABASE_URL": f"{scheme}://a:p@there/db", "BILLING_DATABASE_URL": f"{scheme}://b:p@there/db"}
    choices = Choices.of(given)
    assert choices.database_url == "postgresql://a:p@there/db"
    assert choices.knobs["BILLING_DATABASE_URL"] == "postgresql://b:p@there/db"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a:hush@there/db",
        "a:hush@there",
        "postgresql://a:hush@there:hush/db",
        "postgresql://a:%hush@there/db",
        "postgresql://a:hush@there/db?hush",
    ],
)
def test_a_bad_database_is_refused_without_its_password(url):
    with pytest.raises(CannotSetUp, match="DATABASE_URL is not") as refusal:
        Choices.of({"DATABASE_URL": url})
    assert "hush" not in str(refusal.value)
    assert refusal.value.__context__ is None


def test_an_allow_list_that_is_none_is_refused():
    with pytest.raises(CannotSetUp, match=r"EGRESS_ALLOW_CIDRS.*'garbage'"):
        Choices.of({"EGRESS_ALLOW_CIDRS": "10.0.0.0/8,garbage"})
