"""Google's token endpoint, for service accounts: a signed claim becomes an access token (RFC 7523)."""

import time
import uuid
from typing import Any
from urllib.parse import parse_qs

import orjson
import pybase64
from starlette.requests import Request
from starlette.responses import Response

from simulators.control import as_json
from simulators.journal import Journal

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_S = 3_600
_CLOCKS_APART_S = 300
_LIFE_S = 3_599


class Tokens:
    """Gives tokens and knows the ones it gave. It has no public keys: it reads claims, not signatures."""

    def __init__(self, journal: Journal, api_key: str | None) -> None:
        self._journal, self._api_key = journal, api_key
        self._given: set[str] = set()

    def good(self, authorization: str) -> bool:
        """Whether this header opens the door: the named token, one that was given, or any if none is named."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return False
        return self._api_key in (None, token) or token in self._given

    def forget(self) -> None:
        """No token that was given is good any more."""
        self._given.clear()

    async def exchange(self, request: Request) -> Response:
        """One grant."""
        call = self._journal.arrived("token")
        form = parse_qs((await request.body())[:65_536].decode("latin-1"))
        wrong = None
        if form.get("grant_type") != [_GRANT]:
            wrong = "unsupported_grant_type"
        elif not _holds(form.get("assertion", [""])[0]):
            wrong = "invalid_grant"
        if wrong is not None:
            call.answer(400)
            return as_json({"error": wrong, "error_description": "Invalid JWT."}, 400)
        token = f"ya29.c.{uuid.uuid4().hex}"
        self._given.add(token)
        self._journal.accepted(call)
        call.answer(200)
        return as_json({"access_token": token, "expires_in": _LIFE_S, "token_type": "Bearer"})


def _holds(assertion: str) -> bool:
    """Three parts, signed by RSA, who for what to whom, and valid now for an hour at most."""
    try:
        head, claims, signature = assertion.split(".")
        said, claimed = _read(head), _read(claims)
        issued, ends = float(claimed["iat"]), float(claimed["exp"])
        named = all(isinstance(claimed[name], str) and claimed[name] for name in ("iss", "scope", "aud"))
    except (ValueError, KeyError, TypeError):
        return False
    now = time.time()
    timely = issued <= now + _CLOCKS_APART_S and now < ends <= issued + _LONGEST_S
    return said.get("alg") == "RS256" and bool(signature) and named and timely


def _read(part: str) -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(pybase64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read
