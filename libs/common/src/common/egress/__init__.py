"""Requests to URLs that customers and providers chose, without becoming their way into our own network.

``check_url`` refuses early and with a sentence; ``guarded_session`` refuses at the socket, which is what counts.
"""

from common.egress.addresses import allowed_address
from common.egress.connector import GuardedConnector
from common.egress.errors import EgressRefused
from common.egress.lookup import Lookup, system_lookup
from common.egress.policy import EgressPolicy, Origin
from common.egress.session import GuardedSession, guarded_session, read_at_most
from common.egress.urls import check_url

__all__ = [
    "EgressPolicy",
    "EgressRefused",
    "GuardedConnector",
    "GuardedSession",
    "Lookup",
    "Origin",
    "allowed_address",
    "check_url",
    "guarded_session",
    "read_at_most",
    "system_lookup",
]
