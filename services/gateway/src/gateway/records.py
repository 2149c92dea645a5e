"""Batches as one JSON parameter: PostgreSQL takes it apart faster than a driver writes twenty arrays."""

from collections.abc import Sequence
from typing import Any

import orjson


def as_records(items: Sequence[Any]) -> str:
    """A batch for ``json_to_recordset``: dataclasses or dicts, UUIDs and datetimes become text."""
    return orjson.dumps(list(items)).decode()
