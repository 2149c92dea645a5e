"""Key epochs: a key seals for a day and opens for three, then nobody can read what it sealed.

A directory holds ``private.json`` (dispatchers; mode 0600) and ``public.json`` (gateways), each a list of
``{epoch, not_before, key}`` in order of time. The private file is the truth and is always written first: whoever
opens knows a key before anybody seals to it. A key is made a whole epoch ahead, for the same reason.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pybase64
from nacl.public import PrivateKey

from common.sealing.errors import SealKeyGone

SEALS_FOR = timedelta(hours=24)
KEPT_FOR = timedelta(hours=72)
LEAD = timedelta(hours=1)
"""A key made late (rotation had stopped) still waits this long, so that dispatchers have it first."""

PUBLIC = "public.json"
PRIVATE = "private.json"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One key, private or public, and the moment from which sealers use it."""

    name: str
    not_before: datetime
    key: bytes


def load(path: Path) -> tuple[Epoch, ...]:
    """The epochs in a key file, oldest first; none when there is no file. Raises SealKeyGone when unreadable."""
    try:
        rows = orjson.loads(path.read_bytes())
        return tuple(
            Epoch(
                name=row["epoch"],
                not_before=datetime.fromisoformat(row["not_before"]),
                key=pybase64.b64decode(row["key"], validate=True),
            )
            for row in rows
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SealKeyGone(f"the key file {path.name} cannot be read: {type(exc).__name__}") from exc


def rotate(directory: Path, now: datetime) -> tuple[Epoch, ...]:
    """Leave exactly one key ahead of time and none older than KEPT_FOR; harmless to repeat, safe to race.

    Returns the private epochs as they are now. Destroying a key is what makes old bodies unreadable: they may
    still lie in a backup of a queue, but no key of theirs exists.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(directory):
        epochs = list(load(directory / PRIVATE))
        if not epochs:
            epochs.append(_make(not_before=now))
        newest = epochs[-1].not_before
        if newest <= now:
            epochs.append(_make(not_before=max(newest + SEALS_FOR, now + LEAD)))
        current = max((e.not_before for e in epochs if e.not_before <= now), default=now)
        # The epoch in use stays even when rotation was forgotten for days: sealers have no other.
        kept = tuple(e for e in epochs if e.not_before >= current or e.not_before + KEPT_FOR > now)
        _replace(directory / PRIVATE, kept, mode=0o600)
        _replace(directory / PUBLIC, tuple(_public(e) for e in kept), mode=0o644)
    return kept


def _make(*, not_before: datetime) -> Epoch:
    moment = not_before.astimezone(UTC)
    return Epoch(
        name=f"{moment:%Y%m%dT%H%M}-{secrets.token_hex(4)}",
        not_before=moment,
        key=bytes(PrivateKey.generate()),
    )


def _public(epoch: Epoch) -> Epoch:
    return Epoch(epoch.name, epoch.not_before, bytes(PrivateKey(epoch.key).public_key))


def _replace(path: Path, epochs: Sequence[Epoch], *, mode: int) -> None:
    """Write the file whole or not at all; readers see the old one or the new one."""
    rows = [
        {"epoch": e.name, "not_before": e.not_before.isoformat(), "key": pybase64.b64encode(e.key).decode()}
        for e in epochs
    ]
    text = orjson.dumps(rows, option=orjson.OPT_INDENT_2)
    if path.exists() and path.read_bytes() == text:
        return
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # an earlier umask or a left-over file must not decide
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two rotations at once would each make a key and one would be lost."""
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
