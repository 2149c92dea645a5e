"""``docs/failures.md``: what every failure of every provider comes to, written from what the tests hold true."""

from collections.abc import Iterator
from pathlib import Path

from dispatcher.domain.breaker import SOFT_WEIGHT, Breaker, Limits
from dispatcher.domain.failures import Failure, FailureClass, verdict_code
from gateway.api.statuses import status_of
from gateway.errors import JobEndedBadly
from support.spoken import SPOKEN, Spoken

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "failures.md"

_ONCE = {
    FailureClass.FAILED_GENERATION: "yes, once",
    FailureClass.AMBIGUOUS: "another provider only, if the model allows",
}
_HEAD = """# What happens when a provider fails

Written by `make pages` from the tables that the tests hold every adapter to; a test fails when this page and they
differ. A job that fails is always refunded in full.

## Classes

| class | next route? | breaker | the customer's code | OpenAI family | native family |
| --- | --- | --- | --- | --- | --- |
"""
_MIDDLE = """
The last three columns: if it is the end, that is if no route is left. `ambiguous` means that an order was sent and no
usable answer came; where the provider can be asked, it is asked first.

## Scenarios

What each scenario of a provider's stand-in becomes. `ok` is delivered (outputs given as links are then judged by
storage, which refunds what cannot be fetched or played); `pending` is asked about until the deadline; `-` is not
spoken there.

"""


def text() -> str:
    """The whole page."""
    return "".join((_HEAD, *_classes(), _MIDDLE, *_scenarios()))


def _classes() -> Iterator[str]:
    for kind in FailureClass:
        code = verdict_code(Failure(kind, "x"))
        answers = [status_of(JobEndedBadly("", code=code), family).http for family in ("openai", "native")]
        further = "no" if kind.final else _ONCE.get(kind, "yes")
        yield f"| `{kind.value}` | {further} | {_breaker(kind)} | `{code}` | {answers[0]} | {answers[1]} |\n"


def _breaker(kind: FailureClass) -> str:
    breaker = Breaker(Limits())
    admission = breaker.admit(0)
    assert admission is not None
    if breaker.failed(admission, Failure(kind, "x"), 0):
        return f"opens at once, for {breaker.left_s(0):.0f} s" + (
            " (the key's)" if Failure(kind, "x").concerns_key else ""
        )
    failures = 0
    while not breaker.failed(breaker.admit(0) or admission, Failure(kind, "x"), 0):
        failures += 1
        if failures > 100:
            return "a healthy answer"
    return "counts" if kind is not FailureClass.FAILED_GENERATION else f"counts {SOFT_WEIGHT:g}"


def _scenarios() -> Iterator[str]:
    known = list(SPOKEN.values())
    yield f"| scenario | {' | '.join(_title(one) for one in known)} |\n| --- |{' --- |' * len(known)}\n"
    for scenario in dict.fromkeys(name for one in known for name in one.expected):
        yield f"| `{scenario}` | {' | '.join(one.expected.get(scenario, '-') for one in known)} |\n"


def _title(one: Spoken) -> str:
    return f"{one.provider}<br>`{one.protocol}`"


if __name__ == "__main__":
    DOCUMENT.write_text(text())
