"""Files sealed as they arrive, chunk by chunk, with a key of their own.

Layout: a 24-byte header, then every 64 KiB of plaintext as one secretstream message (17 bytes longer); the last
message is shorter than 64 KiB, may be empty, and alone carries the final tag. So a file cut short, even exactly
between two chunks, is recognised, and the sealed size follows from the plain one.
"""

from collections.abc import AsyncIterable, AsyncIterator

import pybase64
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES as OVERHEAD,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_HEADERBYTES as HEADER_BYTES,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_pull as init_pull,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_push as init_push,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_keygen as keygen,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_pull as pull,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_push as push,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_state as State,  # noqa: N812 - the library's own name is unwieldy
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_TAG_FINAL as FINAL,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE as MESSAGE,
)

from common.sealing.errors import SealBroken

CHUNK_BYTES = 64 * 1024
_SEALED_CHUNK_BYTES = CHUNK_BYTES + OVERHEAD


def sealed_size(plain_bytes: int) -> int:
    """How long a file of this many bytes is once sealed."""
    return HEADER_BYTES + plain_bytes + OVERHEAD * (plain_bytes // CHUNK_BYTES + 1)


class FileSealer:
    """Seals one file under a fresh random key. ``key`` (base64) belongs inside the job's sealed body."""

    def __init__(self) -> None:
        key = keygen()
        self.key = pybase64.b64encode_as_string(key)
        self._state = State()
        self._out = init_push(self._state, key)
        self._pending = bytearray()
        self._finished = False

    def update(self, plain: bytes) -> bytes:
        """Take any amount of plaintext; return what is ready of the ciphertext (perhaps nothing yet)."""
        assert not self._finished, "this file is already finished"
        self._pending += plain
        sealed = [self._out]
        self._out = b""
        at = 0
        while len(self._pending) - at >= CHUNK_BYTES:
            sealed.append(push(self._state, bytes(self._pending[at : at + CHUNK_BYTES]), tag=MESSAGE))
            at += CHUNK_BYTES
        del self._pending[:at]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The rest of the ciphertext; without it the file does not open."""
        rest = self.update(b"") + push(self._state, bytes(self._pending), tag=FINAL)
        self._finished = True
        self._pending.clear()
        return rest

    async def stream(self, plain: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The whole file, sealed as it arrives."""
        async for piece in plain:
            if sealed := self.update(piece):
                yield sealed
        yield self.finish()


class FileOpener:
    """Opens one sealed file. What ``update`` returns is authentic, but complete only once ``finish`` returned."""

    def __init__(self, key: str) -> None:
        try:
            self._key = pybase64.b64decode(key, validate=True)
        except ValueError:
            raise SealBroken("the key of a sealed file is not base64") from None
        self._state = State()
        self._begun = False
        self._pending = bytearray()

    def update(self, sealed: bytes) -> bytes:
        """Take any amount of ciphertext; return what opened. Raises SealBroken at the first wrong byte."""
        self._pending += sealed
        if not self._begun:
            if len(self._pending) < HEADER_BYTES:
                return b""
            self._begin()
        plain: list[bytes] = []
        at = 0
        while len(self._pending) - at >= _SEALED_CHUNK_BYTES:
            plain.append(self._open(bytes(self._pending[at : at + _SEALED_CHUNK_BYTES]), MESSAGE))
            at += _SEALED_CHUNK_BYTES
        del self._pending[:at]
        return b"".join(plain)

    def finish(self) -> bytes:
        """The last piece. Raises SealBroken when the file was cut short anywhere."""
        if not self._begun:
            raise SealBroken("a sealed file is cut short")
        plain = self._open(bytes(self._pending), FINAL)
        self._pending.clear()
        return plain

    async def stream(self, sealed: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The whole file, opened as it arrives; raises SealBroken rather than end early."""
        async for piece in sealed:
            if plain := self.update(piece):
                yield plain
        if plain := self.finish():
            yield plain

    def _begin(self) -> None:
        try:
            init_pull(self._state, bytes(self._pending[:HEADER_BYTES]), self._key)
        except (ValueError, RuntimeError) as exc:
            raise SealBroken("a sealed file does not begin as one, or its key is not a key") from exc
        del self._pending[:HEADER_BYTES]
        self._begun = True

    def _open(self, sealed: bytes, expected_tag: int) -> bytes:
        try:
            plain, tag = pull(self._state, sealed)
        except (ValueError, RuntimeError) as exc:
            raise SealBroken("a sealed file is damaged, cut short or under another key") from exc
        if tag != expected_tag:
            raise SealBroken("a sealed file is cut short or continues after its end")
        return plain
