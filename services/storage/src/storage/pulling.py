"""Streams an output from a provider into our bucket; never more than two chunks of it in memory."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from common.contracts import GeneratedOutput, JobGenerated
from common.egress import EgressPolicy, EgressRefused, GuardedSession, guarded_session
from common.failpoints import reach
from common.messaging import CannotReach
from common.objects import ObjectError, ObjectStore, ShortStream, TooLarge, Written, output_key
from storage.domain.measure import Measured, MoreThanDeclared
from storage.domain.media import HEAD_BYTES, Kept, NotMedia, sniff
from storage.domain.wholeness import Outline, outline

CHUNK_BYTES = 256 * 1024
MAX_REDIRECTS = 3
TURN_S = 4.0
"""How long a pull waits for its turn before it makes room for other work."""
_AGAIN = frozenset({408, 425, 429})
_PERHAPS_LATER = frozenset({403, 404})


class Lost(Exception):  # noqa: N818 - an answer, not a defect
    """It will never come: gone, no media, torn, empty, too large, or at an address that may not be reached."""


class NotThere(Lost):
    """The host knows no such output, or shows it to nobody; a CDN may say so for the first seconds."""


class TooMuch(Lost):
    """It is longer or larger than what was paid for: the customer's word for the source was not true."""


class NotYet(Exception):  # noqa: N818
    """It may come on another try; that it did not is the provider's fault."""


class NoTurn(NotYet):
    """Too many pulls are going on; nobody's fault."""


class Puller:
    """Fetches through the egress guard: public addresses, and the origins a provider is configured with.

    Bounds: ``max_per_provider`` pulls at a time, so that one provider's hanging media host holds up nobody else;
    ``max_unsized`` of outputs that do not say their length, for those are buffered in parts of 8 MiB.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        timeout_s: float,
        read_timeout_s: float,
        max_image_bytes: int,
        max_video_bytes: int,
        max_per_provider: int,
        max_unsized: int,
    ) -> None:
        self._objects = objects
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=3.0, sock_read=read_timeout_s)
        self._max_bytes = {"image": max_image_bytes, "video": max_video_bytes}
        self._turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(max_per_provider))
        self._unsized = asyncio.Semaphore(max_unsized)
        self._sessions: dict[tuple[str, ...], GuardedSession] = {}

    async def pull(self, event: JobGenerated, output: GeneratedOutput) -> Kept:
        """Copy one output.

        Raises:
            Lost, NotYet: the provider's doing, but for NoTurn.
            CannotReach: our own object store is away, or refuses us: neither is the job's fault.
        """
        try:
            async with _turn(self._turns[event.provider]):
                return await self._copy(event, output)
        except EgressRefused as error:
            raise Lost(f"refused address: {error}") from None
        except MoreThanDeclared as error:
            raise TooMuch(str(error)) from None
        except (NotMedia, TooLarge) as error:
            raise Lost(str(error)) from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.TooManyRedirects, ValueError) as error:
            raise Lost(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, ShortStream) as error:
            raise NotYet(type(error).__name__) from None
        except ObjectError as error:
            raise CannotReach(str(error)) from None

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    async def _copy(self, event: JobGenerated, output: GeneratedOutput) -> Kept:
        url = URL(output.url or "", encoded=True)
        async with self._session(event.origins).get(
            url, timeout=self._timeout, allow_redirects=True, max_redirects=MAX_REDIRECTS
        ) as response:
            _judge(response.status)
            length, limit = response.content_length, self._max_bytes[event.kind]
            if length is not None and length > limit:
                raise Lost(f"{length} bytes are more than the {limit} a {event.kind} may have")
            chunks = response.content.iter_chunked(CHUNK_BYTES)
            head = await _head(chunks)
            media_type, extension = sniff(head, event.kind)
            key = output_key(event.job_id, "s", output.index, extension)
            watching = _watching(event, media_type)

            async def put() -> Written:
                return await self._objects.put_stream(
                    self._objects.outputs,
                    key,
                    _whole(head, chunks, watching),
                    media_type,
                    length=length,
                    max_bytes=limit,
                )

            if length is not None:
                written = await put()
            else:
                async with _turn(self._unsized):
                    written = await put()
        return Kept(key, media_type, written.size_bytes, written.sha256)

    def _session(self, origins: tuple[str, ...]) -> GuardedSession:
        # One session per set of allowed origins, so that a pooled connection never serves a stricter request.
        session = self._sessions.get(origins)
        if session is None:
            session = self._sessions[origins] = guarded_session(EgressPolicy.parse(origins=origins))
        return session


def _watching(event: JobGenerated, media_type: str) -> Outline:
    """What watches over the output; one whose price rests on its length must be of a kind that can be measured."""
    if event.most_ms is None or event.most_edge is None:
        return outline(media_type)
    if media_type not in {"video/mp4", "video/quicktime"}:
        raise Lost(f"{media_type} cannot be measured")
    return Measured(event.most_ms, event.most_edge)


def _judge(status: int) -> None:
    if status in _AGAIN or status >= 500:
        raise NotYet(f"answered {status}")
    if status in _PERHAPS_LATER:
        raise NotThere(f"answered {status}")
    if status != 200:
        raise Lost(f"answered {status}")


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        await asyncio.wait_for(turns.acquire(), TURN_S)
    except TimeoutError:
        raise NoTurn("too many pulls at a time") from None
    try:
        yield
    finally:
        turns.release()


async def _head(chunks: AsyncIterator[bytes]) -> bytes:
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    if not head:
        raise Lost("empty")
    return head


async def _whole(head: bytes, chunks: AsyncIterator[bytes], watching: Outline) -> AsyncIterator[bytes]:
    """The stream. Its last piece is held back until all of it is known to be whole: no torn one is ever stored."""
    held = head
    watching.see(head)
    async for chunk in chunks:
        yield held
        reach("S1")
        held = chunk
        watching.see(chunk)
    watching.check()
    yield held
