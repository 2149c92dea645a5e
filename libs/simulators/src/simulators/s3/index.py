"""The one small database that says which blobs are objects: a row committed is an object, no row is no object."""

import sqlite3
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name      TEXT PRIMARY KEY,
    created_s REAL NOT NULL,
    lifecycle TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket     TEXT NOT NULL REFERENCES buckets (name),
    key        BLOB NOT NULL,
    blob       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    etag       TEXT NOT NULL,
    modified_s REAL NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id          TEXT PRIMARY KEY,
    bucket      TEXT NOT NULL REFERENCES buckets (name),
    key         BLOB NOT NULL,
    initiated_s REAL NOT NULL,
    attributes  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload     TEXT NOT NULL REFERENCES uploads (id),
    number     INTEGER NOT NULL,
    blob       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    etag       TEXT NOT NULL,
    modified_s REAL NOT NULL,
    checksums  TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""


def open_index(path: Path, *, fsync: bool) -> sqlite3.Connection:
    """Open or create the index, held by this process alone.

    Raises sqlite3.OperationalError when another process holds it. A commit survives kill -9 always, and a loss
    of power only with `fsync`.
    """
    index = sqlite3.connect(path, isolation_level=None, timeout=2.0)
    index.execute("PRAGMA locking_mode = EXCLUSIVE")
    index.execute("PRAGMA journal_mode = WAL")
    index.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'OFF'}")
    index.execute("PRAGMA cache_size = -8000")
    index.executescript(_SCHEMA)
    return index
