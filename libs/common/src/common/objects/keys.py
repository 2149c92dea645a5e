"""Names of objects. No part of them comes from a customer."""

import re
from uuid import UUID

_EXTENSION = re.compile(r"[a-z0-9]{1,8}\Z")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}\Z")

OUTPUT_CLASS = "std"
"""The first part of an output's key: how long it lives. Lifecycle rules hang on it."""


def output_prefix(job_id: UUID, part: int | str | None = None) -> str:
    """Where all outputs of a job lie, or those of one part of it."""
    job = f"{OUTPUT_CLASS}/{job_id.hex}/"
    return job if part is None else f"{job}{_part(part)}/"


def output_key(job_id: UUID, part: int | str, index: int, ext: str) -> str:
    """One output. ``part`` is the number of the attempt that made it, or ``"s"`` when storage pulled it."""
    if index < 0 or not _EXTENSION.match(ext):
        raise ValueError("an output has an index from 0 and a plain extension")
    return f"{output_prefix(job_id, part)}{index}.{ext}"


def staging_prefix(job_id: UUID) -> str:
    """Where everything staged for a job lies; deleted when the job is final."""
    return f"staged/{job_id.hex}/"


def staging_key(job_id: UUID, name: str) -> str:
    """One staged file. ``name`` is ours (a number, a random word), never the customer's file name."""
    if not _NAME.match(name):
        raise ValueError("a staged file's name is letters, digits, dots, dashes and underscores")
    return f"{staging_prefix(job_id)}{name}"


def _part(part: int | str) -> str:
    if part != "s" and not (isinstance(part, int) and part >= 0):
        raise ValueError('part is an attempt number or "s"')
    return str(part)
