"""The protocol, spoken by Stripe's own SDK: keys, errors, idempotency, lists, expansion, faults, restarts."""

import asyncio
from pathlib import Path

import pytest
import stripe

from simulators.stripe.forms import parse
from simulators.stripe.store import Store

from .conftest import Account


async def test_what_is_made_can_be_read_changed_and_listed(account: Account) -> None:
    v1 = account.client.v1
    made = await v1.customers.create_async({"email": "a@example.org", "metadata": {"account": "7", "gone": "x"}})
    assert made.id.startswith("cus_")
    changed = await v1.customers.update_async(made.id, {"name": "Ada", "metadata": {"gone": ""}})
    assert (changed.name, changed.email, changed.metadata.to_dict()) == ("Ada", "a@example.org", {"account": "7"})
    assert (await v1.customers.retrieve_async(made.id)).name == "Ada"
    found = await v1.customers.list_async({"email": "a@example.org"})
    assert [one.id for one in found.data] == [made.id]


async def test_lists_are_paged_newest_first(account: Account) -> None:
    v1 = account.client.v1
    made = [(await v1.customers.create_async({"name": str(number)})).id for number in range(25)]
    page = await v1.customers.list_async({"limit": 10})
    assert page.has_more
    assert [one.id async for one in page.auto_paging_iter()] == made[::-1]
    back = await v1.customers.list_async({"limit": 3, "ending_before": made[10]})
    assert [one.id for one in back.data] == [made[13], made[12], made[11]]


async def test_errors_are_those_of_stripe(account: Account) -> None:
    v1 = account.client.v1
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await v1.customers.retrieve_async("cus_none")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as param:
        await v1.prices.create_async({"currency": "usd", "unit_amount": 5})  # type: ignore[typeddict-item]
    assert (param.value.http_status, param.value.param) == (400, "product")
    stranger = stripe.StripeClient("sk_live_key", base_addresses={"api": account.url})
    with pytest.raises(stripe.AuthenticationError):
        await asyncio.to_thread(stranger.v1.customers.list)
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        await v1.payouts.list_async()


async def test_an_idempotency_key_does_a_thing_once(account: Account) -> None:
    v1 = account.client.v1
    options: stripe.RequestOptions = {"idempotency_key": "once"}
    first = await v1.customers.create_async({"name": "Ada"}, options)
    again = await v1.customers.create_async({"name": "Ada"}, options)
    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await v1.customers.create_async({"name": "Bob"}, options)
    assert len((await v1.customers.list_async()).data) == 1


async def test_ids_are_expanded_on_demand(account: Account) -> None:
    v1 = account.client.v1
    intent = await v1.payment_intents.create_async(
        {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
         "expand": ["latest_charge.balance_transaction"]}
    )  # fmt: skip
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.balance_transaction.amount == 500
    plain = await v1.payment_intents.retrieve_async(intent.id)
    assert plain.latest_charge == charge.id


@pytest.mark.parametrize("scenario", ["500", "429"])
async def test_a_fault_before_the_act_does_nothing(account: Account, scenario: str) -> None:
    v1 = account.client.v1
    await account.dial(scenario=scenario, times=1)
    with pytest.raises(stripe.StripeError):
        await v1.customers.create_async({"name": "Ada"})
    assert (await v1.customers.list_async()).data == []


@pytest.mark.parametrize("scenario", ["timeout_after_success", "reset_after_success"])
async def test_a_fault_after_the_act_is_healed_by_the_key(account: Account, scenario: str) -> None:
    impatient = stripe.AIOHTTPClient(timeout=0.4)
    client = stripe.StripeClient(
        "sk_test_key", base_addresses={"api": account.url}, http_client=impatient, max_network_retries=2
    )
    await account.dial(scenario=scenario, times=1)
    made = await client.v1.customers.create_async({"name": "Ada"})  # the SDK repeats with its own key
    found = (await client.v1.customers.list_async()).data
    assert [one.id for one in found] == [made.id]
    await impatient.close_async()


def test_forms_are_read_as_the_sdks_write_them() -> None:
    assert parse("a[b][0][c]=1&a[b][1][c]=2&d=x%20y&expand[]=p&expand[]=q&m[k]=") == {
        "a": {"b": [{"c": "1"}, {"c": "2"}]},
        "d": "x y",
        "expand": ["p", "q"],
        "m": {"k": ""},
    }


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    file = tmp_path / "stripe.db"
    store = Store(file)
    store.put({"id": "cus_1", "object": "customer", "created": 1, "name": "Ada"})
    store.keep_answer("key", "asked", 200, b"{}")
    assert store.answer("key") is None, "before its deed lasts there is no answer"
    store.close()
    again = Store(file)
    assert again.get("customer", "cus_1") == {"id": "cus_1", "object": "customer", "created": 1, "name": "Ada"}
    assert again.answer("key") == ("asked", 200, b"{}")
    again.close()
