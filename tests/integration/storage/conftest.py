"""Storage as the service wires it: a real database, a real object store, and an origin that does as it is told."""

import hashlib
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from common.clock import now
from common.contracts import GeneratedOutput, JobGenerated
from common.database import Database
from common.ids import new_id, new_job_id
from common.messaging import CannotReach
from common.objects import ObjectStore, output_key
from simulators import pictures
from storage.handlers.discard import Discard
from storage.handlers.store import Store
from storage.pulling import Puller
from storage.repository import Assets
from storage.sweeper import Sweeper
from support.origin import Origin, an_origin
from support.postgres import FreshDatabase, Postgres
from support.s3 import S3, running_s3

PNG = pictures.png(b"0123456789abcdef", 64, 64)
TTL_S = 3600
MAX_BYTES = 20 * 1024 * 1024


def heavy_png(extra_bytes: int) -> bytes:
    """A whole PNG with so many more bytes in it, in a chunk that readers skip."""
    body = bytes(extra_bytes)
    chunk = struct.pack(">I4s", extra_bytes, b"reAp") + body + struct.pack(">I", zlib.crc32(b"reAp" + body))
    return PNG[:-12] + chunk + PNG[-12:]


@dataclass
class Replica:
    """One storage process: its own connections."""

    database: Database
    objects: ObjectStore
    assets: Assets
    puller: Puller
    store: Store
    discard: Discard
    sweeper: Sweeper


@dataclass
class Storage:
    """A migrated database, an object store and an origin; ``replica`` works on them."""

    urls: FreshDatabase
    s3: S3
    origin: Origin
    replica: Replica
    account: UUID = field(default_factory=new_id)

    def generated(self, *urls: str, allowed: bool = True, **fields: Any) -> JobGenerated:
        """A job whose outputs lie at these addresses of the origin."""
        return JobGenerated(
            **{
                "job_id": new_job_id(),
                "account_id": self.account,
                "model": "gpt-image-2",
                "kind": "image",
                "provider": "fal",
                "wanted": max(1, len(urls)),
                "outputs": tuple(GeneratedOutput(index=i, url=url) for i, url in enumerate(urls)),
                "origins": (self.origin.url,) if allowed else (),
                "deadline_at": now() + timedelta(minutes=5),
                **fields,
            }
        )

    async def inline(self, *bodies: bytes) -> JobGenerated:
        """A job whose outputs a dispatcher has put into the bucket."""
        job_id, outputs = new_job_id(), []
        for index, body in enumerate(bodies):
            key = output_key(job_id, 1, index, "png")
            await self.replica.objects.put(self.replica.objects.outputs, key, body, "image/png")
            outputs.append(
                GeneratedOutput(
                    index=index,
                    key=key,
                    media_type="image/png",
                    bytes=len(body),
                    sha256=hashlib.sha256(body).hexdigest(),
                )
            )
        return self.generated(job_id=job_id, outputs=tuple(outputs), wanted=len(bodies))

    async def content(self, key: str) -> bytes | None:
        """What the bucket holds under a key."""
        objects = self.replica.objects
        if not await objects.exists(objects.outputs, key):
            return None
        return await objects.get(objects.outputs, key)

    def as_admin(self, sql: str, *params: object) -> list[dict[str, Any]]:
        """A statement of the administrator."""
        with psycopg.connect(self.urls.admin_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def rows(self, job_id: UUID) -> list[dict[str, Any]]:
        """The index of one job."""
        return self.as_admin("select * from storage.assets where job_id = %s order by idx", job_id)

    def make_due(self, job_id: UUID, ago: str = "1 second") -> None:
        """Let a job's outputs be past their time; even the owner must lift the trigger for it."""
        with psycopg.connect(self.urls.admin_url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(
                "update storage.assets set expires_at = now() - %s::interval where job_id = %s", (ago, job_id)
            )


@asynccontextmanager
async def a_replica(
    urls: FreshDatabase, s3: S3, *, s3_url: str | None = None, provider_patience_s: float = 60, **options: Any
) -> AsyncIterator[Replica]:
    """Handlers as the service wires them; ``options`` are the puller's."""
    database = Database(urls.service_url, pool_size=6)
    objects = ObjectStore(s3.settings(**({"S3_ENDPOINT_URL": s3_url} if s3_url else {})))
    assets = Assets(database, ttl_s=TTL_S)
    puller = Puller(
        objects,
        **{
            "timeout_s": 5.0,
            "read_timeout_s": 1.0,
            "max_image_bytes": MAX_BYTES,
            "max_video_bytes": MAX_BYTES,
            "max_per_provider": 16,
            "max_unsized": 4,
            **options,
        },
    )
    await database.start()
    await objects.start()
    try:
        yield Replica(
            database,
            objects,
            assets,
            puller,
            Store(assets, puller, give_up_after_deadline_s=300, provider_patience_s=provider_patience_s),
            Discard(assets, objects),
            Sweeper(assets, objects, interval_s=0.05),
        )
    finally:
        await puller.close()
        await objects.stop()
        await database.stop()


class StubbornStore(ObjectStore):
    """A store that does not let go of some of its objects."""

    stubborn: frozenset[str]

    async def delete(self, bucket: str, key: str) -> None:
        if key in self.stubborn:
            raise CannotReach("the object store answered 500 InternalError")
        await super().delete(bucket, key)


@asynccontextmanager
async def a_stubborn_store(s3: S3, *keys: str) -> AsyncIterator[StubbornStore]:
    """The object store, unable to delete these."""
    objects = StubbornStore(s3.settings())
    objects.stubborn = frozenset(keys)
    await objects.start()
    try:
        yield objects
    finally:
        await objects.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="session")
def urls(postgres: Postgres) -> FreshDatabase:
    return postgres.fresh_database("storage")


@pytest.fixture
async def storage(urls: FreshDatabase, s3: S3) -> AsyncIterator[Storage]:
    async with an_origin() as origin, a_replica(urls, s3) as replica:
        yield Storage(urls, s3, origin, replica)
    s3.dial()
