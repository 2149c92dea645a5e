"""What the dispatcher says."""

from datetime import datetime
from typing import ClassVar, Literal

from common.contracts.base import Kind, Message, Value


class GeneratedOutput(Value):
    """One output as the upstream gave it.

    Exactly one of ``url`` (storage pulls it) and ``key`` (the dispatcher has put inline bytes there; size and
    sha256 are then known) is set. ``index`` is its place in the answer, 0-based.
    """

    index: int
    url: str | None = None
    key: str | None = None
    media_type: str | None = None
    bytes: int | None = None
    sha256: str | None = None


class JobGenerated(Message):
    """The upstream delivered at least one output.

    ``origins`` are the origins besides public ones that these outputs may be pulled from. ``wanted`` is how many
    outputs the hold covers; fewer delivered ones release the rest. ``most_ms`` and ``most_edge`` bound a film's
    length and its shorter edge in pixels, where the price rests on what the customer said of a source: what is more
    was not paid for.
    """

    TYPE: ClassVar[str] = "job.generated"

    model: str
    kind: Kind
    provider: str
    wanted: int
    outputs: tuple[GeneratedOutput, ...]
    origins: tuple[str, ...] = ()
    deadline_at: datetime
    most_ms: int | None = None
    most_edge: int | None = None


class JobFailed(Message):
    """No output will come: all routes tried, a refusal, the deadline, or outputs that could not be stored.

    ``message`` is our own sentence for ``code``; an upstream's text is never carried, for it may quote the
    request.
    """

    TYPE: ClassVar[str] = "job.failed"

    stage: Literal["dispatcher", "storage"]
    code: str
    message: str
