"""Order of preference, what a request needs, who is configured, who is well."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from common import clock
from common.catalogue import load
from dispatcher.app import upstreams
from dispatcher.domain.breaker import Limits
from dispatcher.domain.failures import Failure, FailureClass
from dispatcher.domain.jobs import Job
from dispatcher.routing.accounts import BadAccount, accounts
from dispatcher.routing.router import Choice, Router
from dispatcher.upstreams.client import Client

BOTH = {"UPSTREAM_OPENAI_API_KEY": "k1", "UPSTREAM_FAL_API_KEY": "k2"}


def router(environ=BOTH, now=lambda: 0.0) -> Router:
    return Router(load(), upstreams(load(), environ, Client()), Limits(), now)


def a_job(model="gpt-image-2", livemode=True, **parameters) -> Job:
    known = load().find(model)
    request = known.request("native", {"prompt": "x", **parameters})
    return Job(
        job_id=UUID(int=1),
        account_id=UUID(int=2),
        model=model,
        kind=known.kind,
        mode=request.mode,
        outputs=request.outputs,
        parameters=request.parameters,
        epoch="e",
        deadline_at=clock.now() + timedelta(seconds=60),
        synchronous=True,
        livemode=livemode,
        replica="r",
    )


def chosen(router: Router, job: Job, tried=()) -> str | None:
    choice = router.choose(job, tried)
    return choice.way.provider if isinstance(choice, Choice) else None


def test_the_first_route_of_the_file_is_preferred_and_tried_ones_are_left_out():
    assert chosen(router(), a_job()) == "openai"
    assert chosen(router(), a_job(), {"openai"}) == "fal"
    assert chosen(router(), a_job(), {"openai", "fal"}) is None


def test_a_provider_without_a_key_is_no_route():
    assert chosen(router({"UPSTREAM_FAL_API_KEY": "k"}), a_job()) == "fal"
    assert chosen(router({}), a_job()) is None
    assert chosen(router({"UPSTREAM_OPENAI_BASE_URL": "https://x.example/v1"}), a_job()) is None


def test_a_route_that_cannot_carry_a_parameter_is_left_out():
    assert chosen(router(), a_job(background="transparent"), {"openai"}) is None
    assert chosen(router(), a_job(background="auto"), {"openai"}) == "fal"


def test_a_customer_may_allow_a_further_route_to_lose_a_parameter_or_allow_none():
    job = a_job(background="transparent")
    assert chosen(router(), replace(job, lossy=("background",)), {"openai"}) == "fal"
    assert chosen(router(), replace(job, lossy=("moderation",)), {"openai"}) is None
    assert chosen(router(), replace(a_job(), failover=False)) == "openai"
    assert chosen(router(), replace(a_job(), failover=False), {"openai"}) is None


def test_a_model_this_version_does_not_know_and_a_test_job_have_no_route():
    job = a_job()
    assert chosen(router(), a_job(livemode=False)) is None
    assert router().routes(job)
    assert not router().routes(replace(job, model="nonesuch"))


def test_an_open_breaker_is_passed_over_and_probed_after_its_cool_down():
    now = [0.0]
    routes = router(now=lambda: now[0])
    choice = routes.choose(a_job(), ())
    assert choice is not None
    choice.failed(Failure(FailureClass.AUTH, "x"))
    assert chosen(routes, a_job()) == "fal"
    now[0] = 15.0
    probe = routes.choose(a_job(), ())
    assert probe is not None and probe.way.provider == "openai"
    assert chosen(routes, a_job()) == "fal"
    probe.delivered()
    assert chosen(routes, a_job()) == "openai"


def test_breakers_are_kept_per_provider_and_model():
    routes = router(BOTH | {"UPSTREAM_ARK_API_KEY": "k3"})
    for _ in range(5):
        choice = routes.choose(a_job(), {"openai"})
        assert isinstance(choice, Choice)
        choice.failed(Failure(FailureClass.UNAVAILABLE, "x"))
    assert chosen(routes, a_job(), {"openai"}) is None
    assert chosen(routes, a_job("seedance-2.0"), {"ark"}) == "fal"


def test_media_may_come_from_the_providers_origin_and_from_those_of_the_setting():
    found = accounts(
        {
            "UPSTREAM_ARK_API_KEY": "k",
            "UPSTREAM_ARK_BASE_URL": "http://127.0.0.1:8001/api/v3/",
            "UPSTREAM_ARK_MEDIA_ORIGINS": "http://127.0.0.1:9000, https://Media.Example",
        },
        ["ark", "fal"],
    )
    assert set(found) == {"ark"}
    (account,) = found["ark"]
    assert account.base_url == "http://127.0.0.1:8001/api/v3"
    assert account.origins == ("http://127.0.0.1:8001", "http://127.0.0.1:9000", "https://media.example")


@pytest.mark.parametrize("bad", ["ftp://x", "no url", "http://", "http://[bad"])
def test_a_base_url_that_is_none_is_named_but_not_said(bad):
    with pytest.raises(BadAccount) as caught:
        accounts({"UPSTREAM_FAL_API_KEY": "k", "UPSTREAM_FAL_BASE_URL": bad}, ["fal"])
    assert "UPSTREAM_FAL_BASE_URL" in str(caught.value) and bad not in str(caught.value)
