"""The bytes: signed requests through aiohttp, answers turned into our errors."""

import io
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import aiohttp

from common.messaging.failures import CannotReach
from common.objects.errors import NotFound, ObjectError, Refused
from common.objects.signing import Signer, as_signed

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_LARGE_BYTES = 512 * 1024
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
# Answers that say "again, please": throttled, racing with an equal write, or the bytes were damaged on the way.
_AGAIN = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "XAmzContentSHA256Mismatch",
}


def error_of(status: int, code: str, what: str) -> Exception:
    """The error for an answer of the store that is not a success."""
    said = f"the object store answered {status} {code} to {what}"
    if status >= 500 or status == 429 or code in _AGAIN:
        return CannotReach(said)
    if status == 404:
        return NotFound(said)
    if status in {401, 403}:
        return Refused(said)
    return ObjectError(said)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Failures of the connection become CannotReach."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise CannotReach(f"the object store does not answer to {what}: {type(exc).__name__}") from exc


class Transport:
    """One pool of connections to one object store. A repeat of any request it sends is harmless."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool; connections are made when needed."""
        # aiohttp repeats a request once by itself when a kept connection turns out to be gone; that is safe here.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=20),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def stop(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def send(
        self,
        method: str,
        bucket: str,
        key: str,
        *,
        body: bytes | AsyncIterable[bytes] | None = None,
        payload_sha256: str = EMPTY_SHA256,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        total_s: float | None = None,
        accept: tuple[int, ...] = (),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; the answer is a success or one of the statuses in ``accept``.

        ``payload_sha256`` is signed and sent with the request: S3 and R2 refuse a body that does not match it.
        Raises CannotReach, NotFound, Refused or ObjectError.
        """
        assert self._session is not None, "start() the object store first"
        what = f"{method} {bucket}"
        # A large body in one piece would hold up the loop; as a file it is written piece by piece.
        data = io.BytesIO(body) if isinstance(body, bytes) and len(body) >= _LARGE_BYTES else body
        url = self._signer.url(bucket, key, query)
        signed = self._signer.headers(method, url, payload_sha256=payload_sha256, headers=headers)
        with reaching(what):
            # Asking for the answer and reading it are told apart: what the caller does in between is its own.
            answer = await self._session.request(
                method,
                as_signed(url),
                data=data,
                headers=signed,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=5, sock_read=20),
            )
        try:
            if answer.status >= 300 and answer.status not in accept:
                with reaching(what):
                    text = (await answer.content.read(4096)).decode("utf-8", "replace")
                found = _CODE.search(text)
                raise error_of(answer.status, found[1] if found else "", what)
            yield answer
        finally:
            answer.release()
