"""Events: signed as Stripe signs, retried, and delivered as badly as the dials ask."""

import asyncio
import json
from pathlib import Path

import pytest
import stripe

from simulators.dials import Setting
from simulators.serving import Stand, bind
from simulators.stripe import build, sign

from .conftest import SECRET, Account, Inbox


async def customers(account: Account, count: int) -> list[str]:
    return [(await account.client.v1.customers.create_async({"name": str(n)})).id for n in range(count)]


async def test_every_event_is_signed_and_can_be_listed(account: Account) -> None:
    made = await customers(account, 3)
    await account.delivered()
    events = account.inbox.genuine()
    assert sorted(event.data.object["id"] for event in events) == sorted(made)
    assert {event.type for event in events} == {"customer.created"}
    listed = (await account.client.v1.events.list_async({"types": ["customer.created"]})).data
    assert [one.data.object["id"] for one in listed] == made[::-1]
    again = await account.client.v1.events.retrieve_async(events[0].id)
    assert again.data.object["id"] == events[0].data.object["id"]
    body, signature = account.inbox.received[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_another")
    assert json.loads(body)["api_version"] == "2026-10-28.endive"


async def test_a_change_tells_what_was_before(account: Account) -> None:
    (customer,) = await customers(account, 1)
    await account.client.v1.customers.update_async(customer, {"name": "Ada"})
    await account.client.v1.customers.update_async(customer, {"name": "Ada"})
    await account.delivered()
    (event,) = [one for one in account.inbox.genuine() if one.type == "customer.updated"]
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"name": "0"}


async def test_an_endpoint_that_fails_is_tried_again(account: Account) -> None:
    account.inbox.statuses += [500, 302]
    await customers(account, 1)
    await account.delivered()
    assert len(account.inbox.received) == 3
    assert len({event.id for event in account.inbox.genuine()}) == 1


async def test_duplicates_and_disorder(account: Account) -> None:
    await account.dial(duplicates=3, shuffle_ms=300)
    made = await customers(account, 10)
    await account.delivered()
    seen = [event.data.object["id"] for event in account.inbox.genuine()]
    assert sorted(seen) == sorted(made * 3)
    assert list(dict.fromkeys(seen)) != made


async def test_an_outage_is_made_up_for_and_lost_events_stay_lost(account: Account) -> None:
    await account.dial(scenario="outage")
    made = await customers(account, 2)
    await asyncio.sleep(0.3)
    assert account.inbox.received == []
    await account.dial(scenario="ok")
    await account.delivered()
    assert sorted(event.data.object["id"] for event in account.inbox.genuine()) == sorted(made)
    await account.dial(scenario="lost")
    (lost,) = await customers(account, 1)
    await account.delivered()
    await account.dial(scenario="ok")
    assert len(account.inbox.received) == 2
    (listed,) = (await account.client.v1.events.list_async({"limit": 1})).data
    assert listed.data.object["id"] == lost


async def test_forgeries_are_recognised_by_stripes_own_code(account: Account) -> None:
    await account.dial(forge=True)
    await account.client.v1.payment_intents.create_async({"amount": 5_000, "currency": "usd"})
    await account.delivered()
    assert len(account.inbox.received) == 5
    (event,) = account.inbox.genuine()
    assert event.data.object["amount"] == 5_000
    assert any(b'"amount": 95000' in body for body, _ in account.inbox.received)


async def test_endpoints_are_made_over_the_api_and_hear_what_they_asked_for(account: Account) -> None:
    v1 = account.client.v1
    endpoint = await v1.webhook_endpoints.create_async({"url": account.inbox.url, "enabled_events": ["charge.*"]})
    assert str(endpoint.secret).startswith("whsec_")
    assert "secret" not in (await v1.webhook_endpoints.retrieve_async(endpoint.id)).to_dict()
    await customers(account, 1)
    await account.delivered()
    assert len(account.inbox.received) == 1, "only the first endpoint wants customers"
    deleted = await v1.webhook_endpoints.delete_async(endpoint.id)
    assert deleted.deleted


def test_the_signature_is_that_of_the_sdk() -> None:
    body = b'{"id": "evt_1", "object": "event"}'
    header = sign(SECRET, body, 1_900_000_000)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET)


async def test_a_process_that_dies_leaves_its_deliveries_and_answers_to_the_next(
    inbox: Inbox, tmp_path: Path
) -> None:
    file = tmp_path / "stripe.db"
    made: list[str] = []
    for life in range(2):
        listening = bind("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        # In the first life nothing is delivered before it ends.
        start = Setting(scenario="outage") if life == 0 else None
        simulator = build(url, start, data=file, webhook=(inbox.url, SECRET), retries_s=(0.05,))
        stand = Stand.of([(simulator, listening)])
        await stand.open()
        transport = stripe.AIOHTTPClient(timeout=5)
        client = stripe.StripeClient("sk_test_key", base_addresses={"api": url}, http_client=transport)
        made.append((await client.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "once"})).id)
        await asyncio.sleep(0.3)
        await transport.close_async()
        await stand.close()
    assert made[0] == made[1]
    (event,) = inbox.genuine()
    assert event.data.object["id"] == made[0]
