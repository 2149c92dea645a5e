"""Writing a job's row: the gate that makes a request one job, however often it is sent."""

from datetime import datetime, timedelta
from uuid import UUID

from common.coalescer import Coalescer
from common.database import Database, Transaction
from common.records import as_records
from gateway.domain.job import Job, NewJob
from gateway.jobs.repository.rows import COLUMNS, to_job

# The unique index on the idempotency key decides between requests that race: the loser's row is not returned.
_INSERT = """
insert into jobs (job_id, account_id, api_key_id, livemode, family, model, kind, mode, sku, quantity,
    outputs_wanted, parameters, synchronous, body_hash, idempotency_hash, waiter, replica, callback_url,
    created_at, accept_by, deadline_ms, ask_at)
select r.job_id, r.account_id, r.api_key_id, r.livemode, r.family, r.model, r.kind, r.mode, r.sku, r.quantity,
    r.outputs_wanted, r.parameters, r.synchronous, decode(r.body_hash, 'hex'), decode(r.idempotency_hash, 'hex'),
    r.waiter, r.replica, r.callback_url, r.created_at, r.accept_by, r.deadline_ms, r.ask_at
from json_to_recordset(%(rows)s::json) as r(job_id uuid, account_id uuid, api_key_id uuid, livemode boolean,
    family text, model text, kind text, mode text, sku text, quantity integer, outputs_wanted integer,
    parameters jsonb, synchronous boolean, body_hash text, idempotency_hash text, waiter bigint, replica text,
    callback_url text, created_at timestamptz, accept_by timestamptz, deadline_ms integer, ask_at timestamptz)
on conflict do nothing
returning job_id
"""

# Holding the account's row makes counting and inserting one step for this account.
_LOCK_ACCOUNT = "select 1 from accounts where account_id = %(account)s for no key update"
_COUNT_OPEN = """
select count(*) as open from jobs where account_id = %(account)s and state in ('submitted', 'processing')
"""

_BY_KEY = f"""
select {COLUMNS} from jobs j
where j.account_id = %(account)s and j.livemode = %(livemode)s and j.idempotency_hash = %(key)s
"""  # noqa: S608 - constants

_FREE_OLD_KEY = """
update jobs set idempotency_hash = null
where account_id = %(account)s and livemode = %(livemode)s and idempotency_hash = %(key)s
  and created_at < %(before)s
"""

# Certainly never written to the broker, so certainly never held; the key is free for another try. `accept_by` names
# the submit that was not written: a repeat that has taken the row over meanwhile may have had better luck.
_ABANDON = """
update jobs set state = 'abandoned', finished_at = %(now)s, idempotency_hash = null, waiter = null
where job_id = %(job)s and state = 'submitted' and accept_by = %(accept_by)s
"""

_SUBMIT_AGAIN = """
update jobs j set accept_by = %(accept_by)s, ask_at = greatest(j.ask_at, %(ask_at)s), waiter = %(waiter)s,
    replica = %(replica)s
where j.job_id = %(job)s and j.state = 'submitted'
"""

_ASK_SOON = "update jobs set ask_at = least(ask_at, clock_timestamp()) where job_id = %(job)s and state = 'submitted'"

# A repeat of a stock SDK takes over the job whose answer it never got. SKIP LOCKED gives every one of several
# equal repeats a job of its own. A process counts as dead when the advisory lock of its incarnation is free;
# right after a start of the server nobody has had the time to take theirs again, so nobody counts as dead.
_ADOPT = f"""
with candidate as (
    select c.job_id from jobs c
    where c.body_hash = %(body_hash)s and c.idempotency_hash is null and c.api_key_id = %(api_key)s
      and c.created_at > %(since)s and c.delivered_at is null and c.adoptions < %(count)s
      and c.state in ('submitted', 'processing', 'completed')
      and (c.expires_at is null or c.expires_at > %(now)s)
      and (c.waiter is null
           or (c.waiter <> %(waiter)s and %(may_judge)s
               and pg_postmaster_start_time() < clock_timestamp() - interval '5 seconds'
               and not exists (
                   select from pg_locks l
                   where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
                     and l.database = (select oid from pg_database where datname = current_database())
                     and ((l.classid::bigint << 32) | l.objid::bigint) = c.waiter)))
    order by c.created_at
    for update skip locked
    limit 1
)
update jobs j set adoptions = %(count)s, waiter = %(waiter)s, replica = %(replica)s,
    accept_by = case when j.state = 'submitted' then %(accept_by)s else j.accept_by end,
    ask_at = greatest(j.ask_at, %(ask_at)s)
from candidate where j.job_id = candidate.job_id
returning {COLUMNS}
"""  # noqa: S608

# Is there a job that another process waits for, or waited for, while nobody can tell which?
_UNJUDGED = """
select exists (
    select from jobs c
    where c.body_hash = %(body_hash)s and c.idempotency_hash is null and c.api_key_id = %(api_key)s
      and c.created_at > %(since)s and c.delivered_at is null
      and c.state in ('submitted', 'processing', 'completed')
      and c.waiter is not null and c.waiter <> %(waiter)s
      and (not %(may_judge)s or pg_postmaster_start_time() >= clock_timestamp() - interval '5 seconds')
) as unjudged
"""


class SubmissionRows:
    """Write access for requests that want a job."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.insert: Coalescer[NewJob, bool] = Coalescer("jobs.insert", self._insert_many)
        """True: the row is there and is this request's. False: its idempotency key has a job already."""

    async def insert_within(self, new: NewJob, inflight: int) -> bool | None:
        """As :attr:`insert`, but None when the account has ``inflight`` open jobs already; exact under races."""
        async with self._database.transaction() as transaction:
            await transaction.fetch(_LOCK_ACCOUNT, {"account": new.account_id})
            if new.idempotency_hash is not None and await self._has_key(transaction, new):
                return False
            (row,) = await transaction.fetch(_COUNT_OPEN, {"account": new.account_id})
            if row["open"] >= inflight:
                return None
            return bool(await transaction.fetch(_INSERT, {"rows": as_records([new])}))

    async def by_key(self, account_id: UUID, *, livemode: bool, key: bytes) -> Job | None:
        """The job an idempotency key stands for."""
        rows = await self._database.fetch(_BY_KEY, {"account": account_id, "livemode": livemode, "key": key})
        return to_job(rows[0]) if rows else None

    async def free_old_key(self, account_id: UUID, *, livemode: bool, key: bytes, before: datetime) -> None:
        """Let a key that has lived its 24 hours be used anew."""
        await self._database.execute(
            _FREE_OLD_KEY, {"account": account_id, "livemode": livemode, "key": key, "before": before}
        )

    async def abandon(self, job_id: UUID, accept_by: datetime, now: datetime) -> bool:
        """Give up a job whose submit of this ``accept_by`` was never written; False: it is another's by now."""
        params = {"job": job_id, "accept_by": accept_by, "now": now}
        return await self._database.execute(_ABANDON, params) > 0

    async def submit_again(
        self, job_id: UUID, *, accept_by: datetime, ask_at: datetime, waiter: int, replica: str
    ) -> bool:
        """Note that this process publishes an undecided job once more, and waits for it; False: it is decided."""
        params = {"job": job_id, "accept_by": accept_by, "ask_at": ask_at, "waiter": waiter, "replica": replica}
        return await self._database.execute(_SUBMIT_AGAIN, params) > 0

    async def ask_soon(self, job_id: UUID) -> None:
        """Have billing asked about a job whose submit may never have arrived."""
        await self._database.execute(_ASK_SOON, {"job": job_id})

    async def adopt(
        self,
        *,
        api_key_id: UUID,
        body_hash: bytes,
        count: int,
        waiter: int,
        replica: str,
        may_judge: bool,
        now: datetime,
        window: timedelta,
        accept_by: datetime,
        ask_at: datetime,
    ) -> Job | None:
        """The undelivered job this repeat belongs to, now waited for by this process; None when there is none.

        ``count`` is the SDK's retry count, ``may_judge`` False while we cannot tell which processes live.
        """
        rows = await self._database.fetch(
            _ADOPT,
            {
                "api_key": api_key_id,
                "body_hash": body_hash,
                "count": count,
                "waiter": waiter,
                "replica": replica,
                "may_judge": may_judge,
                "now": now,
                "since": now - window,
                "accept_by": accept_by,
                "ask_at": ask_at,
            },
        )
        return to_job(rows[0]) if rows else None

    async def has_unjudged(
        self, *, api_key_id: UUID, body_hash: bytes, waiter: int, may_judge: bool, since: datetime
    ) -> bool:
        """A job might be this repeat's, but whether its waiter lives can only be told a little later."""
        (row,) = await self._database.fetch(
            _UNJUDGED,
            {
                "api_key": api_key_id,
                "body_hash": body_hash,
                "waiter": waiter,
                "may_judge": may_judge,
                "since": since,
            },
        )
        return bool(row["unjudged"])

    async def _insert_many(self, items: list[NewJob]) -> list[bool]:
        rows = await self._database.fetch(_INSERT, {"rows": as_records(items)})
        inserted = {row["job_id"] for row in rows}
        return [item.job_id in inserted for item in items]

    async def _has_key(self, transaction: Transaction, new: NewJob) -> bool:
        assert new.idempotency_hash is not None
        params = {
            "account": new.account_id,
            "livemode": new.livemode,
            "key": bytes.fromhex(new.idempotency_hash),
        }
        return bool(await transaction.fetch(_BY_KEY, params))
