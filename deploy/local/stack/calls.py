"""Plain HTTP to the stack's own addresses, with the standard library: the proof needs no client of ours."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


def get(url: str, api_key: str | None = None, timeout_s: float = 30) -> Answer:
    """One GET; OSError if nobody answers."""
    return _call("GET", url, None, api_key, timeout_s)


def post(url: str, body: dict[str, Any], api_key: str | None = None, timeout_s: float = 120) -> Answer:
    """One POST of JSON; OSError if nobody answers."""
    return _call("POST", url, json.dumps(body).encode(), api_key, timeout_s)


def _call(method: str, url: str, body: bytes | None, api_key: str | None, timeout_s: float) -> Answer:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    except http.client.HTTPException as reason:
        raise ConnectionError(f"{method} {url}: {reason!r}") from reason
    finally:
        connection.close()
