"""The object store as services use it."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import aiohttp

from common.messaging.failures import CannotReach
from common.objects.control import Control, Listed
from common.objects.errors import NotFound, ObjectError, TooLarge
from common.objects.metering import Written
from common.objects.signing import Signer
from common.objects.transport import Transport, reaching
from common.objects.uploading import Upload
from common.settings import ObjectStoreSettings

MIB = 1024 * 1024
_HASH_IN_THREAD_BYTES = MIB
_DELETES_AT_ONCE = 16
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f"\\/;%]')


@dataclass(frozen=True, slots=True)
class Head:
    """What an object says about itself."""

    size_bytes: int
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of many deletions; keys in neither were not tried."""

    gone: Sequence[str]
    failed: Mapping[str, CannotReach | ObjectError]


class ObjectStream:
    """An object on its way out; read it inside the ``async with`` it came from."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.head = _head(answer)
        """Of a range: the size of the part."""
        self.content_range = answer.headers.get("Content-Range")

    async def chunks(self, chunk_bytes: int = 64 * 1024) -> AsyncIterator[bytes]:
        """The bytes; raises CannotReach rather than end early."""
        while True:
            with reaching("reading an object"):
                chunk = await self._answer.content.read(chunk_bytes)
            if not chunk:
                return
            yield chunk


class ObjectStore:
    """S3-compatible storage (R2's subset: no ACLs, tags or versions). ``start`` it in the loop that uses it.

    Every method may raise ``CannotReach`` (away, 5xx, SlowDown), ``Refused`` (403) and ``ObjectError``.
    """

    def __init__(self, settings: ObjectStoreSettings) -> None:
        secret = settings.s3_secret_access_key.get_secret_value()
        self.outputs = settings.s3_bucket
        self.staging = settings.s3_staging_bucket
        self._signer = Signer(settings.s3_endpoint_url, settings.s3_region, settings.s3_access_key_id, secret)
        self._transport = Transport(self._signer)
        self._control = Control(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=secret,
        )

    async def start(self) -> None:
        """Be ready to send; the store itself need not be up."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()
        self._control.stop()

    async def check(self, bucket: str) -> None:
        """Return if the bucket can be reached with our credentials (for readiness)."""
        async with self._transport.send("HEAD", bucket, "", total_s=5):
            pass

    async def ensure_bucket(self, bucket: str, expire_days: Mapping[str, int] | None = None) -> None:
        """Create the bucket if it is missing, and let objects under each prefix expire after so many days."""
        await self._control.ensure_bucket(bucket)
        await self._control.put_lifecycle(bucket, expire_days or {})

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        media_type: str,
        *,
        only_new: bool = True,
        sha256: str | None = None,
    ) -> bool:
        """Put an object; False if ``only_new`` and one was there already, which is then left as it is.

        After a CannotReach the object may be there: put it again. A False then is as good as a True, since a key
        names one output of one attempt. The body's hash is part of the signature and checked by the store (S3 and R2
        alike), so a body damaged on the way is never stored. ``sha256`` is that hash, for who knows it already.
        """
        digest = sha256 or await digest_of(body)
        headers = {"Content-Type": media_type} | ({"If-None-Match": "*"} if only_new else {})
        async with self._transport.send(
            "PUT",
            bucket,
            key,
            body=body,
            payload_sha256=digest,
            headers=headers,
            total_s=15 + len(body) / MIB,
            accept=(412,) if only_new else (),
        ) as answer:
            return answer.status != 412

    async def put_stream(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[bytes],
        media_type: str,
        *,
        length: int | None,
        max_bytes: int,
    ) -> Written:
        """Put a stream, replacing what was there; size and SHA-256 are computed as it passes.

        With ``length`` one PUT and no buffer, without it parts of 8 MiB. Raises TooLarge, ShortStream (not
        ``length`` bytes), or whatever the source itself raised; then nothing was stored under the key.
        """
        upload = Upload(self._transport, self._control, bucket=bucket, key=key, media_type=media_type)
        if length is None:
            return await upload.in_parts(chunks, max_bytes)
        if length > max_bytes:
            raise TooLarge(f"{length} bytes are more than {max_bytes}")
        return await upload.whole(chunks, length)

    async def get(self, bucket: str, key: str, *, max_bytes: int = 64 * MIB) -> bytes:
        """A whole object. Raises NotFound, or TooLarge before reading it."""
        async with self.stream_get(bucket, key) as stream:
            if stream.head.size_bytes > max_bytes:
                raise TooLarge(f"{stream.head.size_bytes} bytes are more than {max_bytes}")
            return b"".join([chunk async for chunk in stream.chunks()])

    @asynccontextmanager
    async def stream_get(
        self, bucket: str, key: str, *, byte_range: str | None = None
    ) -> AsyncIterator[ObjectStream]:
        """An object, or the part that a Range header names, as a stream. Raises NotFound."""
        headers = {"Range": byte_range} if byte_range else {}
        async with self._transport.send("GET", bucket, key, headers=headers) as answer:
            yield ObjectStream(answer)

    async def head(self, bucket: str, key: str) -> Head:
        """Size, media type and tag of an object. Raises NotFound."""
        async with self._transport.send("HEAD", bucket, key, total_s=20) as answer:
            return _head(answer)

    async def exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object."""
        try:
            await self.head(bucket, key)
        except NotFound:
            return False
        return True

    async def delete(self, bucket: str, key: str) -> None:
        """Delete an object; fine if it is gone."""
        async with self._transport.send("DELETE", bucket, key, total_s=20, accept=(404,)):
            pass

    async def delete_many(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete all of these; those that are gone are fine. After an error some remain: do it again."""
        for error in (await self.delete_each(bucket, keys)).failed.values():
            raise error

    async def delete_each(self, bucket: str, keys: Sequence[str]) -> Deleted:
        """Delete these; those that are gone are fine. One that will not go does not keep the others.

        Raises nothing for a single object: what failed is in the answer. After as many failures in a row as are
        tried at once the store is taken for away, and the rest is not tried.
        """
        gate = asyncio.Semaphore(_DELETES_AT_ONCE)
        gone: list[str] = []
        failed: dict[str, CannotReach | ObjectError] = {}
        in_a_row = 0

        async def one(key: str) -> None:
            nonlocal in_a_row
            async with gate:
                if in_a_row >= _DELETES_AT_ONCE:
                    return
                try:
                    await self.delete(bucket, key)
                except (CannotReach, ObjectError) as error:
                    failed[key] = error
                    in_a_row += 1
                else:
                    gone.append(key)
                    in_a_row = 0

        await asyncio.gather(*(one(key) for key in keys))
        return Deleted(gone, failed)

    async def list_prefix(self, bucket: str, prefix: str, *, limit: int = 1000) -> list[Listed]:
        """At most ``limit`` objects under a prefix, in order of key."""
        return await self._control.list_prefix(bucket, prefix, limit)

    def presign_read(
        self,
        bucket: str,
        key: str,
        expires_s: int,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        filename: str | None = None,
        media_type: str | None = None,
        disposition: Literal["inline", "attachment"] = "inline",
    ) -> str:
        """A URL that reads one object for so many seconds (7 days at most), under our headers if they are given.

        It is signed for one method: a GET link answers a HEAD with 403.
        """
        query: dict[str, str] = {}
        if filename is not None or disposition == "attachment":
            query["response-content-disposition"] = content_disposition(disposition, filename)
        if media_type is not None:
            query["response-content-type"] = media_type
        return self._signer.presign(method, self._signer.url(bucket, key, query), expires_s)


async def digest_of(body: bytes) -> str:
    """SHA-256 in hex; a large body is hashed in a thread."""
    if len(body) > _HASH_IN_THREAD_BYTES:
        return await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
    return hashlib.sha256(body).hexdigest()


def content_disposition(disposition: str, filename: str | None) -> str:
    """The header for a file name in any script (RFC 6266); what could break out of the header is replaced."""
    if not filename:
        return disposition
    safe = _UNSAFE_IN_NAMES.sub("_", filename)[:150]
    plain = safe.encode("ascii", "replace").decode().replace("?", "_")
    if plain == safe:
        return f'{disposition}; filename="{safe}"'
    return f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def _head(answer: aiohttp.ClientResponse) -> Head:
    return Head(
        size_bytes=int(answer.headers.get("Content-Length", 0)),
        media_type=answer.headers.get("Content-Type", "application/octet-stream"),
        etag=answer.headers.get("ETag", "").strip('"'),
    )
