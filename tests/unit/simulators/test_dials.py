import pytest

from simulators.dials import Dials, Setting, UnknownScenario
from support.house import House

SCENARIOS = {"ok": "", "500": "", "429": ""}


def test_times_meets_the_next_calls_only():
    dials = Dials(SCENARIOS, ("submit",))
    dials.turn({"scenario": "500", "times": 2})
    assert [dials.draw("submit") for _ in range(4)] == ["500", "500", "ok", "ok"]


def test_only_the_operation_that_begins_work_meets_it_unless_told():
    dials = Dials(SCENARIOS, ("submit",))
    dials.turn({"scenario": "500"})
    assert (dials.draw("poll"), dials.draw("submit")) == ("ok", "500")
    dials.turn({"scenario": "500", "on": ["poll"]})
    assert (dials.draw("poll"), dials.draw("submit")) == ("500", "ok")


def test_a_seed_draws_the_same_share_every_time():
    def drawn() -> list[str]:
        dials = Dials(SCENARIOS, ("submit",))
        dials.turn({"scenario": "500", "fail_ratio": 0.3, "seed": 7})
        return [dials.draw("submit") for _ in range(1_000)]

    assert drawn() == drawn()
    assert 250 < drawn().count("500") < 350


def test_what_is_left_out_returns_to_the_start():
    dials = Dials(SCENARIOS, ("submit",), Setting(render_ms=250))
    dials.turn({"render_ms": 9, "scenario": "500"})
    dials.turn({"delay_ms": 3})
    assert (dials.now.render_ms, dials.now.scenario, dials.now.delay_ms) == (250, "ok", 3)


def test_an_unknown_scenario_is_named():
    with pytest.raises(UnknownScenario, match="502"):
        Dials(SCENARIOS, ("submit",)).turn({"scenario": "502"})


@pytest.mark.parametrize(
    "wish", [{"scenario": "502"}, {"speed": 1}, {"times": 0}, {"fail_ratio": 2}, {"delay_ms": -1}]
)
async def test_a_wrong_wish_changes_nothing_and_says_why(house: House, wish: dict):
    before = (await house.call("openai", "GET", "/__dials"))[1]
    status, body, _ = await house.call("openai", "PUT", "/__dials", json=wish)
    assert status == 400
    assert body["detail"]
    assert (await house.call("openai", "GET", "/__dials"))[1] == before


@pytest.mark.parametrize("name", ["openai", "ark", "fal", "media", "receiver"])
async def test_every_scenario_is_explained(house: House, name: str):
    _, body, _ = await house.call(name, "GET", "/__dials")
    assert body["simulator"] == name
    assert all(body["scenarios"].values())
