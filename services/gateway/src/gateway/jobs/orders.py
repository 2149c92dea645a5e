"""An order: what the edge has made of one request that wants a job."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from common.catalogue import Model, Request
from common.sealing import Sealed
from gateway.accounts.authentication import Caller
from gateway.domain.fallback import Fallback
from gateway.domain.job import Family


@dataclass(frozen=True, slots=True)
class Order:
    """Validated and ready to be sealed for whatever job it becomes.

    ``seal`` makes the sealed body for a job id and a moment of expiry: a repeat of a request seals its own body
    for the job it repeats. ``retry_count`` is what a stock SDK says of itself. ``quote_id`` names a price that
    billing promised, ``max_microusd`` the most the customer wants to pay, ``fallback`` what may happen when the
    preferred route fails.
    """

    job_id: UUID
    caller: Caller
    family: Family
    model: Model
    request: Request
    body_hash: bytes
    seal: Callable[[UUID, datetime], Sealed]
    synchronous: bool
    idempotency_hash: bytes | None
    retry_count: int
    callback_url: str | None
    quote_id: str | None = None
    max_microusd: int | None = None
    fallback: Fallback = field(default_factory=Fallback)
