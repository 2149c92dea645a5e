"""Between a row of the jobs table and the domain's job."""

from datetime import datetime
from typing import Any

from common.database import Row
from gateway.domain.job import Job, Output

COLUMNS = """j.job_id, j.account_id, j.livemode, j.family, j.model, j.kind, j.parameters, j.synchronous, j.state,
    j.outputs, j.reserved_microusd, j.charged_microusd, j.refunded_microusd, j.error_code, j.error_message,
    j.body_hash, j.replica, j.callback_url, j.created_at, j.finished_at, j.expires_at"""


def to_job(row: Row) -> Job:
    """One row read with :data:`COLUMNS`."""
    fields: dict[str, Any] = dict(row)
    fields["outputs"] = tuple(
        Output(one["index"], one["key"], one["media_type"], datetime.fromisoformat(one["expires_at"]))
        for one in fields["outputs"]
    )
    fields["body_hash"] = bytes(fields["body_hash"])
    return Job(**fields)
