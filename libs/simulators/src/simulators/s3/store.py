"""Buckets and objects: whole or absent, at every instant and after any kill."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from simulators.s3.blobs import Blobs
from simulators.s3.errors import no_such_bucket, no_such_key
from simulators.s3.index import open_index

_CEILING = b"\xff"  # sorts after every UTF-8 text


@dataclass(slots=True)
class Attributes:
    """What a writer says about an object besides its bytes."""

    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        """As one JSON text."""
        return json.dumps([self.headers, self.metadata, self.checksums], separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> "Attributes":
        """The inverse of `dump`."""
        return cls(*json.loads(text))


@dataclass(slots=True, frozen=True)
class StoredObject:
    """One object; `attributes` stays packed until somebody asks."""

    blob: str
    size: int
    etag: str
    modified_s: float
    attributes: str


@dataclass(slots=True, frozen=True)
class Entry:
    """One line of a listing."""

    key: bytes
    size: int
    etag: str
    modified_s: float


class Store:
    """Every method is one atomic step, because one thread runs them and none waits for anything."""

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.fsync = fsync
        self.index = open_index(root / "index.sqlite3", fsync=fsync)
        self.blobs = Blobs(root / "blobs")
        self._buckets: dict[str, float] = dict(self.index.execute("SELECT name, created_s FROM buckets"))

    def buckets(self) -> list[tuple[str, float]]:
        """Names and times of creation, by name."""
        return sorted(self._buckets.items())

    def has_bucket(self, bucket: str) -> bool:
        """Whether the bucket exists."""
        return bucket in self._buckets

    def require_bucket(self, bucket: str) -> None:
        """Raise NoSuchBucket unless it exists."""
        if bucket not in self._buckets:
            raise no_such_bucket()

    def create_bucket(self, bucket: str) -> bool:
        """Create an empty bucket; False when it was there already."""
        if bucket in self._buckets:
            return False
        now_s = time.time()
        self.index.execute("INSERT INTO buckets (name, created_s) VALUES (?, ?)", (bucket, now_s))
        self._buckets[bucket] = now_s
        return True

    def delete_bucket(self, bucket: str) -> bool:
        """Remove a bucket that holds no object; False when it holds one."""
        if self.index.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,)).fetchone():
            return False
        self.index.execute("DELETE FROM buckets WHERE name = ?", (bucket,))
        del self._buckets[bucket]
        return True

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """The object under this key, if there is one."""
        row = self.index.execute(
            "SELECT blob, size, etag, modified_s, attributes FROM objects WHERE bucket = ? AND key = ?",
            (bucket, key.encode()),
        ).fetchone()
        return None if row is None else StoredObject(*row)

    def get(self, bucket: str, key: str) -> StoredObject:
        """The object under this key; raises NoSuchBucket or NoSuchKey."""
        self.require_bucket(bucket)
        found = self.find(bucket, key)
        if found is None:
            raise no_such_key()
        return found

    def put(self, bucket: str, key: str, stored: StoredObject) -> None:
        """Make a finished blob the object under this key; an earlier one is gone from the same instant."""
        earlier = self.find(bucket, key)
        self.index.execute(
            "INSERT OR REPLACE INTO objects (bucket, key, blob, size, etag, modified_s, attributes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (bucket, key.encode(), stored.blob, stored.size, stored.etag, stored.modified_s, stored.attributes),
        )
        if earlier is not None:
            self.blobs.remove(earlier.blob)

    def delete(self, bucket: str, key: str) -> bool:
        """Remove an object; False when there was none."""
        row = self.index.execute(
            "DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING blob", (bucket, key.encode())
        ).fetchone()
        if row is None:
            return False
        self.blobs.remove(row[0])
        return True

    def entries(self, bucket: str, prefix: bytes, after: bytes, limit: int) -> list[Entry]:
        """At most `limit` entries under a prefix with keys greater than `after`, in byte order."""
        rows = self.index.execute(
            "SELECT key, size, etag, modified_s FROM objects"
            " WHERE bucket = ? AND key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?",
            (bucket, prefix, prefix + _CEILING, after, limit),
        )
        return [Entry(*row) for row in rows]

    def older_than(self, bucket: str, prefix: bytes, modified_s: float, limit: int) -> list[str]:
        """Keys under a prefix whose objects were last written at or before a time."""
        rows = self.index.execute(
            "SELECT key FROM objects WHERE bucket = ? AND key >= ? AND key < ? AND modified_s <= ? LIMIT ?",
            (bucket, prefix, prefix + _CEILING, modified_s, limit),
        )
        return [row[0].decode() for row in rows]

    def lifecycle(self, bucket: str) -> str:
        """The bucket's lifecycle rules as JSON."""
        self.require_bucket(bucket)
        text: str = self.index.execute("SELECT lifecycle FROM buckets WHERE name = ?", (bucket,)).fetchone()[0]
        return text

    def set_lifecycle(self, bucket: str, rules: str) -> None:
        """Replace the bucket's lifecycle rules."""
        self.require_bucket(bucket)
        self.index.execute("UPDATE buckets SET lifecycle = ? WHERE name = ?", (rules, bucket))

    def count(self) -> int:
        """How many objects there are, in all buckets."""
        number: int = self.index.execute("SELECT count(*) FROM objects").fetchone()[0]
        return number

    def sweep_orphans(self) -> int:
        """Remove blobs that a killed process left without a row, and say how many; only before the first request."""
        named = {row[0] for row in self.index.execute("SELECT blob FROM objects UNION ALL SELECT blob FROM parts")}
        removed = 0
        for shard in range(256):
            for name in self.blobs.names(shard):
                if name not in named:
                    self.blobs.remove(name)
                    removed += 1
        return removed

    def close(self) -> None:
        """Leave the index to the next process."""
        self.index.close()
