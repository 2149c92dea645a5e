"""Files of a request, sealed chunk by chunk while they arrive, straight into the staging bucket.

At no time does a plain byte of them touch a disk; in memory there is never more of one file than the piece at hand
and what the uploader has not sent yet.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from common import telemetry
from common.messaging import CannotReach
from common.objects import ObjectError, ObjectStore, staging_key
from common.sealing import FileSealer, sealed_size
from gateway.api.reading.limits import FILE_BYTES
from gateway.domain.media_types import HEAD_BYTES, sniff
from gateway.errors import TooLarge, Unavailable

_AT_ONCE_BYTES = 1024 * 1024
"""A file up to here is put in one request; a longer one is streamed."""
_QUEUED_PIECES = 8
_MEDIA_TYPE = "application/octet-stream"

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A sealed file in the staging bucket; ``file_key`` opens it and belongs into the sealed body only."""

    key: str
    file_key: str
    media_type: str | None
    bytes: int
    sha256: str


class Staging:
    """Takes files for one request after another."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket
        self._discarding: set[asyncio.Task[None]] = set()

    def begin(self, job_id: UUID) -> "StagingFile":
        """A file that is about to arrive."""
        # Unguessable, so that nobody can overwrite or find another job's file.
        return StagingFile(self._store, self._bucket, staging_key(job_id, secrets.token_hex(16)))

    async def stage(self, job_id: UUID, body: bytes) -> StagedFile:
        """A file that is already here, in memory."""
        file = self.begin(job_id)
        await file.write(body)
        return await file.finish()

    def discard(self, files: list[StagedFile]) -> None:
        """The request came to nothing; the bucket's lifecycle removes what cannot be deleted now."""
        if files:
            task = asyncio.create_task(self._delete([file.key for file in files]), name="discard")
            self._discarding.add(task)
            task.add_done_callback(self._discarding.discard)

    async def _delete(self, keys: list[str]) -> None:
        for key in keys:
            try:
                await self._store.delete(self._bucket, key)
            except (CannotReach, ObjectError):
                log.warning("staged_file_left")


class StagingFile:
    """One file on its way in."""

    def __init__(self, store: ObjectStore, bucket: str, key: str) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        self._sealer = FileSealer()
        self._digest = hashlib.sha256()
        self._head = b""
        self._size = 0
        self._sealed = bytearray()
        self._pieces: asyncio.Queue[bytes] | None = None
        self._upload: asyncio.Task[None] | None = None

    async def write(self, plain: bytes) -> None:
        """The next piece. Raises TooLarge, or Unavailable when the object store is away."""
        self._size += len(plain)
        if self._size > FILE_BYTES:
            raise TooLarge(f"A file may have at most {FILE_BYTES // 1_000_000} MB.")
        if len(self._head) < HEAD_BYTES:
            self._head += plain[: HEAD_BYTES - len(self._head)]
        self._digest.update(plain)
        self._sealed += self._sealer.update(plain)
        if len(self._sealed) > _AT_ONCE_BYTES:
            await self._send(bytes(self._sealed))
            self._sealed.clear()

    async def finish(self) -> StagedFile:
        """The file is complete and stored. Raises Unavailable."""
        self._sealed += self._sealer.finish()
        if self._upload is None:
            try:
                await self._store.put(self._bucket, self._key, bytes(self._sealed), _MEDIA_TYPE)
            except (CannotReach, ObjectError) as error:
                raise _cannot_stage(error) from None
        else:
            await self._send(bytes(self._sealed))
            await self._send(b"")
            await self._finished(self._upload)
        return StagedFile(self._key, self._sealer.key, sniff(self._head), self._size, self._digest.hexdigest())

    async def give_up(self) -> None:
        """The request ends here; an unfinished upload leaves nothing."""
        if self._upload is not None:
            self._upload.cancel()
            await asyncio.gather(self._upload, return_exceptions=True)

    async def _send(self, sealed: bytes) -> None:
        if self._pieces is None or self._upload is None:
            self._pieces = asyncio.Queue(_QUEUED_PIECES)
            self._upload = asyncio.create_task(self._put_stream(self._pieces), name="staging")
        # An upload that has failed takes nothing more from the queue: wait for both.
        putting = asyncio.ensure_future(self._pieces.put(sealed))
        await asyncio.wait({putting, self._upload}, return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
            await self._finished(self._upload)

    async def _put_stream(self, pieces: asyncio.Queue[bytes]) -> None:
        async def sealed() -> AsyncIterator[bytes]:
            while piece := await pieces.get():
                yield piece

        await self._store.put_stream(
            self._bucket, self._key, sealed(), _MEDIA_TYPE, length=None, max_bytes=sealed_size(FILE_BYTES)
        )

    async def _finished(self, upload: "asyncio.Task[None]") -> None:
        try:
            await upload
        except (CannotReach, ObjectError) as error:
            raise _cannot_stage(error) from None


def _cannot_stage(error: Exception) -> Unavailable:
    log.warning("cannot_stage", reason=type(error).__name__)
    return Unavailable("Files cannot be taken at the moment. Nothing was charged; try again shortly.")
