"""Reads the books like an auditor: whatever happened, money and jobs must add up."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from support.stack import Stack, until

OPEN_JOBS = "select count(*) as n from gateway.jobs where state in ('submitted', 'processing')"
OPEN_HOLDS = "select count(*) as n from billing.reservations where state = 'held'"


@dataclass(frozen=True)
class Verdict:
    """What a run came to."""

    captured: int
    refunded: int
    refused: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"captured {self.captured} · refunded {self.refunded} · refused {self.refused} · "
            f"problems {len(self.problems)}"
        )


async def settled(stack: Stack, limit_s: float = 150) -> None:
    """Wait until no job is open and no hold is left."""
    await until(lambda: stack.query(OPEN_JOBS)[0]["n"] == 0 and stack.query(OPEN_HOLDS)[0]["n"] == 0, limit_s, 0.5)


def audit(stack: Stack) -> Verdict:
    """Every invariant of ledger and jobs, over everything this stack ever did."""
    problems: list[str] = []

    def expect_none(name: str, sql: str) -> None:
        rows = stack.query(sql)
        if rows:
            problems.append(f"{name}: {rows[:3]}")

    expect_none(
        "entries of a transaction do not sum to zero",
        """select transaction_id, sum(amount_microusd) from billing.audit_entries
           group by 1 having sum(amount_microusd) <> 0""",
    )
    expect_none(
        "a balance differs from its entries",
        """select b.account_id, b.purpose, b.balance_microusd, e.total
           from billing.audit_balances b
           left join (select account_id, purpose, sum(amount_microusd) as total from billing.audit_entries
                      group by 1, 2) e using (account_id, purpose)
           where b.balance_microusd <> coalesce(e.total, 0)""",
    )
    expect_none(
        "something is still held", "select * from billing.audit_balances where purpose='held' and balance_microusd<>0"
    )
    expect_none(
        "a job was settled more than once or not as its reservation says",
        """select r.job_id, r.state, count(t.*) filter (where t.event = 'hold') as holds,
                  count(t.*) filter (where t.event in ('capture', 'refund')) as settlements
           from billing.reservations r left join billing.transactions t using (job_id)
           where r.state in ('captured', 'refunded') and r.amount_microusd > 0 group by 1, 2
           having count(t.*) filter (where t.event = 'hold') <> 1
               or count(t.*) filter (where t.event in ('capture', 'refund')) <> 1""",
    )
    expect_none(
        "an entry for a job that was refused",
        """select t.job_id from billing.transactions t join billing.reservations r using (job_id)
           where r.state = 'refused'""",
    )
    expect_none(
        "the gateway shows another end than billing decided",
        """select g.job_id, g.state, r.state from gateway.jobs g join billing.reservations r using (job_id)
           where (g.state = 'completed') <> (r.state = 'captured')""",
    )
    expect_none(
        "a job called its upstream without a hold",
        """select a.job_id from dispatcher.attempts a
           left join billing.reservations r on r.job_id = a.job_id and r.state <> 'refused'
           where r.job_id is null""",
    )
    expect_none(
        "a job is not final",
        "select job_id, state from gateway.jobs where state in ('submitted', 'processing')",
    )
    states: dict[str, int] = {
        row["state"]: row["n"]
        for row in stack.query("select state::text, count(*) as n from billing.reservations group by 1")
    }
    return Verdict(states.get("captured", 0), states.get("refunded", 0), states.get("refused", 0), tuple(problems))


async def unfetchable(stack: Stack, account: Any, task_ids: list[str]) -> list[str]:
    """Completed tasks whose outputs cannot be fetched."""
    bad = []
    async with aiohttp.ClientSession() as http:
        for task_id in task_ids:
            status, task = await stack.native("GET", f"/tasks/{task_id}", account)
            if status != 200 or task["status"] != "completed":
                continue
            urls = task["output"].get("image_urls") or task["output"].get("video_urls") or []
            if not urls:
                bad.append(task_id)
            for url in urls:
                async with http.get(url) as answer:
                    body = await answer.read()
                    if answer.status != 200 or len(body) < 100:
                        bad.append(task_id)
    return bad
