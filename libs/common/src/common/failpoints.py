"""Named places where a test makes the process die; nothing happens unless ``CRASH_AT`` names one.

``CRASH_AT=B3:2`` sends SIGKILL to this process the second time it reaches B3. The names are listed in
``FAILPOINTS``; each service calls :func:`reach` at the place its name describes.
"""

import os
import signal

FAILPOINTS: dict[str, str] = {
    "G1": "gateway: after authentication",
    "G2": "gateway: row written, not published",
    "G3": "gateway: confirmed, not answered",
    "G4": "gateway: decision projected, not acknowledged",
    "G5": "gateway: verdict projected, hint and job.finished not sent",
    "B1": "billing: message received",
    "B2": "billing: before commit",
    "B3": "billing: committed, not published",
    "B4": "billing: published, not acknowledged",
    "B7": "billing: timer's row claimed",
    "D1": "dispatcher: parked",
    "D2": "dispatcher: attempt row written, upstream not called",
    "D3": "dispatcher: accepted upstream, not recorded",
    "D4": "dispatcher: acceptance recorded",
    "D5": "dispatcher: object put, not committed",
    "D6": "dispatcher: result committed, not published",
    "D7": "dispatcher: polling",
    "S1": "storage: in the middle of an upload",
    "S2": "storage: object put, no row",
    "S3": "storage: row written, not published",
    "N1": "notifier: delivery claimed",
    "N2": "notifier: posted, not recorded",
}


def _armed() -> tuple[str, int] | None:
    text = os.environ.get("CRASH_AT", "")
    if not text:
        return None
    name, _, count = text.partition(":")
    if name not in FAILPOINTS:
        raise SystemExit(f"CRASH_AT={text}: there is no such failpoint; the names are {', '.join(FAILPOINTS)}")
    return name, int(count or "1")


_target = _armed()
_hits = 0


def reach(name: str) -> None:
    """Die here if the environment says so (``CRASH_AT=name:n``, at the n-th time)."""
    if _target is None or _target[0] != name:
        return
    global _hits  # noqa: PLW0603 - a process-wide count is the point
    _hits += 1
    if _hits == _target[1]:
        os.kill(os.getpid(), signal.SIGKILL)
