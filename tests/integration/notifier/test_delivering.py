"""What receivers get, and what follows from what they answer."""

import asyncio
import base64
import json

import openai
import psycopg
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from common.ids import video_id
from notifier.webhooks import sender
from support.logs import heard
from support.origin import answer, flood, hang, promising, reset
from support.stack import until

from .conftest import SCHEDULE_S, Notifier, a_replica

OK = answer(200, b"thanks")


async def told(notifier: Notifier, url: str, **fields):
    event = await notifier.tell(url, **fields)
    await until(lambda: notifier.delivery(event)["state"] != "pending", 15, 0.02)
    return event


async def test_the_signature_verifies_with_the_reference_library_and_the_sdk(notifier: Notifier) -> None:
    event = await told(notifier, notifier.receiver.on("/hook", OK))
    [seen] = notifier.receiver.seen
    secret = await notifier.replica.secrets.of(notifier.account)
    Webhook(secret).verify(seen.body, seen.headers)
    unwrapped = openai.OpenAI(api_key="x").webhooks.unwrap(seen.body, seen.headers, secret=secret)
    assert unwrapped.data.id == event.public_id
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(seen.body + b" ", seen.headers)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        other = await notifier.replica.secrets.of(event.job_id)
        openai.OpenAI(api_key="x").webhooks.unwrap(seen.body, seen.headers, secret=other)


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_the_event_is_thin_and_of_the_known_shape(notifier: Notifier, kind: str, status: str) -> None:
    url = notifier.receiver.on("/hook", OK)
    event = await told(notifier, url, kind=kind, status=status, livemode=False)
    [seen] = notifier.receiver.seen
    body = json.loads(seen.body)
    assert body == {
        "id": seen.headers["webhook-id"],
        "object": "event",
        "created_at": int(event.finished_at.timestamp()),
        "type": f"{kind}.{status}",
        "livemode": False,
        "data": {"id": event.public_id, "task_id": event.task_id},
    }
    assert seen.headers["content-type"] == "application/json"
    assert abs(int(seen.headers["webhook-timestamp"]) - seen.at) < 3


async def test_a_video_is_named_as_its_family_names_it(notifier: Notifier) -> None:
    event = notifier.finished(notifier.receiver.on("/hook", OK), kind="video")
    event = event.model_copy(update={"public_id": video_id(event.job_id)})
    await notifier.replica.announce(event)
    await until(lambda: notifier.receiver.seen)
    assert json.loads(notifier.receiver.seen[0].body)["data"]["id"] == video_id(event.job_id)


async def test_who_asked_for_nothing_is_told_nothing(notifier: Notifier) -> None:
    await notifier.replica.announce(notifier.finished(None))
    assert notifier.as_admin("select count(*) as n from notifier.deliveries") == [{"n": 0}]


async def test_a_fact_is_told_once_however_often_it_is_announced(notifier: Notifier, urls) -> None:
    event = notifier.finished(notifier.receiver.on("/hook", OK))
    async with a_replica(urls.service_url) as other:
        await asyncio.gather(*(one.announce(event) for one in (notifier.replica, other) for _ in range(20)))
        await until(lambda: notifier.delivery(event)["state"] == "delivered")
        await notifier.replica.announce(event)
        await asyncio.sleep(0.3)
    assert len(notifier.receiver.seen) == 1


async def test_the_longest_url_is_no_trouble(notifier: Notifier) -> None:
    url = notifier.receiver.url + "/" + "ü" * 1020
    event = await notifier.tell(url)
    await until(lambda: notifier.attempts(event))


async def test_the_first_try_comes_at_once(notifier: Notifier) -> None:
    url = notifier.receiver.on("/hook", OK)
    events = [await notifier.tell(url) for _ in range(30)]
    await until(lambda: len(notifier.receiver.seen) == len(events))
    late = notifier.as_admin(
        "select max(extract(epoch from a.started_at - d.created_at))::float8 as s"
        " from notifier.attempts a join notifier.deliveries d on d.id = a.delivery_id"
    )[0]["s"]
    assert late < 1


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_is_delivered(notifier: Notifier, status: int) -> None:
    event = await told(notifier, notifier.receiver.on("/hook", answer(status)))
    assert notifier.delivery(event)["state"] == "delivered"
    assert [one["status"] for one in notifier.attempts(event)] == [status]


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (answer(500), 500, None),
        (answer(404), 404, None),
        (answer(301, location="/elsewhere"), 301, None),
        (answer(307, location="/elsewhere"), 307, None),
        (hang, None, "timeout"),
        (reset, None, "ServerDisconnectedError"),
    ],
    ids=["500", "404", "301", "307", "hang", "reset"],
)
async def test_a_failed_try_follows_the_schedule_with_one_id(notifier: Notifier, urls, reply, status, error) -> None:
    notifier.receiver.on("/elsewhere", OK)
    url = notifier.receiver.on("/hook", reply)
    await notifier.replica.sender.stop(1)
    async with a_replica(urls.service_url, timeout_s=0.3):
        event = await told(notifier, url)
    attempts = notifier.attempts(event)
    assert notifier.delivery(event)["state"] == "failed"
    assert [one["number"] for one in attempts] == [1, 2, 3, 4]
    assert {(one["status"], one["error"]) for one in attempts} == {(status, error)}
    seen = notifier.receiver.at("/hook")
    assert len(seen) == 4
    assert len({one.headers["webhook-id"] for one in seen}) == len({one.body for one in seen}) == 1
    for before, after, pause_s in zip(attempts, attempts[1:], SCHEDULE_S, strict=False):
        waited = (after["started_at"] - before["started_at"]).total_seconds() - before["latency_ms"] / 1000
        assert 0.9 * pause_s - 0.02 <= waited <= 1.1 * pause_s + 1.5
    assert notifier.receiver.at("/elsewhere") == []


async def test_each_try_is_signed_at_its_own_time(notifier: Notifier, urls) -> None:
    url = notifier.receiver.on("/hook", answer(500), OK)
    await notifier.replica.sender.stop(1)
    async with a_replica(urls.service_url, schedule_s=(1.2,)):
        await told(notifier, url)
    first, second = notifier.receiver.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    secret = await notifier.replica.secrets.of(notifier.account)
    for one in (first, second):
        Webhook(secret).verify(one.body, one.headers)


async def test_a_receiver_that_is_gone_for_good_is_left_alone(notifier: Notifier) -> None:
    event = await told(notifier, notifier.receiver.on("/hook", answer(410)))
    assert notifier.delivery(event)["state"] == "failed"
    assert len(notifier.receiver.seen) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_gets_it(notifier: Notifier, status: int) -> None:
    event = await told(notifier, notifier.receiver.on("/hook", answer(status, retry_after="1"), OK))
    one, two = notifier.attempts(event)
    assert 0.95 < (two["started_at"] - one["started_at"]).total_seconds() < 1.7


@pytest.mark.parametrize(
    "reply",
    [flood(b"{}", 2**30, sized=True), flood(b"{}", 2**30, sized=False), promising(b"o", 9_999, then_hang=True)],
    ids=["a gigabyte", "a gigabyte unannounced", "a body that never ends"],
)
async def test_the_head_of_an_answer_is_enough(notifier: Notifier, reply) -> None:
    began = asyncio.get_running_loop().time()
    event = await told(notifier, notifier.receiver.on("/hook", reply))
    assert asyncio.get_running_loop().time() - began < 1
    assert notifier.delivery(event)["state"] == "delivered"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_private_address_is_never_dialled(notifier: Notifier, urls, host: str, scheme: str) -> None:
    notifier.receiver.on("/hook", OK)
    await notifier.replica.sender.stop(1)
    async with a_replica(urls.service_url, allow="", schedule_s=()):
        event = await told(notifier, f"{scheme}://{host}:{notifier.receiver.port}/hook")
    assert [one["error"] for one in notifier.attempts(event)] == ["address_refused"]
    assert notifier.receiver.connections == 0


@pytest.mark.parametrize("url", ["", "not a url", "ftp://x/y", "http://[", "https://nowhere.invalid/hook"])
async def test_what_cannot_be_posted_to_fails_and_stops_nobody(notifier: Notifier, urls, url: str) -> None:
    await notifier.replica.sender.stop(1)
    async with a_replica(urls.service_url, schedule_s=()):
        bad = await told(notifier, url)
        good = await told(notifier, notifier.receiver.on("/hook", OK))
    assert notifier.delivery(bad)["state"] == "failed"
    assert notifier.delivery(good)["state"] == "delivered"


async def test_a_receiver_that_drops_kept_connections_fails_no_try(notifier: Notifier) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await reader.read(1)  # whatever comes next on this connection finds it gone
        writer.transport.abort()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as receiver:
        url = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hook"
        for _ in range(3):
            event = await told(notifier, url)
            assert [one["status"] for one in notifier.attempts(event)] == [200]


async def test_an_error_of_the_database_is_logged_without_the_row_it_quotes(
    notifier: Notifier, urls, monkeypatch
) -> None:
    lines = heard(monkeypatch, sender)
    await notifier.replica.sender.stop(1)
    notifier.as_admin("create function notifier.quote() returns trigger language plpgsql as $$"
                      " begin raise exception using message = new::text; end $$")  # fmt: skip
    url = notifier.receiver.on("/hush-hush", OK)
    await notifier.tell(url)
    notifier.as_admin("create trigger quote before update on notifier.deliveries"
                      " for each row execute function notifier.quote()")  # fmt: skip
    async with a_replica(urls.service_url):
        await asyncio.sleep(0.5)
    said = lines.getvalue()
    assert "sender_failed" in said
    assert "RaiseException" in said
    assert "hush-hush" not in said


async def test_secrets_are_sealed_at_rest(notifier: Notifier, urls) -> None:
    secrets = await asyncio.gather(*(notifier.replica.secrets.of(notifier.account) for _ in range(20)))
    assert len(set(secrets)) == 1
    raw = base64.b64decode(secrets[0].removeprefix("whsec_"))
    [row] = notifier.as_admin("select * from notifier.secrets where account_id = %s", notifier.account)
    sealed = bytes(row["sealed"])
    assert len(raw) == 32
    assert not any(part in sealed for part in (raw, secrets[0].encode(), secrets[0][6:30].encode()))
    async with a_replica(urls.service_url, key="6f" * 32, started=False) as other:
        with pytest.raises(Exception, match=r"[Dd]ecryption"):
            await other.secrets.of(notifier.account)


@pytest.mark.parametrize(
    "statement",
    [
        "update deliveries set body = 'x'",
        "update deliveries set url = 'http://x'",
        "delete from deliveries",
        "update attempts set status = 200",
        "delete from attempts",
        "update secrets set sealed = 'x'",
        "delete from secrets",
        "truncate attempts",
    ],
)
async def test_the_service_cannot_rewrite_what_it_told(notifier: Notifier, statement: str) -> None:
    with psycopg.connect(notifier.urls.service_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


async def test_a_final_delivery_never_changes(notifier: Notifier) -> None:
    event = await told(notifier, notifier.receiver.on("/hook", OK))
    with psycopg.connect(notifier.urls.service_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="final"):
            connection.execute(
                "update deliveries set state = 'pending', finished_at = null where job_id = %s", (event.job_id,)
            )
    with pytest.raises(psycopg.errors.RaiseException, match="final"):
        notifier.as_admin("update notifier.deliveries set tries = 0 where job_id = %s", event.job_id)
