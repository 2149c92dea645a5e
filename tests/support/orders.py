"""What one attempt orders, and who takes the order at a server of the test's own."""

from typing import Any
from uuid import UUID

from dispatcher.domain.jobs import Order
from dispatcher.upstreams import PROTOCOLS
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import Account, Upstream


def an_order(**fields: Any) -> Order:
    """An order of one output; fields replace what it says."""
    return Order(
        **{
            "job_id": UUID(int=7),
            "attempt_no": 1,
            "end_user": "somebody",
            "upstream_model": "some/model",
            "fields": {},
            "texts": {"prompt": "a cat"},
            "inputs": (),
            "outputs": 1,
            "connect_s": 0.5,
            "timeout_s": 10.0,
            "start_within_s": 30.0,
            **fields,
        }
    )


def speaking(protocol: str, client: Client, base_url: str) -> Upstream:
    """An adapter for one protocol, with an account at this URL."""
    return PROTOCOLS[protocol](client, Account("test", base_url, "key-of-the-tests", (base_url,)))
