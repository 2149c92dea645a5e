"""What storage says."""

from datetime import datetime
from typing import ClassVar

from common.contracts.base import Message, Value


class StoredOutput(Value):
    """One output in our bucket. ``sha256`` is ours, in hex; after ``expires_at`` the object is gone."""

    index: int
    key: str
    media_type: str
    bytes: int
    sha256: str
    expires_at: datetime


class JobStored(Message):
    """All outputs that could be had are in our bucket and indexed; billing may capture them."""

    TYPE: ClassVar[str] = "job.stored"

    wanted: int
    outputs: tuple[StoredOutput, ...]
