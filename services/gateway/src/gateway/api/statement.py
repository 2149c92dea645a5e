"""``GET /api/v1/ledger``: every posting of an account, as JSON by the page or as one CSV."""

import csv
import io
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from common.credits import to_credits
from common.ids import task_id
from gateway.api.answers import answer
from gateway.api.desk import Desk
from gateway.billing_api import HttpBillingApi
from gateway.errors import InvalidRequest

_PAGE, _LONGEST_PAGE = 50, 200
_COLUMNS = ("booked_at", "transaction", "event", "task", "pot", "credits", "reason")


class Statement:
    """What the ledger says about an account."""

    def __init__(self, desk: Desk, billing: HttpBillingApi) -> None:
        self._desk = desk
        self._billing = billing

    async def read(self, request: Request) -> Response:
        """Newest first; ``after`` is the last transaction of the page before. ``format=csv`` gives all of it."""
        caller = await self._desk.caller(request)
        wanted = request.query_params.get("format", "json")
        if wanted == "csv":
            rows = self._csv(caller.account_id)
            first = await anext(rows)  # what cannot be read is told by a status, not by half a file
            headers = {"content-disposition": 'attachment; filename="statement.csv"'}
            return StreamingResponse(_after(first, rows), media_type="text/csv; charset=utf-8", headers=headers)
        if wanted != "json":
            raise InvalidRequest("format must be json or csv.", param="format")
        limit = _number(request, "limit", _PAGE)
        if not 1 <= limit <= _LONGEST_PAGE:
            raise InvalidRequest(f"limit must be from 1 to {_LONGEST_PAGE}.", param="limit")
        page = await self._page(caller.account_id, _number(request, "after", None), limit)
        data = [
            {
                "object": "transaction",
                "id": number,
                "event": entries[0]["event"],
                "task_id": _task(entries[0]["job_id"]),
                "reason": entries[0]["reason"] or None,
                "booked_at": entries[0]["booked_at"],
                "entries": [
                    {"pot": one["purpose"], "credits": to_credits(one["amount_microusd"])} for one in entries
                ],
            }
            for number, entries in _by_transaction(page["entries"])
        ]
        return answer({"object": "list", "data": data, "has_more": page["next_before"] is not None})

    async def _csv(self, account_id: UUID) -> AsyncIterator[str]:
        before: int | None = None
        head: tuple[str, ...] | None = _COLUMNS
        while True:
            page = await self._page(account_id, before, _LONGEST_PAGE)
            out = io.StringIO()
            writer = csv.writer(out)
            if head is not None:
                writer.writerow(head)
                head = None
            for one in page["entries"]:
                writer.writerow(
                    (
                        one["booked_at"], one["transaction_id"], one["event"], _task(one["job_id"]) or "",
                        one["purpose"], to_credits(one["amount_microusd"]), _plain(one["reason"]),
                    )
                )  # fmt: skip
            yield out.getvalue()
            before = page["next_before"]
            if before is None:
                return

    async def _page(self, account_id: UUID, before: int | None, limit: int) -> Any:
        path = f"/internal/accounts/{account_id}/entries?limit={limit}"
        return await self._billing.ask("GET", path if before is None else f"{path}&before={before}")


def _by_transaction(entries: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    return [(number, list(group)) for number, group in groupby(entries, key=lambda one: int(one["transaction_id"]))]


def _task(job_id: str | None) -> str | None:
    return None if job_id is None else task_id(UUID(job_id))


def _plain(text: str) -> str:
    """A spreadsheet must not take a text for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for one in rest:
        yield one


def _number(request: Request, name: str, default: int | None) -> Any:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise InvalidRequest(f"{name} must be a whole number above 0.", param=name)
    return int(text)
