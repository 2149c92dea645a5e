"""Settling holds: capture what was delivered, release the rest, once; many jobs, one statement, one commit."""

from uuid import UUID

from billing.domain.reservation import Reservation, Verdict
from billing.repository.reservations import COLUMNS, as_reservation
from common.database import Database
from common.failpoints import reach
from common.records import as_records

# Right under concurrency because:
# - `open` locks the rows that are still held, in id order; whoever waited here re-reads the state and finds
#   nothing, so exactly one verdict per job moves money. Operation 'settle:<job>' is unique besides.
# - accounts are locked after reservations and in id order. A hold locks accounts first, but the reservations it
#   then inserts are new, so nobody here can be waiting for them: no circle.
# - state, balances and entries are written by this one statement.
# Reservations are looked up laterally, one index probe per verdict: a join would be planned as a scan of the whole
# table while it is small, and run so until the next ANALYZE.
# What is released returns to the pots it came from, last spent first: purchased, granted, subscription.
_SETTLE = f"""
with verdict as materialized (
    select job_id, account_id, delivered, outputs_json, error_code as code, error_message as message,
        only_if_expired, announced_later
    from json_to_recordset(%(verdicts)s::json) as v (job_id uuid, account_id uuid, delivered int, outputs_json text,
        error_code text, error_message text, only_if_expired bool, announced_later bool)
),
open as materialized (
    select r.*, v.delivered, v.outputs_json, v.code, v.message, v.announced_later
    from (select * from verdict order by job_id) v cross join lateral (
        select job_id, account_id, api_key_id, decided_at, amount_microusd as amount, outputs,
            from_subscription_microusd, from_granted_microusd, from_purchased_microusd
        from reservations where job_id = v.job_id and account_id = v.account_id and state = 'held'
            and (not v.only_if_expired or expires_at <= clock_timestamp())
        for update
    ) r
),
wallet as materialized (
    select account_id from accounts
    where account_id = any(array(select account_id from open)) order by account_id for update
),
moment as materialized (
    select clock_timestamp() as at, count(*) as accounts_locked from wallet
),
split as materialized (
    select o.*, m.at, charged, amount - charged as released, to_purchased, to_granted,
        amount - charged - to_purchased - to_granted as to_subscription
    from open o cross join moment m
    cross join lateral (select amount / outputs * least(delivered, outputs) as charged) c
    cross join lateral (select least(amount - charged, from_purchased_microusd) as to_purchased) p
    cross join lateral (select least(amount - charged - to_purchased, from_granted_microusd) as to_granted) g
),
settled as (
    update reservations r set
        state = (case when s.delivered > 0 then 'captured' else 'refunded' end)::reservation_state,
        charged_microusd = s.charged, refunded_microusd = s.released, settled_at = s.at,
        error_code = s.code, error_message = s.message, delivered = s.outputs_json::jsonb,
        publish_due_at = case when s.announced_later then s.at end
    from split s where r.job_id = s.job_id
    returning r.*, s.to_subscription, s.to_granted, s.to_purchased
),
moved as materialized (
    select account_id, sum(amount_microusd)::bigint as amount, sum(to_subscription)::bigint as subscription,
        sum(to_granted)::bigint as granted, sum(to_purchased)::bigint as purchased,
        count(*) filter (where amount_microusd > 0)::int as jobs
    from settled group by account_id
),
-- What is released was spent in the month of its hold; a month that is over counts no more.
unspent as materialized (
    select account_id, api_key_id, month_of(decided_at) as month, sum(refunded_microusd)::bigint as amount
    from settled group by account_id, api_key_id, month_of(decided_at)
),
credited as (
    update accounts a set
        held_microusd = a.held_microusd - m.amount,
        subscription_microusd = a.subscription_microusd + m.subscription,
        granted_microusd = a.granted_microusd + m.granted,
        purchased_microusd = a.purchased_microusd + m.purchased,
        open_holds = a.open_holds - m.jobs,
        month_spent_microusd = a.month_spent_microusd - coalesce((
            select sum(u.amount) from unspent u where u.account_id = a.account_id and u.month = a.month
        ), 0),
        changed_at = moment.at
    from moved m cross join moment where a.account_id = m.account_id and m.amount > 0
),
uncounted as (
    update key_caps k set month_spent_microusd = k.month_spent_microusd - least(u.amount, k.month_spent_microusd)
    from unspent u where (k.account_id, k.api_key_id, k.month) = (u.account_id, u.api_key_id, u.month)
),
posting as materialized (
    select nextval('transaction_ids') as transaction_id, settled.* from settled where amount_microusd > 0
),
booked as (
    insert into transactions (transaction_id, operation, event, account_id, job_id, booked_at)
    select transaction_id, 'settle:' || job_id, case state when 'captured' then 'capture' else 'refund' end,
        account_id, job_id, settled_at
    from posting
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select p.transaction_id, e.account_id, e.purpose::purpose, e.amount
    from posting p cross join lateral (values
        (p.account_id, 'held', -p.amount_microusd),
        ('00000000-0000-0000-0000-000000000000'::uuid, 'earned', p.charged_microusd),
        (p.account_id, 'subscription', p.to_subscription),
        (p.account_id, 'granted', p.to_granted),
        (p.account_id, 'purchased', p.to_purchased)
    ) as e (account_id, purpose, amount)
    where e.amount <> 0
)
select {COLUMNS} from settled
"""  # noqa: S608 - constants


class Settlements:
    """Ends held jobs, each once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(self, verdicts: list[Verdict]) -> list[Reservation | None]:
        """What each verdict decided; None where it decided nothing, for the job is not (or no longer) held.

        Of several verdicts about one job the first counts.
        """
        first: dict[UUID, Verdict] = {}
        for verdict in verdicts:
            first.setdefault(verdict.job_id, verdict)
        reach("B2")
        settled = await self._database.fetch(_SETTLE, {"verdicts": as_records(first.values())})
        rows = {row["job_id"]: as_reservation(row) for row in settled}
        return [rows.get(v.job_id) if first[v.job_id] is v else None for v in verdicts]
