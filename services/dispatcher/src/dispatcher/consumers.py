"""Messages in: reserved jobs, and what other replicas hint. What becomes of a job is published by the verdicts."""

from common.contracts import JobReserved, RouteChanged, UpstreamCalled
from common.messaging import topology
from common.messaging.consumers import Consumers
from dispatcher.routing.news import News, State
from dispatcher.routing.router import Router
from dispatcher.running.admission import Admission
from dispatcher.running.runner import Runner


def consumers(admission: Admission, router: Router, runner: Runner, replica: str) -> Consumers:
    """The dispatcher's handlers."""
    on = Consumers()

    @on(topology.DISPATCHER_RESERVED)
    async def on_job_reserved(event: JobReserved) -> None:
        """Park the job and run it, once."""
        await admission.take(event)

    @on.hint(RouteChanged)
    async def on_route_changed(hint: RouteChanged) -> None:
        """Another replica has learned something about a route."""
        if hint.replica != replica:
            router.hear(News(hint.provider, hint.model, hint.key_label, State(hint.state), hint.for_s))

    @on.hint(UpstreamCalled)
    async def on_upstream_called(hint: UpstreamCalled) -> None:
        """A provider called another replica about an order that may be ours."""
        runner.called(hint.job_id, hint.attempt_no)

    return on
