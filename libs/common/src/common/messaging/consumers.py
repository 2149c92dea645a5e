"""Which handler answers which message: a service's consumers, before any broker is there."""

import inspect
import typing
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from common.contracts import Message
from common.messaging.topology import Queue

Answer = Message | Sequence[Message] | None
Handler = Callable[[Any], Awaitable[Answer]]


class Consumers:
    """Collects handlers: one per message type and queue.

    The type is that of the handler's first parameter. What a handler returns (a message, several, or None) is
    published by type and confirmed before the incoming message is acknowledged.
    """

    def __init__(self) -> None:
        self.work: dict[Queue, dict[type[Message], Handler]] = {}
        self.hints: dict[type[Message], Handler] = {}

    def __call__(self, queue: Queue) -> Callable[[Handler], Handler]:
        """Register a handler for its message type on a work queue."""

        def register(handler: Handler) -> Handler:
            kind = _message_type(handler)
            handlers = self.work.setdefault(queue, {})
            assert kind not in handlers, f"{queue.name} has two handlers for {kind.TYPE}"
            assert not kind.HINT, f"{kind.TYPE} is a hint and travels through no work queue"
            handlers[kind] = handler
            return handler

        return register

    def hint(self, kind: type[Message]) -> Callable[[Handler], Handler]:
        """Register a handler for a hint; every replica gets its own copy, or none."""

        def register(handler: Handler) -> Handler:
            assert kind.HINT, f"{kind.TYPE} is work: it needs a queue"
            self.hints[kind] = handler
            return handler

        return register


def _message_type(handler: Handler) -> type[Message]:
    parameters = list(inspect.signature(handler).parameters)
    kind = typing.get_type_hints(handler).get(parameters[0])
    assert inspect.isclass(kind), f"{handler!r} must name its message type"
    assert issubclass(kind, Message), f"{handler!r}: {kind} is no message"
    return kind
