"""Providers call back: what a call to an order's address does.

A call is a hint and nothing more: what it says is thrown away, and the order is asked about. Its address has a token
that only we can make; protocols that sign their calls are checked besides.
"""

from fastapi import APIRouter, Request, Response

from common import telemetry
from common.contracts import UpstreamCalled
from dispatcher.routing.router import Router
from dispatcher.running.addresses import Addresses
from dispatcher.running.runner import Runner
from dispatcher.running.verdicts import Publish
from dispatcher.upstreams.protocol import CallingBack

_MAX_BYTES = 1024 * 1024
_calls = telemetry.counter("dispatcher_callbacks", "Calls of providers, and what they were.", ("provider", "outcome"))


def callback_routes(addresses: Addresses, router: Router, runner: Runner, hint: Publish) -> APIRouter:
    """The one endpoint that the outside reaches here."""
    routes = APIRouter()

    @routes.post("/callbacks/{provider}/{token}")
    async def called(provider: str, token: str, request: Request) -> Response:
        """Have an order asked about: 204; 404 for an address that we never gave, 403 for a forged call."""
        order = addresses.read(provider, token)
        if order is None:
            _calls.inc("unknown", "no_such_address")
            return Response(status_code=404)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MAX_BYTES:
                _calls.inc(provider, "too_large")
                return Response(status_code=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        speakers = [speaker for speaker in router.speakers(provider) if isinstance(speaker, CallingBack)]
        if not any([await speaker.genuine(headers, body) for speaker in speakers]):
            _calls.inc(provider, "forged")
            return Response(status_code=403)
        _calls.inc(provider, "genuine")
        job_id, attempt_no = order
        if not runner.called(job_id, attempt_no):
            await hint(UpstreamCalled(job_id=job_id, attempt_no=attempt_no))
        return Response(status_code=204)

    return routes
