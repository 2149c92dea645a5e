"""How an error nobody foresaw is put into the log."""

import traceback
from collections.abc import Iterator
from typing import Any

_DRIVERS = {"psycopg", "sqlalchemy"}


def told(error: BaseException) -> dict[str, Any]:
    """Fields for a log line: the whole traceback, but of a database's error only kinds and places.

    Its text may quote what a statement was given or what a row holds (``DETAIL: Key (x)=(value)``), and so may that
    of any error around it.
    """
    chain = list(_chain(error))
    if not any(_is_of_a_database(one) for one in chain):
        return {"exc_info": error}
    return {
        "kinds": [type(one).__qualname__ for one in chain],
        "places": [_place(frame) for one in reversed(chain) for frame in traceback.extract_tb(one.__traceback__)],
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, those in it, and what led to them; each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [before for before in (one.__cause__, one.__context__) if before is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _is_of_a_database(error: BaseException) -> bool:
    # By name: this module serves processes that never load a driver.
    return any(kind.__module__.partition(".")[0] in _DRIVERS for kind in type(error).__mro__)


def _place(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno} {frame.name}"
