"""From a sealed request to what an upstream is sent. What is opened here stays in memory and in no log."""

import dataclasses
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from common import telemetry
from common.contracts.body import BodyInput, JobBody
from common.messaging import CannotReach
from common.objects import NotFound, ObjectError, ObjectStore, Refused, TooLarge
from common.sealing import FileOpener, Opener, SealBroken, SealError
from dispatcher.domain.jobs import Input, Job, Order
from dispatcher.routing.router import Way

MAX_INPUT_BYTES = 64 * 1024 * 1024

log = telemetry.logger(__name__)


class Unreadable(Exception):  # noqa: N818 - the fact, for the verdict
    """The sealed request, or a file of it, does not open. ``args[0]`` is the kind of failure, nothing more."""


class OpenBody:
    """A request as it was before it was sealed. Never printed."""

    __slots__ = ("inputs", "staged", "texts")

    def __init__(self, texts: Mapping[str, str], inputs: tuple[Input, ...], staged: tuple[str, ...]) -> None:
        self.texts = texts
        self.inputs = inputs
        self.staged = staged
        """Keys of the sealed files it names in the staging bucket; to be deleted when the job is final."""


class Bodies:
    """Opens sealed requests and the sealed files they name."""

    def __init__(self, opener: Opener, store: ObjectStore) -> None:
        self._opener = opener
        self._store = store

    async def open(self, job: Job, sealed: str) -> OpenBody:
        """The request of a job.

        Raises:
            Unreadable: it never will open.
            CannotReach: the object store with its files is away.
        """
        try:
            opened = self._opener.open(job.job_id, job.account_id, job.epoch, sealed, datetime.now(UTC))
            body = JobBody.model_validate(opened)
            inputs = tuple([await self._input(one) for one in body.inputs])
        except (SealError, ValidationError, NotFound, TooLarge) as error:
            # The chain is cut: a validator's message quotes what it read.
            raise Unreadable(type(error).__name__) from None
        return OpenBody(body.texts, inputs, tuple(one.key for one in body.inputs if one.key))

    async def discard(self, job: Job, staged: tuple[str, ...]) -> None:
        """Delete a final job's sealed files; the bucket's lifecycle deletes what cannot be deleted now."""
        try:
            await self._store.delete_many(self._store.staging, staged)
        except (CannotReach, ObjectError) as error:
            log.warning("staged_files_left", job_id=job.job_id.hex, reason=type(error).__name__)

    async def _input(self, one: BodyInput) -> Input:
        if one.url is not None:
            return Input(one.role, url=one.url, media_type=one.media_type)
        if one.key is None or one.file_key is None:
            raise SealBroken("an input without a source")
        opener = FileOpener(one.file_key)
        try:
            sealed = await self._store.get(self._store.staging, one.key, max_bytes=MAX_INPUT_BYTES)
        except Refused as error:
            # Our own credentials or clock: the operator can mend it before the deadline.
            raise CannotReach("object store refuses") from error
        return Input(one.role, body=opener.update(sealed) + opener.finish(), media_type=one.media_type)


def order_of(job: Job, way: Way, body: OpenBody, *, attempt_no: int, outputs: int, left_s: float) -> Order:
    """The order in the upstream's own words, for an attempt with ``left_s`` seconds until the deadline."""
    route, timeouts = way.route, way.route.timeouts
    answer_ms = timeouts.answer_ms or timeouts.submit_ms
    assert answer_ms is not None, "the catalogue gives every route one of the two"
    texts = {theirs: body.texts[name] for name, theirs in route.texts.items() if name in body.texts}
    # In the order of the route's roles, however the client sent them: some providers tell first from last by place.
    fields = route.input_fields(job.mode)
    roles = list(fields)
    inputs = sorted((one for one in body.inputs if one.field in fields), key=lambda one: roles.index(one.field))
    return Order(
        job_id=job.job_id,
        attempt_no=attempt_no,
        end_user=end_user(job),
        upstream_model=way.upstream_model(job.mode),
        fields=route.fields(job.mode, job.parameters, outputs),
        texts=texts,
        inputs=tuple(
            dataclasses.replace(one, field=field.removesuffix("[]"), many=field.endswith("[]"))
            for one, field in ((one, fields[one.field]) for one in inputs)
        ),
        outputs=outputs,
        connect_s=timeouts.connect_ms / 1000,
        timeout_s=max(0.001, min(answer_ms / 1000, left_s)),
        start_within_s=left_s,
    )


def end_user(job: Job) -> str:
    """A stable pseudonym of the account that tells an outsider nothing."""
    return hashlib.blake2b(job.account_id.bytes, person=b"reapi end user", digest_size=16).hexdigest()
