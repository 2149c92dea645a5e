"""From a finished job to a delivery: the thin event a receiver gets."""

import orjson

from common import telemetry
from common.contracts import JobFinished
from common.ids import new_id
from notifier.webhooks.repository import Announcement, Deliveries
from notifier.webhooks.sender import Sender
from notifier.webhooks.signing import event_id

announced = telemetry.counter("webhook_announced", "Deliveries begun, by event type.", ("type",))


class Announce:
    """Decides whether anybody wants to be told, and begins the delivery."""

    def __init__(self, deliveries: Deliveries, sender: Sender) -> None:
        self._deliveries = deliveries
        self._sender = sender

    async def __call__(self, event: JobFinished) -> None:
        """One delivery per job and URL, however often the message comes."""
        if event.callback_url is None:
            return
        event_type = f"{event.kind}.{event.status}"
        delivery_id = new_id()
        body = orjson.dumps(
            {
                "id": event_id(delivery_id),
                "object": "event",
                "created_at": int(event.finished_at.timestamp()),
                "type": event_type,
                "livemode": event.livemode,
                "data": {"id": event.public_id, "task_id": event.task_id},
            }
        )
        added = await self._deliveries.add(
            Announcement(delivery_id, event.job_id, event.account_id, event.callback_url, event_type, body.decode())
        )
        if added:
            announced.inc(event_type)
            self._sender.wake()
