"""Several processes, slow receivers, crashes and outages: every delivery is made, and by one process at a time."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from standardwebhooks.webhooks import Webhook

from notifier.webhooks.claims import CLAIM_S
from notifier.webhooks.repository import Try
from notifier.webhooks.schedule import Answer
from support.origin import an_origin, answer, hang
from support.proxy import FaultProxy
from support.stack import until

from .conftest import KEY, Notifier, a_replica

OK = answer(200)
CHILD = """
import asyncio, sys
from common.database import Database
from common.egress import EgressPolicy
from notifier.secrets import Secrets
from notifier.webhooks.posting import Poster
from notifier.webhooks.repository import Deliveries
from notifier.webhooks.sender import Sender

async def main():
    database, poster = Database(sys.argv[1]), Poster(EgressPolicy.parse("127.0.0.0/8"), timeout_s=1)
    await database.start(); await poster.start()
    sender = Sender(Deliveries(database), Secrets(database, sys.argv[2]), poster, schedule_s=(1.0,),
                    max_in_flight=10, max_per_host=5, poll_interval_s=0.5)
    sender.start()
    await asyncio.sleep(20)

asyncio.run(main())
"""


def states(notifier: Notifier) -> dict[str, int]:
    rows = notifier.as_admin("select state, count(*) as n from notifier.deliveries group by 1")
    return {row["state"]: row["n"] for row in rows}


async def test_many_processes_post_each_delivery_once(notifier: Notifier, urls) -> None:
    paths = [notifier.receiver.on(f"/{n}", answer(200, after_s=0.05)) for n in range(80)]
    await notifier.replica.sender.stop(1)
    url = urls.service_url
    async with a_replica(url) as one, a_replica(url) as two, a_replica(url) as three:
        replicas = (one, two, three)
        await asyncio.gather(*(replicas[n % 3].announce(notifier.finished(path)) for n, path in enumerate(paths)))
        for replica in replicas:
            replica.sender.wake()
        await until(lambda: states(notifier) == {"delivered": 80}, 20)
    assert len(notifier.receiver.seen) == 80
    assert len({seen.path for seen in notifier.receiver.seen}) == 80


@pytest.mark.parametrize(("point", "posts"), [("N1", 1), ("N2", 2)])
async def test_a_dead_process_loses_its_claims_and_another_takes_over(
    notifier: Notifier, urls, point: str, posts: int
) -> None:
    url = notifier.receiver.on("/hook", OK)
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(url)
    command = [sys.executable, "-c", CHILD, urls.service_url, KEY]
    died = await asyncio.to_thread(
        subprocess.run, command, env={**os.environ, "CRASH_AT": f"{point}:1"}, check=False, timeout=60
    )
    died_at = time.monotonic()
    assert died.returncode == -signal.SIGKILL
    assert notifier.delivery(event)["claimed_until"] is not None
    async with a_replica(urls.service_url, poll_interval_s=1.0):
        await until(lambda: notifier.delivery(event)["state"] == "delivered", 15)
    assert time.monotonic() - died_at < 10
    assert len(notifier.receiver.seen) == posts
    assert len({seen.headers["webhook-id"] for seen in notifier.receiver.seen}) == 1
    assert len(notifier.attempts(event)) == 1


async def test_a_claim_holds_while_it_lasts(notifier: Notifier, urls) -> None:
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", OK))
    [claimed] = await notifier.replica.deliveries.claim(10, 1.0, {}, 10)
    assert list(await notifier.replica.deliveries.claim(10, 1.0, {}, 10)) == []
    async with a_replica(urls.service_url):
        await asyncio.sleep(0.6)
        assert notifier.receiver.seen == []
        await until(lambda: notifier.delivery(event)["state"] == "delivered", 5)
    assert claimed.tries == 0


async def test_claims_at_a_barrier_never_overlap(notifier: Notifier) -> None:
    await notifier.replica.sender.stop(1)
    for _ in range(40):
        await notifier.tell(notifier.receiver.on("/hook", OK))
    claims = await asyncio.gather(*(notifier.replica.deliveries.claim(20, 30, {}, 100) for _ in range(6)))
    ids = [one.id for claim in claims for one in claim]
    assert len(ids) == len(set(ids))


async def test_a_failure_said_after_the_claim_was_lost_changes_nothing(notifier: Notifier) -> None:
    await notifier.replica.sender.stop(1)
    deliveries = notifier.replica.deliveries
    event = await notifier.tell(notifier.receiver.on("/hook", OK))
    [stale] = await deliveries.claim(1, 0.01, {}, 10)
    await asyncio.sleep(0.05)
    [fresh] = await deliveries.claim(1, 30, {}, 10)
    started = event.finished_at
    assert not await deliveries.record(Try(stale, Answer(500), started, 1, 0.0))
    assert notifier.delivery(event)["claim"] == fresh.claim
    assert await deliveries.record(Try(stale, Answer(200), started, 1, None))
    assert not await deliveries.record(Try(fresh, Answer(500), started, 1, 0.0))
    assert notifier.delivery(event)["state"] == "delivered"
    assert len(notifier.attempts(event)) == 1


async def test_a_process_that_stood_still_does_not_post(notifier: Notifier, urls) -> None:
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", OK))
    # A claim that is over before a post could begin is what a process finds that was stopped after claiming.
    async with a_replica(urls.service_url, claim_s=0.0001):
        await asyncio.sleep(0.5)
    assert notifier.receiver.seen == []
    async with a_replica(urls.service_url):
        await until(lambda: notifier.delivery(event)["state"] == "delivered", 5)


async def test_one_slow_receiver_delays_nobody(notifier: Notifier, urls) -> None:
    slow = notifier.receiver.on("/slow", hang)
    await notifier.replica.sender.stop(1)
    async with an_origin() as other, a_replica(urls.service_url, timeout_s=10, max_in_flight=30) as replica:
        for _ in range(200):
            await replica.announce(notifier.finished(slow))
        await asyncio.sleep(0.3)
        assert notifier.receiver.most_busy["/slow"] == 10
        fine = other.on("/fine", OK)
        for _ in range(50):
            await replica.announce(notifier.finished(fine))
        await until(lambda: len(other.seen) == 50, 5, 0.02)
        assert notifier.receiver.most_busy["/slow"] <= 10
        await replica.sender.stop(0)


async def test_a_receiver_that_does_not_answer_gets_few_places_until_it_does(notifier: Notifier, urls) -> None:
    receiver = notifier.receiver
    url = receiver.on("/hook", hang)
    await notifier.replica.sender.stop(1)
    async with a_replica(urls.service_url, timeout_s=0.4, schedule_s=(0.1,) * 20) as replica:
        for _ in range(40):
            await replica.announce(notifier.finished(url))
        await until(lambda: len(receiver.seen) >= 10, 3, 0.01)
        await until(lambda: receiver.busy["/hook"] <= 2, 3, 0.01)
        receiver.most_busy.clear()
        await asyncio.sleep(1)
        assert receiver.most_busy["/hook"] <= 4  # two at a time, and those it has not noticed to have gone
        receiver.on("/hook", answer(200, after_s=0.1))
        await until(lambda: states(notifier) == {"delivered": 40}, 10)
        assert receiver.most_busy["/hook"] == 10


async def test_what_was_posted_is_recorded_once_the_database_is_back(notifier: Notifier, urls) -> None:
    proxy, url = await FaultProxy.before(urls.service_url)
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", answer(200, after_s=0.4)))
    async with a_replica(url):
        await until(lambda: notifier.receiver.seen, 5, 0.02)
        proxy.refuse(True)
        proxy.cut()
        await asyncio.sleep(1.2)
        assert notifier.delivery(event)["state"] == "pending"
        proxy.refuse(False)
        await until(lambda: notifier.delivery(event)["state"] == "delivered", 10)
        assert len(notifier.receiver.seen) == 1
    await proxy.stop()


async def test_a_slow_post_is_not_doubled_not_even_through_an_outage(notifier: Notifier, urls) -> None:
    proxy, url = await FaultProxy.before(urls.service_url)
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", answer(200, after_s=CLAIM_S + 5)))
    async with a_replica(url, timeout_s=15):
        await until(lambda: notifier.receiver.seen, 5, 0.02)
        async with a_replica(urls.service_url):
            await asyncio.sleep(3)
            proxy.refuse(True)
            proxy.cut()
            await asyncio.sleep(4)
            proxy.refuse(False)
            await until(lambda: notifier.delivery(event)["state"] == "delivered", 15)
    assert len(notifier.receiver.seen) == 1
    await proxy.stop()


async def test_a_process_cut_off_from_the_database_breaks_off_before_another_posts(notifier: Notifier, urls) -> None:
    proxy, url = await FaultProxy.before(urls.service_url)
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", answer(200, after_s=CLAIM_S + 3)))
    async with a_replica(url, timeout_s=30):
        await until(lambda: notifier.receiver.seen, 5, 0.02)
        proxy.refuse(True)
        proxy.cut()
        async with a_replica(urls.service_url, timeout_s=30):
            await until(lambda: len(notifier.receiver.seen) == 2, 15, 0.02)
            await until(lambda: notifier.delivery(event)["state"] == "delivered", 20)
    assert notifier.receiver.most_busy["/hook"] == 1
    assert len(notifier.receiver.seen) == 2
    await proxy.stop()


async def test_after_an_outage_of_all_nobody_posts_what_another_has_posted(notifier: Notifier, urls) -> None:
    proxy, url = await FaultProxy.before(urls.service_url)
    await notifier.replica.sender.stop(1)
    paths = [notifier.receiver.on(f"/{n}", answer(200, after_s=0.5)) for n in range(10)]
    for path in paths:
        await notifier.tell(path)
    async with a_replica(url), a_replica(url), a_replica(url):
        await until(lambda: len(notifier.receiver.seen) == len(paths), 5, 0.02)
        proxy.refuse(True)
        proxy.cut()
        await asyncio.sleep(CLAIM_S + 3)
        assert states(notifier) == {"pending": len(paths)}
        proxy.refuse(False)
        await until(lambda: states(notifier) == {"delivered": len(paths)}, 15)
    assert len(notifier.receiver.seen) == len(paths)
    await proxy.stop()


async def test_a_stopped_sender_leaves_no_post_behind(notifier: Notifier, urls) -> None:
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", hang))
    async with a_replica(urls.service_url, timeout_s=30) as replica:
        await until(lambda: notifier.receiver.seen, 5, 0.02)
        await replica.sender.stop(0)
        assert not replica.sender._posting
        assert notifier.delivery(event)["state"] == "pending"


async def test_renewals_and_records_of_the_same_rows_never_wait_for_each_other(notifier: Notifier) -> None:
    await notifier.replica.sender.stop(1)
    deliveries = notifier.replica.deliveries
    for _ in range(60):
        event = await notifier.tell(notifier.receiver.on("/hook", OK))
    claims = await deliveries.claim(60, CLAIM_S, {}, 100)
    tries = [Try(one, Answer(200), event.finished_at, 1, None) for one in claims]
    renewals, records = await asyncio.gather(
        asyncio.gather(*(deliveries.renew(claims[:: (-1) ** n], CLAIM_S) for n in range(6))),
        asyncio.gather(*(deliveries.record(one) for one in tries)),
    )
    assert all(records)
    assert all(ours <= {one.id for one in claims} for ours in renewals)
    assert await deliveries.renew(claims, CLAIM_S) == set()


async def test_a_claim_that_another_took_is_not_renewed(notifier: Notifier) -> None:
    await notifier.replica.sender.stop(1)
    deliveries = notifier.replica.deliveries
    event = await notifier.tell(notifier.receiver.on("/hook", OK))
    [stale] = await deliveries.claim(1, 0.01, {}, 10)
    await asyncio.sleep(0.05)
    assert list(await deliveries.claim(1, CLAIM_S, {}, 10, lapsed_too=False)) == []
    [fresh] = await deliveries.claim(1, CLAIM_S, {}, 10)
    until_before = notifier.delivery(event)["claimed_until"]
    assert await deliveries.renew([stale], 30) == set()
    assert notifier.delivery(event)["claimed_until"] == until_before
    assert await deliveries.renew([fresh], 30) == {fresh.id}
    assert notifier.delivery(event)["claimed_until"] > until_before


async def test_quick_posts_cost_no_renewals(notifier: Notifier, urls) -> None:
    await notifier.replica.sender.stop(1)
    event = await notifier.tell(notifier.receiver.on("/hook", answer(200, after_s=0.8)))
    async with a_replica(urls.service_url):
        await until(lambda: notifier.receiver.seen, 5, 0.02)
        claimed_until = notifier.delivery(event)["claimed_until"]
        await asyncio.sleep(0.6)
        assert notifier.delivery(event)["claimed_until"] == claimed_until
        await until(lambda: notifier.delivery(event)["state"] == "delivered", 5)


async def test_a_stop_lets_posts_at_hand_finish(notifier: Notifier, urls) -> None:
    await notifier.replica.sender.stop(1)
    url = notifier.receiver.on("/hook", answer(200, after_s=0.5))
    async with a_replica(urls.service_url, timeout_s=10) as replica:
        event = notifier.finished(url)
        await replica.announce(event)
        await until(lambda: notifier.receiver.seen, 5, 0.02)
        await replica.sender.stop(15)
        assert notifier.delivery(event)["state"] == "delivered"


async def test_a_secret_made_by_an_operator_is_the_one_that_signs(notifier: Notifier, urls) -> None:
    environment = {
        **os.environ,
        "NOTIFIER_DATABASE_URL": urls.service_url,
        "NOTIFIER_SECRETS_KEY": KEY,
        "AMQP_URL": "amqp://unused",
        "INTERNAL_TOKEN": "unused-unused-unused",
    }
    command = [sys.executable, "-m", "notifier", "secret", "create", str(notifier.account)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    printed = json.loads(done.stdout)
    assert printed["account_id"] == str(notifier.account)
    await notifier.tell(notifier.receiver.on("/hook", OK))
    await until(lambda: notifier.receiver.seen)
    [seen] = notifier.receiver.seen
    Webhook(printed["webhook_secret"]).verify(seen.body, seen.headers)


async def test_nothing_to_do_costs_next_to_nothing(notifier: Notifier, urls) -> None:
    await notifier.replica.sender.stop(1)
    async with a_replica(urls.service_url, poll_interval_s=5.0):
        await asyncio.sleep(0.5)
        before = transactions(notifier)
        await asyncio.sleep(4)
        assert transactions(notifier) - before <= 6


def transactions(notifier: Notifier) -> int:
    rows = notifier.as_admin("select xact_commit as n from pg_stat_database where datname = current_database()")
    return int(rows[0]["n"])
