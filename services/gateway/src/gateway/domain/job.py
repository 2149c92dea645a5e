"""A job as the customer sees it: the gateway's projection of what billing has decided."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

State = Literal["submitted", "abandoned", "processing", "completed", "failed"]
Family = Literal["openai", "native"]
Kind = Literal["image", "video"]

FINAL: frozenset[str] = frozenset({"completed", "failed", "abandoned"})


@dataclass(frozen=True, slots=True)
class Output:
    """One stored output."""

    index: int
    key: str
    media_type: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """One row, as it was when it was read."""

    job_id: UUID
    account_id: UUID
    livemode: bool
    family: Family
    model: str
    kind: Kind
    parameters: dict[str, Any]
    synchronous: bool
    state: State
    outputs: tuple[Output, ...]
    reserved_microusd: int | None
    charged_microusd: int | None
    refunded_microusd: int | None
    error_code: str | None
    error_message: str | None
    body_hash: bytes
    replica: str
    callback_url: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None

    @property
    def is_final(self) -> bool:
        """It will never change again."""
        return self.state in FINAL

    @property
    def is_decided(self) -> bool:
        """Billing has said whether it holds the price."""
        return self.state != "submitted"

    @property
    def was_refused(self) -> bool:
        """It failed before anything was held."""
        return self.state == "failed" and self.reserved_microusd is None

    def has_expired(self, at: datetime) -> bool:
        """Its outputs are gone, or about to be."""
        return self.expires_at is not None and at >= self.expires_at


@dataclass(frozen=True, slots=True)
class NewJob:
    """A row about to be written. Hashes are hexadecimal."""

    job_id: UUID
    account_id: UUID
    api_key_id: UUID
    livemode: bool
    family: Family
    model: str
    kind: Kind
    mode: str
    sku: str
    quantity: int
    outputs_wanted: int
    parameters: dict[str, Any]
    synchronous: bool
    body_hash: str
    idempotency_hash: str | None
    waiter: int
    replica: str
    callback_url: str | None
    created_at: datetime
    accept_by: datetime
    deadline_ms: int
    ask_at: datetime
