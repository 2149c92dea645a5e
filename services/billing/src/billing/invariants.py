"""What must always be true of the ledger, as queries that count violations; the target is 0 for ever.

Tests run them after everything they do; production runs them on a timer over what has changed lately and shows
``reapi_invariant_violations{name}``. Each query sees one snapshot, so it may run under load.
"""

from datetime import UTC, datetime, timedelta

from common import telemetry
from common.clock import now
from common.database import Database

EVER = datetime(1970, 1, 1, tzinfo=UTC)
LATELY = timedelta(minutes=10)
_CHECK_S = 3600.0
"""Over the whole of a large ledger a query may well take minutes."""

INVARIANTS: dict[str, str] = {
    "L1 every transaction has entries and they sum to zero": """
        select count(*) from (
            select t.transaction_id from transactions t left join entries e using (transaction_id)
            where t.booked_at >= %(since)s
            group by t.transaction_id having coalesce(sum(e.amount_microusd), 1) <> 0
        ) violations""",
    "L2 every balance is the sum of its entries": """
        select count(*) from (
            select account_id, purpose, balance_microusd from audit_balances
            where account_id in (select account_id from accounts where changed_at >= %(since)s)
        ) b full join (
            select account_id, purpose::text as purpose, sum(amount_microusd) as balance_microusd from entries
            where account_id <> '00000000-0000-0000-0000-000000000000' and (
                %(since)s = 'epoch'::timestamptz
                or account_id in (select account_id from accounts where changed_at >= %(since)s))
            group by account_id, purpose
        ) e using (account_id, purpose)
        where coalesce(b.balance_microusd, 0) <> coalesce(e.balance_microusd, 0)""",
    "L3 no balance is negative, and nobody owes less than nothing": """
        select count(*) from accounts
        where (least(subscription_microusd, granted_microusd, purchased_microusd, held_microusd) < 0
            or receivable_microusd > 0) and changed_at >= %(since)s""",
    "L4 held is the sum of the open reservations": """
        select count(*) from accounts a full join (
            select account_id, sum(amount_microusd) as held_microusd from reservations
            where settled_at is null and expires_at is not null group by account_id
        ) r using (account_id)
        where coalesce(a.held_microusd, 0) <> coalesce(r.held_microusd, 0)
            and coalesce(a.changed_at, %(since)s) >= %(since)s""",
    "L7 amounts are whole, not zero, and at most 10^12": """
        select count(*) from entries e join transactions t using (transaction_id)
        where t.booked_at >= %(since)s
            and (e.amount_microusd = 0 or abs(e.amount_microusd) > 1000000000000)""",
    "L8 an operation is booked once": """
        select count(*) from (
            select operation from transactions where booked_at >= %(since)s group by operation having count(*) > 1
        ) violations""",
    "J2 a hold ends once, and captured plus released is what was held": """
        select count(*) from (
            select r.job_id from reservations r
            left join transactions h on h.operation = 'hold:' || r.job_id
            left join transactions s on s.operation = 'settle:' || r.job_id
            left join lateral (
                select coalesce(sum(amount_microusd) filter (where purpose = 'held'), 0) as held,
                    coalesce(sum(amount_microusd) filter (where purpose = 'earned'), 0) as earned,
                    coalesce(sum(amount_microusd) filter (
                        where purpose in ('subscription', 'granted', 'purchased')), 0) as released
                from entries where transaction_id = s.transaction_id
            ) e on true
            where (%(since)s = 'epoch'::timestamptz or r.settled_at >= %(since)s) and not case r.state
                when 'held' then (h.transaction_id is not null) = (r.amount_microusd > 0)
                    and s.transaction_id is null
                when 'refused' then h.transaction_id is null and s.transaction_id is null
                else (h.transaction_id is not null) = (r.amount_microusd > 0)
                    and (s.transaction_id is not null) = (r.amount_microusd > 0)
                    and e.held = -r.amount_microusd and e.earned = r.charged_microusd
                    and e.released = r.refunded_microusd
                    and r.charged_microusd + r.refunded_microusd = r.amount_microusd
            end
        ) violations""",
    "C1 the open holds counted are those there are": """
        select count(*) from accounts a full join (
            select account_id, count(*) as n from reservations
            where settled_at is null and expires_at is not null and amount_microusd > 0 group by account_id
        ) r using (account_id)
        where coalesce(a.open_holds, 0) <> coalesce(r.n, 0) and coalesce(a.changed_at, %(since)s) >= %(since)s""",
    # Over everything only: it looks at every job of the month.
    "C2 what a month is said to have cost is what it did": """
        select count(*) from accounts a left join (
            select account_id, month_of(decided_at) as month, sum(amount_microusd - refunded_microusd) as spent
            from reservations where amount_microusd > 0 group by account_id, month_of(decided_at)
        ) r using (account_id, month)
        where %(since)s = 'epoch'::timestamptz and a.month_spent_microusd <> coalesce(r.spent, 0)""",
}

log = telemetry.logger(__name__)
violations = telemetry.gauge("invariant_violations", "Rows that break an invariant.", ("name",))


async def count_violations(database: Database, since: datetime = EVER) -> dict[str, int]:
    """Violations by invariant, over everything or over what has changed since a moment."""
    return {
        name: (await database.survey(query, {"since": since}, limit_s=_CHECK_S))[0]["count"]
        for name, query in INVARIANTS.items()
    }


async def watch(database: Database) -> None:
    """Evaluate all over what has changed lately, show the figures, shout about any that is not 0."""
    for name, count in (await count_violations(database, now() - LATELY)).items():
        violations.set(count, name.split()[0])
        if count:
            log.error("invariant_violated", name=name, count=count)
