"""Conditional requests and ranges: RFC 9110 sections 13 and 14, as far as S3 keeps to them."""

import re
from email.utils import parsedate_to_datetime

from simulators.s3.errors import S3Error, no_such_key, precondition_failed
from simulators.s3.store import StoredObject

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def _names(header: str, etag: str) -> bool:
    return any(part.strip().removeprefix("W/").strip('"') in {"*", etag} for part in header.split(","))


def _instant(header: str | None) -> float | None:
    if header is None:
        return None
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None


def require_writable(headers: dict[str, str], current: StoredObject | None) -> None:
    """Raise S3Error unless the writer's If-None-Match or If-Match holds against what is there now."""
    if (wanted_absent := headers.get("if-none-match")) is not None:
        if wanted_absent.strip() != "*":
            raise S3Error("NotImplemented", "If-None-Match of a write takes * only.")
        if current is not None:
            raise precondition_failed()
    if (wanted := headers.get("if-match")) is not None:
        if current is None:
            raise no_such_key()
        if not _names(wanted, current.etag):
            raise precondition_failed()


def unmodified(headers: dict[str, str], stored: StoredObject, prefix: str = "") -> bool:
    """Whether the answer is 304 (or, for a copy's source, 412); raises PreconditionFailed where 412 is due.

    `prefix` is put before the header names: x-amz-copy-source- for the source of a copy.
    """
    match = headers.get(f"{prefix}if-match")
    if match is not None and not _names(match, stored.etag):
        raise precondition_failed()
    since = _instant(headers.get(f"{prefix}if-unmodified-since"))
    if match is None and since is not None and int(stored.modified_s) > since:
        raise precondition_failed()
    none_match = headers.get(f"{prefix}if-none-match")
    if none_match is not None:
        return _names(none_match, stored.etag)
    since = _instant(headers.get(f"{prefix}if-modified-since"))
    return since is not None and int(stored.modified_s) <= since


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Offset and length asked for, or None for the whole; raises InvalidRange (416) when nothing lies in it."""
    match = _RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or match.group() == "bytes=-":
        return None  # several ranges, other units and nonsense are ignored: the whole object is a valid answer
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        offset = size - length
    else:
        offset = int(first)
        if last and int(last) < offset:
            return None
        length = min(int(last) + 1 if last else size, size) - offset
    if length <= 0:
        raise S3Error(
            "InvalidRange", "The requested range is not satisfiable", (("content-range", f"bytes */{size}"),)
        )
    return offset, length
