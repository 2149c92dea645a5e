"""What the operations of S3 work on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from simulators.s3.store import Store
from simulators.s3.uploads import Uploads
from simulators.s3.wire import Request, Response


@dataclass(slots=True, frozen=True)
class Shelf:
    """The stored objects and the uploads under way."""

    store: Store
    uploads: Uploads


Operation = Callable[[Shelf, Request], Awaitable[Response]]
