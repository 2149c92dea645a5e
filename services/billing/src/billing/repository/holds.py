"""Holding credits: many jobs, one statement, one commit."""

from uuid import UUID

from billing.domain.reservation import Hold, Reservation
from billing.repository.reservations import COLUMNS, Reservations, as_reservation
from common.database import Database
from common.failpoints import reach
from common.records import as_records

# Right under concurrency because:
# - `wallet` locks the accounts in id order before anything else is decided, and FOR UPDATE reads the newest
#   balances; no deadlock, and nobody else can spend what this statement counts on.
# - the unique index decides which jobs are new: only rows that `held` really inserted are debited and posted.
# - a hold takes its place on one line of credits [0, available), laid out in spending order (subscription, then
#   granted, then purchased) by a running sum per account; what it takes from each pot is the overlap.
# - a job is refused for want of credits only if it is more than what is left after the holds that were really
#   taken, all under the account's lock: such a refusal is true. A job that did not fit behind its neighbours
#   but might fit now gets no row, and the caller tries again.
# The price is that of the version a valid quote names, else what the account pays now (`price_of`, which is the
# whole rule); an account is as old as the earliest opening anybody told us of.
# The caps work as the credits do: a job is refused for one only if it does not fit beside what was really held, and
# what they count lies in rows locked here (`wallet`, then `caps`), whose newest state the locks read.
# Two lists of as many rows as the batch are joined once, for requests and wallets: no more, for such a join compares
# each with each.
# A job that another replica inserted a moment ago (not in our snapshot, but in the index) leaves its stretch of
# the line unused: the credits stay in the account, as if it had been held and released.
_HOLD = f"""
with request as materialized (
    select * from rows from (json_to_recordset(%(requests)s::json) as (
        job_id uuid, account_id uuid, sku text, quantity int, outputs int, deadline_ms bigint,
        accept_by timestamptz, synchronous bool, livemode bool, replica text, opened_at timestamptz,
        quoted_version int, max_microusd bigint, refusal text, api_key_id uuid
    )) with ordinality as r (job_id, account_id, sku, quantity, outputs, deadline_ms, accept_by, synchronous,
        livemode, replica, opened_at, quoted_version, max_microusd, refusal, api_key_id, place)
),
wallet as materialized (
    select account_id, opened_at, suspended_at, closing_at,
        subscription_microusd as subscription, granted_microusd as granted,
        %(max_open_holds)s::int - open_holds as open_room, month, month_spent_microusd, month_cap_microusd,
        subscription_microusd + granted_microusd + purchased_microusd as available
    from accounts where account_id = any(%(account_ids)s::uuid[]) order by account_id for update
),
moment as materialized (
    select at, month_of(at) as month, locked from (
        select clock_timestamp() as at, count(*) as locked from wallet
    ) now
),
caps as materialized (
    select account_id, api_key_id, month, month_spent_microusd, month_cap_microusd from key_caps
    where account_id in (select account_id from wallet) order by account_id, api_key_id for update
),
fresh as materialized (
    select r.job_id, r.account_id, r.sku, r.quantity, r.outputs, r.deadline_ms, r.synchronous, r.livemode, r.replica,
        r.place, r.api_key_id, m.at, m.month, p.version, p.unit_price_microusd, amount,
        coalesce(w.available, 0) as available, coalesce(w.subscription, 0) as subscription,
        coalesce(w.granted, 0) as granted, w.open_room,
        w.month_cap_microusd - case when w.month = m.month then w.month_spent_microusd else 0 end as month_room,
        case when w.closing_at is not null then 'account_closed'
             when w.suspended_at is not null then 'account_suspended'
             when r.refusal is not null then r.refusal
             when p.version is null then 'price_unavailable'
             when r.accept_by < m.at then 'accept_expired'
             when r.api_key_id is null and exists (select from caps c where c.account_id = r.account_id)
                 then 'unknown_key'
             when amount > r.max_microusd then 'price_changed' end as refusal
    from request r cross join moment m left join wallet w using (account_id)
    left join lateral (
        select version, unit_price_microusd from prices where version = r.quoted_version
        union all
        select version, unit_price_microusd from price_of(r.sku, r.account_id, least(r.opened_at, w.opened_at), m.at)
        where r.quoted_version is null
    ) p on true
    cross join lateral (
        select case when r.livemode then p.unit_price_microusd * r.quantity else 0 end as amount
    ) price
    left join lateral (select true as decided from reservations where job_id = r.job_id limit 1) x on true
    where x.decided is null
),
line as materialized (
    select f.*,
        c.month_cap_microusd - case when c.month = f.month then c.month_spent_microusd else 0 end as key_room,
        sum(f.amount) over (partition by f.account_id order by f.place)::bigint as until,
        sum(f.amount) over (partition by f.account_id, f.api_key_id order by f.place)::bigint as key_until,
        count(*) filter (where f.amount > 0) over (partition by f.account_id order by f.place) as nth
    from fresh f left join caps c using (account_id, api_key_id)
    where f.refusal is null
),
unfit as materialized (
    select * from line
    where until > available or until > month_room or key_until > key_room or nth > open_room
),
held as (
    insert into reservations (job_id, account_id, state, sku, quantity, outputs, unit_price_microusd, price_version,
        amount_microusd, from_subscription_microusd, from_granted_microusd, from_purchased_microusd,
        synchronous, livemode, replica, decided_at, deadline_at, expires_at, api_key_id)
    select job_id, account_id, 'held', sku, quantity, outputs, unit_price_microusd, version,
        amount, from_subscription, from_granted, amount - from_subscription - from_granted,
        synchronous, livemode, replica, at, at + deadline_ms * interval '1 millisecond',
        at + deadline_ms * interval '1 millisecond' + make_interval(secs => %(expire_after_s)s), api_key_id
    from line cross join lateral (
        select greatest(0, least(until, subscription) - (until - amount)) as from_subscription,
            greatest(0, least(until, subscription + granted) - greatest(until - amount, subscription)) as from_granted
    ) pots
    where until <= available and (until <= month_room) is not false and (key_until <= key_room) is not false
        and (nth <= open_room) is not false
    order by job_id
    on conflict (job_id) do nothing
    returning *
),
spent as materialized (
    select account_id, sum(from_subscription_microusd)::bigint as subscription,
        sum(from_granted_microusd)::bigint as granted, sum(from_purchased_microusd)::bigint as purchased,
        sum(amount_microusd)::bigint as amount, count(*) filter (where amount_microusd > 0)::int as jobs,
        min(opened_at) as opened_at
    from (
        select account_id, from_subscription_microusd, from_granted_microusd, from_purchased_microusd,
            amount_microusd, null::timestamptz as opened_at
        from held
        union all
        select account_id, 0, 0, 0, 0, opened_at from request
    ) told group by account_id
),
by_key as materialized (
    select account_id, api_key_id, sum(amount_microusd)::bigint as amount from held group by account_id, api_key_id
),
refused as (
    insert into reservations (job_id, account_id, state, amount_microusd, synchronous, livemode, replica, decided_at,
        error_code)
    select job_id, account_id, 'refused', 0, synchronous, livemode, replica, at, code
    from (
        select job_id, account_id, synchronous, livemode, replica, at, refusal as code
        from fresh where refusal is not null
        union all
        select job_id, account_id, synchronous, livemode, replica, at, code
        from unfit left join spent using (account_id) left join by_key using (account_id, api_key_id)
        cross join lateral (
            select case
                when until > available and unfit.amount > available - coalesce(spent.amount, 0)
                    then 'insufficient_quota'
                when (until > month_room and unfit.amount > month_room - coalesce(spent.amount, 0))
                    or (key_until > key_room and unfit.amount > key_room - coalesce(by_key.amount, 0))
                    then 'spend_cap_reached'
                when nth > open_room and coalesce(spent.jobs, 0) >= open_room then 'too_many_open_jobs'
            end as code
        ) refusal
        where code is not null
    ) refusals
    order by job_id
    on conflict (job_id) do nothing
    returning *
),
debited as (
    update accounts a set
        subscription_microusd = a.subscription_microusd - s.subscription,
        granted_microusd = a.granted_microusd - s.granted,
        purchased_microusd = a.purchased_microusd - s.purchased,
        held_microusd = a.held_microusd + s.amount,
        open_holds = a.open_holds + s.jobs,
        month = m.month,
        month_spent_microusd = case when a.month = m.month then a.month_spent_microusd else 0 end + s.amount,
        opened_at = least(a.opened_at, s.opened_at),
        changed_at = m.at
    from spent s cross join moment m where a.account_id = s.account_id and s.amount > 0
),
counted as (
    update key_caps k set
        month = m.month,
        month_spent_microusd = case when k.month = m.month then k.month_spent_microusd else 0 end + b.amount
    from by_key b cross join moment m where (k.account_id, k.api_key_id) = (b.account_id, b.api_key_id)
),
posting as materialized (
    select nextval('transaction_ids') as transaction_id, held.* from held where amount_microusd > 0
),
booked as (
    insert into transactions (transaction_id, operation, event, account_id, job_id, booked_at)
    select transaction_id, 'hold:' || job_id, 'hold', account_id, job_id, decided_at from posting
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select p.transaction_id, p.account_id, e.purpose::purpose, e.amount
    from posting p cross join lateral (values
        ('subscription', -p.from_subscription_microusd), ('granted', -p.from_granted_microusd),
        ('purchased', -p.from_purchased_microusd), ('held', p.amount_microusd)
    ) as e (purpose, amount)
    where e.amount <> 0
)
select {COLUMNS} from held union all select {COLUMNS} from refused
"""  # noqa: S608 - constants


class Holds:
    """Holds the price of jobs, each once."""

    def __init__(self, database: Database, expire_after_deadline_s: float, max_open_holds: int = 10_000) -> None:
        self._database = database
        self._max_open_holds = max_open_holds
        self._reservations = Reservations(database)
        self._expire_after_s = expire_after_deadline_s

    async def take(self, requests: list[Hold]) -> list[Reservation]:
        """The reservation of each request, in their order: new ones decided now, old ones as they are.

        Two requests for one job get the same reservation.
        """
        answers: dict[UUID, Reservation] = {}
        open_requests = {request.job_id: request for request in reversed(requests)}
        # Every round decides at least the first open job of each account.
        for _ in range(len(requests) + 1):
            pending = [open_requests[job_id] for job_id in reversed(open_requests)]
            answers |= await self._round(pending)
            missing = [request.job_id for request in pending if request.job_id not in answers]
            if missing:
                answers |= await self._reservations.read(missing)
            for job_id in [job_id for job_id in open_requests if job_id in answers]:
                del open_requests[job_id]
            if not open_requests:
                return [answers[request.job_id] for request in requests]
        raise AssertionError("a round of holds decided nothing")

    async def _round(self, requests: list[Hold]) -> dict[UUID, Reservation]:
        params = {
            "requests": as_records(requests),
            "account_ids": list({r.account_id for r in requests}),
            "max_open_holds": self._max_open_holds,
            "expire_after_s": self._expire_after_s,
        }
        reach("B2")
        rows = await self._database.fetch(_HOLD, params)
        return {row["job_id"]: as_reservation(row) for row in rows}
