"""Ids: UUIDv7 made here (older PostgreSQL has no generator), shown to customers with a prefix."""

import re
from uuid import UUID

import uuid_utils.compat

_PUBLIC = re.compile(r"(?:task|video|img)_([0-9a-f]{32})\Z")


def new_id() -> UUID:
    """A new time-ordered UUID (version 7)."""
    return uuid_utils.compat.uuid7()


def new_job_id() -> UUID:
    """The id of a new job; customers see it as a task or a video."""
    return new_id()


def task_id(job_id: UUID) -> str:
    """The native family's name of a job."""
    return f"task_{job_id.hex}"


def video_id(job_id: UUID) -> str:
    """The OpenAI family's name of a video job."""
    return f"video_{job_id.hex}"


def parse_public_id(text: str) -> UUID | None:
    """The job behind a public id of either family; None for anything else."""
    match = _PUBLIC.match(text)
    return UUID(hex=match[1]) if match else None
