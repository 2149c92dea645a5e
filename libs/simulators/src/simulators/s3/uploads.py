"""Multipart uploads in the making: parts are kept, but no object exists until the upload is completed."""

import json
import secrets
import time
from dataclasses import dataclass

from simulators.s3.errors import no_such_upload
from simulators.s3.store import Store


@dataclass(slots=True, frozen=True)
class Upload:
    """An upload begun and neither completed nor aborted."""

    id: str
    bucket: str
    key: str
    initiated_s: float
    attributes: str


@dataclass(slots=True, frozen=True)
class Part:
    """One part of an upload; a part sent again replaces the earlier one."""

    number: int
    blob: str
    size: int
    etag: str
    modified_s: float
    checksums: dict[str, str]


class Uploads:
    """The uploads of a store; every method is one atomic step, as in Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = store.index

    def begin(self, bucket: str, key: str, attributes: str) -> str:
        """Begin an upload and return its id."""
        self._store.require_bucket(bucket)
        upload_id = secrets.token_hex(24)
        self._index.execute(
            "INSERT INTO uploads (id, bucket, key, initiated_s, attributes) VALUES (?, ?, ?, ?, ?)",
            (upload_id, bucket, key.encode(), time.time(), attributes),
        )
        return upload_id

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """An upload by its full name; raises NoSuchBucket or NoSuchUpload."""
        self._store.require_bucket(bucket)
        row = self._index.execute(
            "SELECT initiated_s, attributes FROM uploads WHERE id = ? AND bucket = ? AND key = ?",
            (upload_id, bucket, key.encode()),
        ).fetchone()
        if row is None:
            raise no_such_upload()
        return Upload(upload_id, bucket, key, *row)

    def put_part(self, upload: Upload, part: Part) -> None:
        """Keep a finished blob as a part; raises NoSuchUpload when the upload ended meanwhile."""
        self.get(upload.bucket, upload.key, upload.id)
        earlier = self._index.execute(
            "SELECT blob FROM parts WHERE upload = ? AND number = ?", (upload.id, part.number)
        ).fetchone()
        self._index.execute(
            "INSERT OR REPLACE INTO parts (upload, number, blob, size, etag, modified_s, checksums)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (upload.id, part.number, part.blob, part.size, part.etag, part.modified_s, json.dumps(part.checksums)),
        )
        if earlier is not None:
            self._store.blobs.remove(earlier[0])

    def parts(self, upload: Upload, after: int = 0, limit: int = 10_000) -> list[Part]:
        """Parts with numbers greater than `after`, in order."""
        rows = self._index.execute(
            "SELECT number, blob, size, etag, modified_s, checksums FROM parts"
            " WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
            (upload.id, after, limit),
        )
        return [
            Part(number, blob, size, etag, modified_s, json.loads(checksums))
            for number, blob, size, etag, modified_s, checksums in rows
        ]

    def end(self, upload_id: str) -> None:
        """Forget an upload and its parts."""
        blobs = [row[0] for row in self._index.execute("SELECT blob FROM parts WHERE upload = ?", (upload_id,))]
        self._index.execute("BEGIN")
        self._index.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
        self._index.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))
        self._index.execute("COMMIT")
        for blob in blobs:
            self._store.blobs.remove(blob)

    def of_bucket(self, bucket: str, prefix: str = "", limit: int = 1000) -> list[Upload]:
        """Uploads under way, by key and then by age."""
        self._store.require_bucket(bucket)
        rows = self._index.execute(
            "SELECT id, bucket, key, initiated_s, attributes FROM uploads"
            " WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key, initiated_s LIMIT ?",
            (bucket, prefix.encode(), prefix.encode() + b"\xff", limit),
        )
        return [Upload(row[0], row[1], row[2].decode(), row[3], row[4]) for row in rows]

    def older_than(self, bucket: str, prefix: str, initiated_s: float, limit: int) -> list[str]:
        """Ids of uploads under a prefix begun at or before a time."""
        rows = self._index.execute(
            "SELECT id FROM uploads WHERE bucket = ? AND key >= ? AND key < ? AND initiated_s <= ? LIMIT ?",
            (bucket, prefix.encode(), prefix.encode() + b"\xff", initiated_s, limit),
        )
        return [row[0] for row in rows]
