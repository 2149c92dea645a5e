"""The journal: what reached a stand-in, so that a test can prove how often and when."""

import hashlib
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT_CALLS = 20_000
_LONGEST_TEXT = 200


def fingerprint(prompt: str) -> str:
    """The first 16 hex digits of the prompt's SHA-256: names a job in the journal, tells nothing of its text."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


def redacted(body: Any, prompt: str = "") -> Any:
    """The same body with its prompt and every data URI, long text or run of bytes as a fingerprint."""
    match body:
        case dict():
            return {name: redacted(value, prompt) for name, value in body.items()}
        case list() | tuple():
            return [redacted(value, prompt) for value in body]
        case bytes():
            return f"bytes:{hashlib.sha256(body).hexdigest()[:16]}"
        case str() if prompt and body == prompt:
            return f"prompt:{fingerprint(body)}"
        case str() if body.startswith("data:") or len(body) > _LONGEST_TEXT:
            return f"{body[:5].strip(':')}:{fingerprint(body)}"
    return body


@dataclass(slots=True)
class Call:
    """One call as it arrived; `answered` and `status` stay null when the caller never got an answer.

    `time` is unix seconds; `monotonic` and `answered` are the machine's monotonic seconds, comparable between
    processes of one machine. `accepted` tells that work was begun (and would have been billed). `request` is the body
    as the provider understood it, free texts and media as fingerprints.
    """

    number: int
    time: float
    monotonic: float
    operation: str
    scenario: str = "ok"
    prompt: str | None = None
    model: str | None = None
    request: Any = None
    ids: dict[str, str] = field(default_factory=dict)
    accepted: bool = False
    status: int | None = None
    answered: float | None = None

    def answer(self, status: int) -> None:
        """Note the moment the answer was handed to the socket."""
        self.status = status
        self.answered = time.monotonic()


class Journal:
    """The last 20,000 calls, and counts of all of them since the last reset. Prompts are never kept."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._counts: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._number = 0

    def arrived(self, operation: str, scenario: str = "ok", **known: Any) -> Call:
        """Write down a call the moment it is understood; the caller completes it while it runs."""
        self._number += 1
        call = Call(self._number, time.time(), time.monotonic(), operation, scenario, **known)
        self._calls.append(call)
        self._counts[operation] += 1
        return call

    def accepted(self, call: Call, **ids: str) -> None:
        """Mark the call as work begun."""
        call.accepted = True
        call.ids.update(ids)
        self._accepted[call.operation] += 1

    def counts(self) -> dict[str, Any]:
        """How many calls arrived and how many began work, by operation."""
        return {
            "total": sum(self._counts.values()),
            "by_operation": dict(self._counts),
            "accepted_by_operation": dict(self._accepted),
        }

    def find(
        self, *, operation: str | None = None, prompt: str | None = None, after: int = 0, limit: int = KEPT_CALLS
    ) -> list[dict[str, Any]]:
        """Calls in order of arrival: of one operation, of one prompt (its fingerprint), after a number."""
        found = [
            call
            for call in self._calls
            if call.number > after
            and (operation is None or call.operation == operation)
            and (prompt is None or call.prompt == prompt)
        ]
        return [asdict(call) for call in found[-limit:]]

    def reset(self) -> None:
        """Forget everything, numbers included."""
        self._calls.clear()
        self._counts.clear()
        self._accepted.clear()
        self._number = 0
