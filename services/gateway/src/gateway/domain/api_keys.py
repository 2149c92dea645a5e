"""API keys: made once, shown once, kept as a keyed digest."""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass

LIVE_PREFIX = "rk_live_"
_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 40
_SHAPE = re.compile(r"rk_live_[A-Za-z0-9]{40}\Z")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that nobody has seen yet."""

    secret: str
    prefix: str
    last_four: str


def make_key() -> NewKey:
    """A new live key with 238 bits of chance in it."""
    secret = LIVE_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return NewKey(secret, LIVE_PREFIX, secret[-4:])


def looks_like_key(text: str) -> bool:
    """False for what cannot be one of ours; saves a question to the database."""
    return _SHAPE.match(text) is not None


def digest(secret: str, pepper: bytes) -> bytes:
    """What the database keeps: useless without the pepper, and comparable by an index."""
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)
