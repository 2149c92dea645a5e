"""The values the dispatcher works with: what was ordered, which routes lead there, what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Kind = Literal["image", "video"]


@dataclass(frozen=True, slots=True)
class Job:
    """A parked job, without its body: the sealed request stays in the row until it is needed."""

    job_id: UUID
    account_id: UUID
    model: str
    kind: Kind
    mode: str
    outputs: int
    parameters: Mapping[str, Any]
    epoch: str
    deadline_at: datetime
    synchronous: bool
    livemode: bool
    replica: str
    lossy: tuple[str, ...] = ()
    """Parameters that the customer lets a route ignore, for an answer instead of none."""
    failover: bool = True
    """Whether another route may be tried than the one that is preferred."""


@dataclass(frozen=True, slots=True)
class Input:
    """A picture, video or sound that came with the request: by URL, or its bytes.

    ``field`` is the upstream's name for it (a field, or a role), as the route says; ``many`` says that the field
    takes a list.
    """

    field: str
    url: str | None = None
    body: bytes | None = None
    media_type: str | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What one attempt asks of one upstream, in the upstream's own words.

    Lives in memory only, for as long as the submit takes.
    """

    job_id: UUID
    attempt_no: int
    end_user: str
    """A stable pseudonym of the account, for providers that want to tell abusers apart."""
    upstream_model: str
    """The upstream's id of the model, or its endpoint."""
    fields: Mapping[str, Any]
    """Parameters under the upstream's names."""
    texts: Mapping[str, str]
    """The customer's texts under the upstream's names; the prompt is among them."""
    inputs: tuple[Input, ...]
    outputs: int
    """How many outputs this call shall give."""
    connect_s: float
    timeout_s: float
    """For the submit's answer, connecting included."""
    start_within_s: float
    """After that nobody wants the result any more."""
    callback_url: str | None = None
    """Where the provider may say that something changed; it has a token that nobody can guess."""


@dataclass(frozen=True, slots=True)
class Inline:
    """One output as bytes, type found by looking at them."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Link:
    """One output by URL, to be pulled by storage."""

    url: str
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Produced:
    """What an upstream delivered: at least one output."""

    outputs: tuple[Inline | Link, ...]
    cost_microusd: int | None = None
    """What the provider says it charged for all of it."""


KEY_LABEL = "_key"
"""In an accepted order's reference: which of our keys it was placed with."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An asynchronous upstream took the order. ``reference`` is all that is needed to ask for it again.

    Its names are the adapter's own; those that begin with an underscore are kept for the runner.
    """

    upstream_id: str
    reference: Mapping[str, str]
    wish_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Not ready yet; ``wish_s`` is how long the provider wants to be left alone."""

    wish_s: float | None = None
