"""Streams into the store: hashed on the way, never whole in memory, never half an object."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping

from common import telemetry
from common.messaging.failures import CannotReach
from common.objects.control import Control
from common.objects.errors import NotFound, ObjectError
from common.objects.metering import Meter, Written
from common.objects.signing import UNSIGNED
from common.objects.transport import Transport, reaching

PART_BYTES = 8 * 1024 * 1024  # all parts but the last are equal, which R2 demands; the least allowed is 5 MiB
MAX_PARTS = 10_000
STREAM_TOTAL_S = 900.0
PART_TOTAL_S = 120.0
_PART_TRIES = 3

log = telemetry.logger(__name__)


class Upload:
    """One stream on its way to one key."""

    def __init__(self, transport: Transport, control: Control, *, bucket: str, key: str, media_type: str) -> None:
        self._transport = transport
        self._control = control
        self._bucket = bucket
        self._key = key
        self._media_type = media_type

    async def whole(self, chunks: AsyncIterable[bytes], length: int) -> Written:
        """One PUT of a known length. Raises CannotReach also when what arrived is not what was sent.

        The hash is known only at the end, too late to be signed. S3 and R2 answer with the MD5 of what they stored;
        where the tag is anything else, the object is read back. One that differs is deleted before anybody has heard
        of it.
        """
        meter = Meter(chunks, length, length)
        try:
            async with self._transport.send(
                "PUT",
                self._bucket,
                self._key,
                body=meter,
                headers={"Content-Type": self._media_type, "Content-Length": str(length)},
                payload_sha256=UNSIGNED,
                total_s=STREAM_TOTAL_S,
            ) as answer:
                etag = answer.headers.get("ETag", "").strip('"')
        except CannotReach:
            if meter.failure is not None:
                raise meter.failure from None  # the source broke off, not the store
            raise
        if etag != meter.md5 and await self._read_back() != meter.written:
            async with self._transport.send("DELETE", self._bucket, self._key, total_s=30, accept=(404,)):
                pass
            raise CannotReach(f"what the object store kept in {self._bucket} is not what was sent")
        return meter.written

    async def in_parts(self, chunks: AsyncIterable[bytes], max_bytes: int) -> Written:
        """A multipart upload of unknown length (one PUT if it is short); nothing is left behind when it fails."""
        meter = Meter(chunks, min(max_bytes, PART_BYTES * MAX_PARTS))
        parts = _parts(meter)
        first = await anext(parts)
        if len(first) < PART_BYTES:
            await self._put_part(first, headers={"Content-Type": self._media_type})
            return meter.written
        upload_id = await self._control.begin_upload(self._bucket, self._key, self._media_type)
        try:
            etags = [await self._put_part(first, query={"partNumber": "1", "uploadId": upload_id})]
            async for part in parts:
                query = {"partNumber": str(len(etags) + 1), "uploadId": upload_id}
                etags.append(await self._put_part(part, query=query))
            await self._complete(upload_id, etags, meter.size_bytes)
        except BaseException:
            await asyncio.shield(self._abort(upload_id))
            raise
        return meter.written

    async def _read_back(self) -> Written:
        size_bytes, digest = 0, hashlib.sha256()
        async with self._transport.send("GET", self._bucket, self._key, total_s=STREAM_TOTAL_S) as answer:
            with reaching("reading back what was put"):
                async for chunk in answer.content.iter_chunked(64 * 1024):
                    size_bytes += len(chunk)
                    digest.update(chunk)
        return Written(size_bytes, digest.hexdigest())

    async def _put_part(
        self, body: bytes, *, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> str:
        """Send bytes we hold, a few times if need be: the same part again replaces itself."""
        digest = await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
        for tries_left in reversed(range(_PART_TRIES)):
            try:
                async with self._transport.send(
                    "PUT",
                    self._bucket,
                    self._key,
                    body=body,
                    payload_sha256=digest,
                    headers=headers,
                    query=query,
                    total_s=PART_TOTAL_S,
                ) as answer:
                    return answer.headers.get("ETag", "").strip('"')
            except CannotReach:
                if not tries_left:
                    raise
                await asyncio.sleep(0.5)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _complete(self, upload_id: str, etags: list[str], size_bytes: int) -> None:
        try:
            await self._control.complete_upload(self._bucket, self._key, upload_id, etags)
        except NotFound:
            # An earlier try may have completed it and lost its answer.
            async with self._transport.send("HEAD", self._bucket, self._key, total_s=30) as answer:
                if answer.headers.get("Content-Length") != str(size_bytes):
                    raise

    async def _abort(self, upload_id: str) -> None:
        try:
            await self._control.abort_upload(self._bucket, self._key, upload_id)
        except (CannotReach, ObjectError) as exc:
            # The bucket's lifecycle throws unfinished uploads away after a day.
            log.warning("upload_not_aborted", bucket=self._bucket, error=type(exc).__name__)


async def _parts(meter: Meter) -> AsyncIterator[bytes]:
    """Pieces of exactly PART_BYTES and a shorter last one; one empty piece if there is nothing at all."""
    pending = bytearray()
    sent = False
    async for chunk in meter:
        pending += chunk
        while len(pending) >= PART_BYTES:
            yield bytes(pending[:PART_BYTES])
            del pending[:PART_BYTES]
            sent = True
    if pending or not sent:
        yield bytes(pending)
