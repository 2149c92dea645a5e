"""What opens Google Cloud's doors: an access token, given as it is or earned with a service account's key.

``UPSTREAM_VERTEX_API_KEY`` (or that of another provider on Google Cloud) is either an access token, which lives an
hour, or the content of a service account's JSON file. The file's key signs a claim (RFC 7523), and its ``token_uri``
gives a token for it; neither the key nor the claim goes anywhere else.
"""

import asyncio
import time
from urllib.parse import urlencode

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.upstreams.client import Client

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_LIFE_S = 3_600
_RENEW_BEFORE_S = 300.0
_MOST_PATIENCE_S = 5.0


class GoogleToken:
    """The token of one account, renewed five minutes before it ends; however many want it, one asks."""

    def __init__(self, client: Client, secret: str) -> None:
        self._client = client
        self._secret = secret
        self._token: str | None = None if secret.startswith("{") else secret
        self._good_until = float("inf") if self._token else 0.0
        self._renewing = asyncio.Lock()

    async def bearer(self, timeout_s: float) -> str:
        """The value of an ``authorization`` header.

        Raises:
            UpstreamFailed: auth (the key is refused or makes no sense), or unavailable. Never ambiguous: no order
                has been sent.
        """
        async with self._renewing:
            if self._token is None or time.monotonic() >= self._good_until - _RENEW_BEFORE_S:
                await self._renew(min(timeout_s, _MOST_PATIENCE_S))
            return f"Bearer {self._token}"

    def refused(self, bearer: str) -> None:
        """This one was refused: an earned token may have been revoked, so the next call earns a new one."""
        if self._secret.startswith("{") and bearer == f"Bearer {self._token}":
            self._token = None

    async def _renew(self, timeout_s: float) -> None:
        # Only who has such a key pays the 7 MiB for the cryptography.
        from dispatcher.upstreams.service_account import claim

        try:
            url, claimed = claim(self._secret)
        except ValueError:
            raise UpstreamFailed(FailureClass.AUTH, "bad_service_account") from None
        try:
            answer = await self._client.send(
                "POST",
                url,
                headers={"content-type": "application/x-www-form-urlencoded"},
                body=urlencode({"grant_type": _GRANT, "assertion": claimed}).encode(),
                timeout_s=timeout_s,
            )
        except UpstreamFailed as error:
            raise UpstreamFailed(FailureClass.UNAVAILABLE, f"token_{error.failure.code}") from None
        given = answer.object()
        token, life_s = given.get("access_token"), given.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not token:
            kind = FailureClass.AUTH if answer.status in (400, 401, 403) else FailureClass.UNAVAILABLE
            raise UpstreamFailed(kind, f"token_http_{answer.status}", answer.retry_after_s)
        self._token = token
        self._good_until = time.monotonic() + (life_s if isinstance(life_s, int | float) else _TOKEN_LIFE_S)
