"""Listings of a bucket: pages in byte order, with common prefixes rolled up."""

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import quote

from simulators.s3.documents import Fields, document, iso
from simulators.s3.errors import S3Error
from simulators.s3.shelf import Shelf
from simulators.s3.store import Entry, Store
from simulators.s3.wire import Request, Response

PAGE = 1000
AFTER_ALL = b"\xff"  # sorts behind every key that goes on from here


@dataclass(slots=True)
class Page:
    """One page of a listing; when `truncated`, the next one holds what is greater than `cursor`."""

    entries: list[Entry] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    cursor: bytes = b""
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.entries) + len(self.prefixes)


def page_of(store: Store, bucket: str, *, prefix: bytes, delimiter: bytes, after: bytes, limit: int) -> Page:
    """At most `limit` keys and common prefixes greater than `after`."""
    page, more = Page(cursor=after), limit > 0
    while more:
        more = False
        for entry in store.entries(bucket, prefix, page.cursor, limit - len(page) + 1):
            if entry.key <= page.cursor:
                continue  # inside a common prefix that is on the page already
            if len(page) == limit:
                page.truncated = True
                return page
            end = entry.key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                page.entries.append(entry)
                page.cursor = entry.key
            else:
                page.prefixes.append(entry.key[: end + len(delimiter)])
                page.cursor = page.prefixes[-1] + AFTER_ALL
            more = True
    return page


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise S3Error("InvalidArgument", "Provided max-keys not an integer or within integer range")
    return min(int(text), PAGE)


def _lines(page: Page, *, encoded: bool) -> list[tuple[str, str | int | bool | Fields]]:
    def shown(key: bytes) -> str:
        return quote(key, safe="/") if encoded else key.decode()

    lines: list[tuple[str, str | int | bool | Fields]] = []
    for entry in page.entries:
        fields: Fields = [
            ("Key", shown(entry.key)),
            ("LastModified", iso(entry.modified_s)),
            ("ETag", f'"{entry.etag}"'),
            ("Size", entry.size),
            ("StorageClass", "STANDARD"),
        ]
        lines.append(("Contents", fields))
    lines.extend(("CommonPrefixes", [("Prefix", shown(prefix))]) for prefix in page.prefixes)
    return lines


async def list_objects(shelf: Shelf, request: Request) -> Response:
    """ListObjectsV2, and version 1 for those who still ask it."""
    query = request.query
    shelf.store.require_bucket(request.bucket)
    version_2 = query.get("list-type") == "2"
    encoding = query.get("encoding-type")
    if encoding not in {None, "url"}:
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _limit(query.get("max-keys", str(PAGE)))
    token = query.get("continuation-token") if version_2 else None
    start = query.get("start-after" if version_2 else "marker", "")
    after = start.encode()
    if token is not None:
        try:
            after = base64.urlsafe_b64decode(token.encode())
        except (binascii.Error, ValueError):
            raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
    elif not version_2 and delimiter and start.endswith(delimiter):
        after += AFTER_ALL  # version 1 goes on behind a common prefix by naming it
    page = page_of(
        shelf.store,
        request.bucket,
        prefix=prefix.encode(),
        delimiter=delimiter.encode(),
        after=after,
        limit=limit,
    )

    def shown(text: str) -> str:
        return quote(text, safe="/") if encoding else text

    fields: list[tuple[str, str | int | bool | Fields]] = [
        ("Name", request.bucket),
        ("Prefix", shown(prefix)),
        ("MaxKeys", limit),
        ("IsTruncated", page.truncated),
    ]
    if delimiter:
        fields.append(("Delimiter", shown(delimiter)))
    if encoding:
        fields.append(("EncodingType", encoding))
    if version_2:
        fields.append(("KeyCount", len(page)))
        if token is not None:
            fields.append(("ContinuationToken", token))
        if start:
            fields.append(("StartAfter", shown(start)))
        if page.truncated:
            fields.append(("NextContinuationToken", base64.urlsafe_b64encode(page.cursor).decode()))
    else:
        fields.append(("Marker", shown(start)))
        if page.truncated:
            fields.append(("NextMarker", shown(page.cursor.removesuffix(AFTER_ALL).decode())))
    return Response.xml(document("ListBucketResult", [*fields, *_lines(page, encoded=encoding == "url")]))
