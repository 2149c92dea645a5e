"""The notifier as a process: from a message to a signed delivery, over a real broker and database."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import aio_pika
import pytest
from standardwebhooks.webhooks import Webhook

from common.messaging import Bus, topology
from common.messaging.declaring import declare
from support.origin import answer
from support.serving import metrics, serving
from support.stack import until

from .conftest import KEY, Notifier


@pytest.fixture
async def bus(amqp_url: str):
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await declare(channel)
        await (await channel.get_queue(topology.NOTIFIER_FINISHED.name)).purge()
    bus = Bus(amqp_url, producer="test", drain_s=5)
    await bus.start()
    await until(lambda: bus.ready)
    yield bus
    await bus.stop()


async def test_a_finished_job_is_told_to_its_receiver(notifier: Notifier, bus: Bus, amqp_url: str) -> None:
    await notifier.replica.sender.stop(1)
    environment = {
        "NOTIFIER_DATABASE_URL": notifier.urls.service_url,
        "NOTIFIER_SECRETS_KEY": KEY,
        "NOTIFIER_RETRY_AFTER_S": "[0.2, 0.4]",
        "EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
        "AMQP_URL": amqp_url,
    }
    async with serving("notifier", **environment) as url:
        good = notifier.finished(notifier.receiver.on("/good", answer(500), answer(200)))
        bad = notifier.finished(notifier.receiver.on("/bad", answer(500)), status="failed")
        silent = notifier.finished(None)
        for event in (good, good, bad, silent):
            await bus.publish(event)
        rows = "select count(*) as n from notifier.deliveries where state <> 'pending'"
        await until(lambda: notifier.as_admin(rows)[0]["n"] == 2, 20)
        counted = await metrics(url)
    assert notifier.delivery(good)["state"] == "delivered"
    assert notifier.delivery(bad)["state"] == "failed"
    assert len(notifier.receiver.at("/good")) == 2
    assert len(notifier.receiver.at("/bad")) == 3
    secret = await notifier.replica.secrets.of(notifier.account)
    for seen in notifier.receiver.seen:
        Webhook(secret).verify(seen.body, seen.headers)
    assert 'reapi_webhook_tries_total{result="delivered"} 1.0' in counted


async def test_what_a_killed_process_was_posting_is_posted_within_ten_seconds_of_it(
    notifier: Notifier, amqp_url: str
) -> None:
    await notifier.replica.sender.stop(1)
    environment = {
        "NOTIFIER_DATABASE_URL": notifier.urls.service_url,
        "NOTIFIER_SECRETS_KEY": KEY,
        "EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
        "AMQP_URL": amqp_url,
    }
    event = await notifier.tell(notifier.receiver.on("/hook", answer(200, after_s=2), answer(200)))
    first = {**os.environ, "INTERNAL_TOKEN": "unused-unused-unused", "NOTIFIER_PORT": "0", "CRASH_AT": "N2:1"}
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "notifier", "serve"],
        env={**first, **environment},
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    assert died.returncode == -signal.SIGKILL
    died_at = time.monotonic()
    async with serving("notifier", **environment):
        await until(lambda: len(notifier.receiver.seen) == 2, 20, 0.02)
        assert time.monotonic() - died_at < 10
        await until(lambda: notifier.delivery(event)["state"] == "delivered", 5)
