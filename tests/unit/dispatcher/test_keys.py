"""Several keys of a provider: in rotation, within their limits, out when refused, resting when asked to."""

import asyncio

import pytest

from common.catalogue import load
from dispatcher.app import upstreams
from dispatcher.domain.breaker import Limits
from dispatcher.domain.failures import Failure, FailureClass
from dispatcher.routing.accounts import BadAccount, accounts
from dispatcher.routing.health import Health
from dispatcher.routing.news import News, State
from dispatcher.routing.overrides import Override
from dispatcher.routing.router import Choice, Full, Router
from dispatcher.upstreams.client import Client
from unit.dispatcher.test_routing import a_job

REFUSED = Failure(FailureClass.AUTH, "http_401")


class House:
    """A router with a clock of its own, and the news it tells."""

    def __init__(self, **environ: str) -> None:
        self.now = 0.0
        self.news: list[News] = []
        known = {"UPSTREAM_OPENAI_API_KEY": "k1 k2,k3", **environ}
        self.router = Router(load(), upstreams(load(), known, Client()), Limits(), lambda: self.now, self.news.append)

    def choose(self, **parameters: object) -> Choice:
        choice = self.router.choose(a_job(**parameters), ())
        assert isinstance(choice, Choice)
        return choice


def test_keys_take_turns():
    house = House()
    assert [house.choose().way.account.api_key for _ in range(6)] == ["k1", "k2", "k3"] * 2


def test_a_service_account_is_one_key():
    (account,) = accounts({"UPSTREAM_OPENAI_API_KEY": '{"a": 1, "b": 2}'}, ["openai"])["openai"]
    assert account.api_key == '{"a": 1, "b": 2}'


def test_labels_name_keys_and_tell_nothing_of_them():
    known = accounts({"UPSTREAM_OPENAI_API_KEY": "secret-1 secret-2"}, ["openai"])["openai"]
    assert len({account.label for account in known}) == 2
    assert all("secret" not in account.label for account in known)


def test_a_refused_key_is_left_out_and_the_others_go_on():
    house = House()
    house.choose().failed(REFUSED)
    assert {house.choose().way.account.api_key for _ in range(6)} == {"k2", "k3"}
    assert [(news.model, news.state) for news in house.news] == [("", State.OPEN)]


def test_a_provider_whose_only_key_is_refused_is_closed_for_all_its_models():
    house = House(UPSTREAM_OPENAI_API_KEY="", UPSTREAM_FAL_API_KEY="k", UPSTREAM_ARK_API_KEY="a")
    house.choose().failed(Failure(FailureClass.QUOTA, "http_402"))
    assert house.router.choose(a_job("seedance-2.0"), ()).way.provider == "ark"  # type: ignore[union-attr]
    assert house.router.choose(a_job("seedance-2.0"), {"ark"}) is None
    assert house.router.choose(a_job(), ()) is None


def test_an_unknown_model_closes_its_route_only():
    house = House(UPSTREAM_OPENAI_API_KEY="", UPSTREAM_FAL_API_KEY="k")
    house.choose().failed(Failure(FailureClass.AUTH, "http_404"))
    assert house.router.choose(a_job(), ()) is None
    assert isinstance(house.router.choose(a_job("seedance-2.0"), ()), Choice)


def test_a_key_that_met_a_rate_limit_rests_as_long_as_asked_and_the_next_one_works():
    house = House()
    house.choose().failed(Failure(FailureClass.RATE_LIMITED, "http_429", 20))
    assert {house.choose().way.account.api_key for _ in range(6)} == {"k2", "k3"}
    house.now = 21
    assert {house.choose().way.account.api_key for _ in range(6)} == {"k1", "k2", "k3"}


def test_no_more_orders_than_allowed_are_open_and_an_end_makes_room():
    house = House(UPSTREAM_OPENAI_API_KEY="k1 k2", UPSTREAM_OPENAI_MAX_CONCURRENT="2")
    choices = [house.choose() for _ in range(4)]
    assert house.router.choose(a_job(), ()) == Full(("openai",))
    choices[0].delivered()
    assert isinstance(house.router.choose(a_job(), ()), Full)  # delivered, but its task has not ended
    choices[0].permit.end()
    assert house.choose().way.account.api_key == choices[0].way.account.api_key


def test_a_full_route_is_passed_over_while_another_has_room():
    house = House(UPSTREAM_OPENAI_API_KEY="k", UPSTREAM_OPENAI_MAX_CONCURRENT="1", UPSTREAM_FAL_API_KEY="f")
    assert [house.choose().way.provider for _ in range(3)] == ["openai", "fal", "fal"]


def test_the_rate_is_kept_with_a_burst_of_ten_seconds():
    house = House(UPSTREAM_OPENAI_API_KEY="k", UPSTREAM_OPENAI_MAX_PER_MINUTE="60")
    for _ in range(10):
        house.choose()
    assert isinstance(house.router.choose(a_job(), ()), Full)
    house.now = 1.0
    house.choose()
    assert isinstance(house.router.choose(a_job(), ()), Full)


@pytest.mark.parametrize("bad", ["0", "-1", "many", "1.5", "\u0661"])
def test_a_limit_that_is_none_is_named(bad):
    with pytest.raises(BadAccount, match="UPSTREAM_OPENAI_MAX_CONCURRENT"):
        accounts({"UPSTREAM_OPENAI_API_KEY": "k", "UPSTREAM_OPENAI_MAX_CONCURRENT": bad}, ["openai"])


async def test_waiters_are_called_in_turn_and_nobody_slips_in_between():
    house = House(UPSTREAM_OPENAI_API_KEY="k", UPSTREAM_OPENAI_MAX_CONCURRENT="1")
    first = house.choose()
    until = asyncio.get_running_loop().time() + 5
    waiting = asyncio.create_task(house.router.wait(a_job(), (), until))
    await asyncio.sleep(0)
    assert not waiting.done()
    first.permit.end()
    assert isinstance(house.router.choose(a_job(), ()), Full)  # the room is promised
    choice = await waiting
    assert choice is not None
    second = asyncio.create_task(house.router.wait(a_job(), (), until))
    await asyncio.sleep(0)
    choice.permit.end()
    assert (await second) is not None


async def test_who_waits_for_a_route_that_closes_looks_elsewhere():
    house = House(
        UPSTREAM_OPENAI_API_KEY="k", UPSTREAM_OPENAI_MAX_CONCURRENT="1",
        UPSTREAM_FAL_API_KEY="f", UPSTREAM_FAL_MAX_CONCURRENT="1",
    )  # fmt: skip
    only, other = house.choose(), house.choose()
    until = asyncio.get_running_loop().time() + 5
    waiting = asyncio.create_task(house.router.wait(a_job(), {"fal"}, until))
    await asyncio.sleep(0)
    only.failed(REFUSED)
    assert await waiting is None
    assert other.way.provider == "fal"


async def test_a_rate_makes_room_by_itself():
    house = House(UPSTREAM_OPENAI_API_KEY="k", UPSTREAM_OPENAI_MAX_PER_MINUTE="600")
    while isinstance(house.router.choose(a_job(), ()), Choice):
        pass
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(house.router.wait(a_job(), (), loop.time() + 5))
    await asyncio.sleep(0)
    house.now += 0.2
    assert await waiting is not None


async def test_nobody_waits_beyond_the_deadline():
    house = House(UPSTREAM_OPENAI_API_KEY="k", UPSTREAM_OPENAI_MAX_CONCURRENT="1")
    house.choose()
    assert await house.router.wait(a_job(), (), asyncio.get_running_loop().time() + 0.02) is None


def test_what_another_replica_learned_is_heeded_and_not_told_again():
    here, there = House(), House()
    for _ in range(5):
        there.router.choose(a_job(), ()).failed(Failure(FailureClass.UNAVAILABLE, "http_500"))  # type: ignore[union-attr]
    (news,) = there.news
    here.router.hear(news)
    assert here.router.choose(a_job(), ()) is None
    here.now = there.now = 15
    probe = there.choose()
    probe.delivered()
    here.router.hear(there.news[-1])
    assert there.news[-1].state is State.CLOSED
    assert [here.choose() for _ in range(3)]
    assert here.news == []


@pytest.mark.parametrize("provider, model", [("nobody", "gpt-image-2"), ("openai", "nonesuch")])
def test_news_of_what_is_unknown_here_says_nothing(provider, model):
    house = House()
    house.router.hear(News(provider, model, "", State.OPEN, 60))
    house.choose()


def test_a_drained_route_gets_nothing_and_a_forced_one_comes_first_whatever_its_breaker_says():
    house = House(UPSTREAM_FAL_API_KEY="f")
    house.router.heed([Override("openai", "gpt-image-2", "drain")])
    assert house.choose().way.provider == "fal"
    house.router.heed([Override("fal", "gpt-image-2", "force")])
    for _ in range(10):
        choice = house.choose()
        assert choice.way.provider == "fal"
        choice.failed(Failure(FailureClass.UNAVAILABLE, "http_500"))
    pace = house.router.pace("fal", "gpt-image-2")
    for number in range(30):
        pace.took("a", 10, number)
    for number in range(10):
        pace.took("a", 90, 30 + number)
    house.now = 41
    assert pace.is_slow(house.now)
    assert house.choose().way.provider == "fal"
    house.router.heed([])
    assert house.choose().way.provider == "openai"


def test_the_health_of_a_route_follows_breaker_keys_decision_and_pace():
    house = House(UPSTREAM_FAL_API_KEY="f")
    route = ("openai", "gpt-image-2")
    assert house.router.health()[route] is Health.WELL
    assert ("ark", "seedance-2.0") not in house.router.health()
    for _ in range(5):
        house.choose().failed(Failure(FailureClass.UNAVAILABLE, "http_500"))
    assert house.router.health()[route] is Health.RESTING
    house.now = 15
    assert house.router.health()[route] is Health.PROBING
    house.choose().delivered()
    assert house.router.health()[route] is Health.WELL
    house.router.heed([Override("openai", "*", "drain")])
    assert house.router.health()[route] is Health.DRAINED


def test_a_slow_route_is_passed_over_while_another_is_well():
    house = House(UPSTREAM_FAL_API_KEY="f")
    pace = house.router.pace("openai", "gpt-image-2")
    for number in range(30):
        pace.took("a", 1, number)
    for number in range(5):
        pace.took("a", 9, 30 + number)
    house.now = 35
    assert house.choose().way.provider == "fal"
    assert house.router.choose(a_job(), {"fal"}).way.provider == "openai"  # type: ignore[union-attr]
