"""Everything the simulated account has, in memory and in one SQLite file, so that a restart forgets nothing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

Object = dict[str, Any]

_SCHEMA = """
create table if not exists objects (seq integer primary key, id text not null unique, doc text not null);
create table if not exists answers (key text primary key, asked text not null, status integer not null, body blob);
"""


class Store:
    """Objects by id, in the order they were made; `commit` makes what was put last.

    `path` None keeps it all in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._file.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + _SCHEMA)
        self._objects: dict[str, Object] = {}
        self._by_kind: dict[str, dict[str, Object]] = {}
        self._changed: dict[str, None] = {}
        self._answers: list[tuple[str, str, int, bytes]] = []
        for (doc,) in self._file.execute("select doc from objects order by seq"):
            self._remember(orjson.loads(doc))

    def put(self, one: Object) -> Object:
        """Keep an object, new or changed."""
        self._remember(one)
        self._changed[one["id"]] = None
        return one

    def get(self, kind: str, identity: str) -> Object | None:
        """One object."""
        return self._by_kind.get(kind, {}).get(identity)

    def any(self, identity: str) -> Object | None:
        """One object of whatever kind."""
        return self._objects.get(identity)

    def all(self, kind: str, **equal: Any) -> Iterator[Object]:
        """Objects of one kind whose fields have these values, newest first."""
        for one in reversed(list(self._by_kind.get(kind, {}).values())):
            if all(one.get(name) == value for name, value in equal.items()):
                yield one

    def answer(self, key: str) -> tuple[str, int, bytes] | None:
        """What was asked under an idempotency key, and what was answered."""
        row = self._file.execute("select asked, status, body from answers where key = ?", (key,)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def keep_answer(self, key: str, asked: str, status: int, body: bytes) -> None:
        """Remember an answer for the next call with its key; it lasts together with what was put."""
        self._answers.append((key, asked, status, body))

    def forget(self, identity: str) -> None:
        """Drop an object that was put and is not to be after all."""
        one = self._objects.pop(identity)
        del self._by_kind[one["object"]][identity]
        self._changed.pop(identity, None)

    def commit(self) -> None:
        """Make what was put last."""
        if not self._changed and not self._answers:
            return
        rows = [(identity, orjson.dumps(self._objects[identity]).decode()) for identity in self._changed]
        self._changed.clear()
        answers, self._answers = self._answers, []
        with self._file:
            self._file.execute("begin")
            self._file.executemany("insert or replace into answers values (?, ?, ?, ?)", answers)
            self._file.executemany(
                "insert into objects (id, doc) values (?, ?) on conflict (id) do update set doc = excluded.doc", rows
            )

    def clear(self) -> None:
        """Forget everything."""
        self._objects.clear()
        self._by_kind.clear()
        self._changed.clear()
        self._answers.clear()
        self._file.executescript("delete from objects; delete from answers;")

    def close(self) -> None:
        """Close the file."""
        self.commit()
        self._file.close()

    def _remember(self, one: Object) -> None:
        self._objects[one["id"]] = one
        self._by_kind.setdefault(one["object"], {})[one["id"]] = one
