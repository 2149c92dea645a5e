from stack.choices import Choices

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
