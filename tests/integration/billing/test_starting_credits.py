"""Free credits: once per person as far as persons can be told apart, and no more a day than the operator gives."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI

from billing.domain.traits import Person
from billing.repository.starting import StartingCredits
from billing.routes import authorized_by, sign_up_api
from common.ids import new_id
from support.ledger import Ledger

SECRET = "a secret"
GIFT = 5_000_000


def starting(ledger: Ledger, a_day: int = 100) -> StartingCredits:
    return StartingCredits(ledger.database, GIFT, a_day)


async def test_a_new_account_is_given_them_once(ledger: Ledger) -> None:
    account, traits = new_id(), Person("ada@example.org", "198.51.100.7", "fp1").hashed(SECRET)
    told = [await starting(ledger).grant(account, traits) for _ in range(3)]
    assert told == ["granted", "repeated", "repeated"]
    assert await ledger.pots(account) == (0, GIFT, 0, 0)
    assert await ledger.entries(f"grant:start:{account}") == {"granted": GIFT, "outside": -GIFT}


@pytest.mark.parametrize(
    "again",
    [
        Person("ada@example.org"),
        Person(" Ada+free@Example.ORG", "203.0.113.9"),
        Person("eve@example.org", "198.51.100.200"),
        Person("eve@example.org", None, "fp1"),
    ],
)
async def test_who_comes_again_under_another_name_gets_nothing(ledger: Ledger, again: Person) -> None:
    first = Person("ada@example.org", "198.51.100.7", "fp1")
    assert await starting(ledger).grant(new_id(), first.hashed(SECRET)) == "granted"
    account = new_id()
    assert await starting(ledger).grant(account, again.hashed(SECRET)) == "known"
    assert await ledger.pots(account) == (0, 0, 0, 0)


async def test_fifty_sign_ups_at_once_of_one_person_get_one_gift(ledger: Ledger) -> None:
    accounts = [new_id() for _ in range(50)]
    traits = Person("a.d.a@gmail.com", "2001:db8::1").hashed(SECRET)
    told = await asyncio.gather(*(starting(ledger).grant(account, traits) for account in accounts))
    assert told.count("granted") == 1
    assert sum([(await ledger.pots(account))[1] for account in accounts]) == GIFT


async def test_a_day_has_so_many_and_no_more(ledger: Ledger) -> None:
    told = await asyncio.gather(
        *(starting(ledger, 7).grant(new_id(), Person(f"n{n}@example.org").hashed(SECRET)) for n in range(20))
    )
    assert (told.count("granted"), told.count("too_many_today")) == (7, 13)


async def test_where_none_are_given_nothing_is_kept(ledger: Ledger) -> None:
    off = StartingCredits(ledger.database, 0, 100)
    assert await off.grant(new_id(), Person("ada@example.org").hashed(SECRET)) == "off"
    assert await ledger.database.fetch("select 1 from starting_traits") == []


def test_dots_and_tags_do_not_make_another_person() -> None:
    assert Person("A.d.a+x@googlemail.com").traits() == Person("ada@gmail.com").traits()
    assert Person("a.d.a@example.org").traits() != Person("ada@example.org").traits()
    assert Person("a@b.org", "2001:db8:1:2::3").traits()[1] == "network:2001:db8:1::/48"
    for wrong in (Person("nobody"), Person("a@b"), Person("a@b.org", "1.2.3")):
        with pytest.raises(ValueError, match=r"\w"):
            wrong.traits()


async def test_a_sign_up_asks_over_the_internal_api(ledger: Ledger) -> None:
    app = FastAPI()
    app.include_router(sign_up_api(starting(ledger), SECRET, authorized_by("token")))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://billing", headers={"Authorization": "Bearer token"}
    ) as client:
        account = new_id()
        path = f"/internal/accounts/{account}/starting-credits"
        assert (await client.post(path, json={"email": "ada@example.org"})).json() == {"outcome": "granted"}
        assert (await client.post(path, json={"email": "ada"})).status_code == 422
        assert (await client.post(path, json={"email": "a@b.c"}, headers={"Authorization": "x"})).status_code == 401
    assert await ledger.pots(account) == (0, GIFT, 0, 0)
