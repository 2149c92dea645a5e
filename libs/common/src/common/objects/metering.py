"""Counting and hashing a stream as it passes."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from common.objects.errors import ObjectError, TooLarge


@dataclass(frozen=True, slots=True)
class Written:
    """What went into an object."""

    size_bytes: int
    sha256: str


class ShortStream(ObjectError):  # noqa: N818 - what happened
    """The source ended before, or went on after, the length it had announced."""


class Meter:
    """Passes a stream on, within its bounds; remembers why the source failed, if it did.

    The HTTP client reports a source that failed as a broken connection; only ``failure`` tells the two apart.
    """

    def __init__(self, chunks: AsyncIterable[bytes], max_bytes: int, length: int | None = None) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._length = length
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The stream itself, once. Raises TooLarge, ShortStream or what the source raises."""
        try:
            async for chunk in self._chunks:
                self._count(chunk)
                yield chunk
            self._check_end()
        except Exception as exc:
            self.failure = exc
            raise

    @property
    def written(self) -> Written:
        """Size and hash of what has passed."""
        return Written(self.size_bytes, self._sha256.hexdigest())

    @property
    def md5(self) -> str:
        """What a store that took the bytes in one piece answers as their tag."""
        return self._md5.hexdigest()

    def _count(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self._length is not None and self.size_bytes > self._length:
            raise ShortStream("the source sends more than it announced")
        if self.size_bytes > self._max_bytes:
            raise TooLarge(f"more than {self._max_bytes} bytes")
        self._sha256.update(chunk)
        self._md5.update(chunk)

    def _check_end(self) -> None:
        if self._length is not None and self.size_bytes < self._length:
            raise ShortStream("the source ended early")
