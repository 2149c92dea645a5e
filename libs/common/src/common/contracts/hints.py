"""Hints: they make things quicker, and nothing breaks when they are lost."""

from typing import ClassVar

from common.contracts.base import Message


class JobChanged(Message):
    """A job's row changed at one gateway replica; another may have somebody waiting for it."""

    TYPE: ClassVar[str] = "hint.job_changed"
    HINT: ClassVar[bool] = True
