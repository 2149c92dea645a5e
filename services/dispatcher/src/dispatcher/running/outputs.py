"""Outputs on their way to storage: inline bytes are put once into the bucket, links are passed on."""

import asyncio

from common import telemetry
from common.contracts import GeneratedOutput
from common.messaging import CannotReach
from common.objects import NotFound, ObjectError, ObjectStore, TooLarge, digest_of, output_key, output_prefix
from dispatcher.domain.jobs import Inline, Link, Produced
from dispatcher.running.insisting import insist
from dispatcher.running.runs import Attempt, Made, Run
from dispatcher.upstreams.media import EXTENSIONS, type_of

_MAX_ADOPTED_BYTES = 64 * 1024 * 1024

log = telemetry.logger(__name__)


class Outputs:
    """Makes an attempt's outputs into something storage can work with."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def keep(self, run: Run, attempt: Attempt, produced: Produced) -> tuple[Made, ...]:
        """The outputs in order. Raises CannotReach when the object store stayed away until the deadline."""
        outputs = produced.outputs[: attempt.asked]
        return tuple(
            await asyncio.gather(
                *(self._keep(run, attempt, attempt.first_index + place, one) for place, one in enumerate(outputs))
            )
        )

    async def adopt(self, run: Run, attempt: Attempt) -> tuple[Made, ...] | None:
        """The complete set of outputs that a process put there before it died; None when it is not complete."""
        prefix = output_prefix(run.job.job_id, attempt.number)
        listed = await self._store.list_prefix(self._store.outputs, prefix, limit=2 * attempt.asked)
        keys = {key.removeprefix(prefix).partition(".")[0]: key for key in (one.key for one in listed)}
        wanted = [str(attempt.first_index + place) for place in range(attempt.asked)]
        if not all(name in keys for name in wanted):
            return None
        made = []
        for name in wanted:
            try:
                body = await self._store.get(self._store.outputs, keys[name], max_bytes=_MAX_ADOPTED_BYTES)
            except (NotFound, TooLarge):
                return None
            digest = await digest_of(body)
            made.append(_made(attempt, int(name), keys[name], body, type_of(body), digest))
        return tuple(made)

    async def _keep(self, run: Run, attempt: Attempt, index: int, one: Inline | Link) -> Made:
        if isinstance(one, Link):
            output = GeneratedOutput(index=index, url=one.url, media_type=one.media_type)
            return Made(attempt.way.provider, output)
        key = output_key(run.job.job_id, attempt.number, index, EXTENSIONS[one.media_type])
        digest = await digest_of(one.body)

        async def put() -> bool:
            try:
                return await self._store.put(self._store.outputs, key, one.body, one.media_type, sha256=digest)
            except ObjectError as error:
                # Our own credentials, clock or bucket: the operator can mend it before the deadline.
                kind = type(error).__name__
                log.error("object_store_refuses", job_id=run.job.job_id.hex, error=kind)  # noqa: TRY400 - no news
                raise CannotReach("object store refuses") from error

        await insist("output", put, run.deadline)
        return _made(attempt, index, key, one.body, one.media_type, digest)


def _made(attempt: Attempt, index: int, key: str, body: bytes, media_type: str | None, digest: str) -> Made:  # noqa: PLR0917
    output = GeneratedOutput(index=index, key=key, media_type=media_type, bytes=len(body), sha256=digest)
    return Made(attempt.way.provider, output)
