"""The three ways a handler may fail, and what the bus does about each.

::

    Exception
    ├── CannotReach    keep the delivery, run the handler again with back-off, readiness red
    │   └── Unconfirmed    written to the broker, its confirm is missing: it may have been taken
    ├── TryLater       wait in a retry tier
    └── CannotWork     to the dead-letter queue; nobody will try again by itself
"""


class CannotReach(Exception):  # noqa: N818 - a fact about the surroundings, not an error of the message
    """The database, the broker or the object store does not answer; nothing is wrong with the message."""


class Unconfirmed(CannotReach):
    """The message was written to the broker, but no confirm came in time: it may be there. Publish it again."""


class TryLater(Exception):  # noqa: N818
    """Not now. The message waits in the shortest retry tier that is at least ``after_ms`` long."""

    def __init__(self, reason: str, after_ms: int = 1_000) -> None:
        super().__init__(reason)
        self.after_ms = after_ms


class CannotWork(Exception):  # noqa: N818
    """This message can never be worked: wrong schema, unknown version, impossible ids."""
