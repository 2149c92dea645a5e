"""What all messages have in common."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Kind = Literal["image", "video"]
"""What a job makes."""


class Value(BaseModel):
    """An immutable part of a message; unknown fields are ignored, so that a newer sender is understood."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Value):
    """One fact or piece of work about one job.

    ``TYPE`` is the name on the wire and the routing key; ``VERSION`` rises only with a breaking change, and a
    consumer dead-letters versions it does not know. ``key`` is the natural key: publishing the same fact again
    carries the same message id, so a repeat is recognisable.
    """

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1
    HINT: ClassVar[bool] = False
    """True: not persistent, not mandatory, to every replica that listens. Nothing may depend on it."""

    job_id: UUID
    account_id: UUID

    @property
    def key(self) -> str:
        """Message id: stable for the same fact about the same job."""
        return f"{self.TYPE}:{self.job_id}"

    @property
    def routing_key(self) -> str:
        """Where the exchange sends it: the type, sometimes with a suffix that queues select on."""
        return self.TYPE
