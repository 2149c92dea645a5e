"""Quotes: a price promised for ten minutes, in a token that only we can make. Nothing is stored for one."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

LIFE = timedelta(minutes=10)
_PREFIX = "quote_"
_MAX_CHARS = 600


class InvalidQuote(ValueError):  # noqa: N818 - a fact about the request
    """We did not give this quote for this request."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One price for one account's request of this size."""

    account_id: UUID
    sku: str
    quantity: int
    price_version: int
    amount_microusd: int
    valid_until: datetime


class Quotes:
    """Signs quotes and reads them back."""

    def __init__(self, secret: str) -> None:
        # Derived, so that the same secret can serve another purpose without one token passing for the other.
        self._key = hmac.new(secret.encode(), b"reapi quotes", hashlib.sha256).digest()

    def sign(self, quote: Quote) -> str:
        """The quote's id."""
        said = orjson.dumps(
            [
                quote.account_id.hex,
                quote.sku,
                quote.quantity,
                quote.price_version,
                quote.amount_microusd,
                int(quote.valid_until.timestamp()),
            ]
        )
        return _PREFIX + base64.urlsafe_b64encode(self._mac(said) + said).decode().rstrip("=")

    def read(self, quote_id: str) -> Quote:
        """The quote, valid or expired. Raises InvalidQuote when it is not one of ours."""
        if not quote_id.startswith(_PREFIX) or len(quote_id) > _MAX_CHARS or not quote_id.isascii():
            raise InvalidQuote
        text = quote_id.removeprefix(_PREFIX)
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            raise InvalidQuote from None
        mac, said = raw[:16], raw[16:]
        if not hmac.compare_digest(mac, self._mac(said)):
            raise InvalidQuote
        account, sku, quantity, version, amount, until = orjson.loads(said)
        return Quote(UUID(account), sku, quantity, version, amount, datetime.fromtimestamp(until, UTC))

    def _mac(self, said: bytes) -> bytes:
        return hmac.new(self._key, said, hashlib.sha256).digest()[:16]
