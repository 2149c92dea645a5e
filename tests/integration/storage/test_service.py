"""Storage as a process: from a message to its answer, over a real broker, database and object store."""

import aio_pika
import pytest

from common.contracts import JobStored, OutputsDiscarded
from common.messaging import Bus, Consumers, topology
from common.messaging.declaring import declare
from simulators import pictures
from support.origin import answer
from support.serving import metrics, serving
from support.stack import until

from .conftest import Storage

PNG = pictures.png(b"0123456789abcdef", 64, 64)


def environment(storage: Storage, amqp_url: str) -> dict[str, str]:
    settings = storage.s3.settings()
    return {
        "STORAGE_DATABASE_URL": storage.urls.service_url,
        "AMQP_URL": amqp_url,
        "OUTPUT_TTL_S": "2",
        "STORAGE_SWEEP_INTERVAL_S": "0.2",
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "S3_BUCKET": settings.s3_bucket,
        "S3_STAGING_BUCKET": settings.s3_staging_bucket,
        "S3_ACCESS_KEY_ID": settings.s3_access_key_id,
        "S3_SECRET_ACCESS_KEY": settings.s3_secret_access_key.get_secret_value(),
    }


@pytest.fixture
async def empty_queues(amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await declare(channel)
        for queue in topology.QUEUES:
            await (await channel.get_queue(queue.name)).purge()


async def test_a_job_goes_in_and_comes_out_and_expires(storage: Storage, amqp_url: str, empty_queues: None) -> None:
    on, answers = Consumers(), list[JobStored]()

    @on(topology.BILLING_RESULTS)
    async def hear(event: JobStored) -> None:
        answers.append(event)

    bus = Bus(amqp_url, producer="test", drain_s=5)
    bus.include(on)
    await bus.start()
    await until(lambda: bus.ready)
    try:
        async with serving("storage", **environment(storage, amqp_url)) as url:
            inline = await storage.inline(PNG)
            pulled = storage.generated(storage.origin.on("/a", answer(503), answer(200, PNG)))
            late = await storage.inline(PNG)
            for event in (inline, pulled, pulled, late):
                await bus.publish(event)
            await until(lambda: len({one.job_id for one in answers}) == 3, 20)
            key = late.outputs[0].key
            assert key
            await bus.publish(OutputsDiscarded(job_id=late.job_id, account_id=late.account_id, keys=(key,)))
            keys = [output.key for one in answers for output in one.outputs]

            async def all_gone() -> bool:
                return not any([await storage.content(one) for one in keys])

            await until(all_gone, 15)
            assert all(row["deleted_at"] for one in answers for row in storage.rows(one.job_id))
            text = await metrics(url)
            assert 'reapi_invariant_violations{name="E4_output_outlives_its_time"} 0.0' in text
            assert 'reapi_storage_outputs_total{result="stored",way="pulled"} 1.0' in text
    finally:
        await bus.stop()
