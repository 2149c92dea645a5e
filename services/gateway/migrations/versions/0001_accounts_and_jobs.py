"""Accounts, keys, rate buckets, and the customer's view of jobs."""

from alembic import op

revision = "0001"
down_revision = None

SCHEMA = """
create table accounts (
    account_id      uuid primary key,
    email           text not null check (email = lower(email) and length(email) between 3 and 254),
    state           text not null default 'active' check (state in ('active', 'suspended', 'closing', 'closed')),
    -- No limit unless somebody set one.
    rate_per_minute integer check (rate_per_minute > 0),
    inflight        integer check (inflight > 0),
    created_at      timestamptz not null default now()
);

create table api_keys (
    api_key_id uuid primary key,
    account_id uuid not null references accounts,
    -- HMAC-SHA-256 of the key under the pepper; the key itself is shown once and kept nowhere.
    digest     bytea not null unique check (length(digest) = 32),
    prefix     text not null,
    last_four  text not null check (length(last_four) = 4),
    livemode   boolean not null default true,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index api_keys_account on api_keys (account_id);

-- A crash may empty it: a full bucket is the harmless way to forget.
create unlogged table rate_buckets (
    account_id uuid primary key,
    tokens     double precision not null,
    granted    integer not null,
    refilled_at timestamptz not null
) with (fillfactor = 50);

create table jobs (
    job_id             uuid primary key,
    -- No foreign key: rows outlive an erased account, and no statement here may lock an account's row.
    account_id         uuid not null,
    api_key_id         uuid not null,
    livemode           boolean not null,
    family             text not null check (family in ('openai', 'native')),
    model              text not null,
    kind               text not null check (kind in ('image', 'video')),
    mode               text not null,
    sku                text not null,
    quantity           integer not null check (quantity > 0),
    outputs_wanted     integer not null check (outputs_wanted > 0),
    parameters         jsonb not null,
    synchronous        boolean not null,
    state              text not null default 'submitted'
                       check (state in ('submitted', 'abandoned', 'processing', 'completed', 'failed')),
    outputs            jsonb not null default '[]',
    reserved_microusd  bigint check (reserved_microusd >= 0),
    charged_microusd   bigint check (charged_microusd >= 0),
    refunded_microusd  bigint check (refunded_microusd >= 0),
    error_code         text,
    error_message      text,
    -- Keyed hashes: neither a body nor a customer's idempotency key can be read back or guessed from them.
    body_hash          bytea not null check (length(body_hash) = 32),
    idempotency_hash   bytea check (length(idempotency_hash) = 32),
    -- Who waits for the answer: the incarnation of the gateway process that holds the connection.
    waiter             bigint,
    adoptions          smallint not null default 0,
    delivered_at       timestamptz,
    replica            text not null,
    callback_url       text,
    created_at         timestamptz not null,
    accept_by          timestamptz not null,
    deadline_ms        integer not null check (deadline_ms > 0),
    deadline_at        timestamptz,
    finished_at        timestamptz,
    expires_at         timestamptz,
    -- When billing is asked (again) what has become of it.
    ask_at             timestamptz,
    asks               smallint not null default 0,
    check ((state in ('completed', 'failed', 'abandoned')) = (finished_at is not null)),
    check (state <> 'completed' or (jsonb_array_length(outputs) > 0 and charged_microusd is not null)),
    check (state <> 'failed' or error_code is not null),
    check (charged_microusd is null or reserved_microusd = charged_microusd + refunded_microusd)
) with (fillfactor = 70);

create unique index jobs_idempotency on jobs (account_id, livemode, idempotency_hash)
    where idempotency_hash is not null;
create index jobs_adoption on jobs (body_hash) where idempotency_hash is null;
create index jobs_videos on jobs (account_id, job_id) where kind = 'video';
create index jobs_open on jobs (account_id) where state in ('submitted', 'processing');
create index jobs_to_ask on jobs (ask_at) where state in ('submitted', 'processing');

create function jobs_final_stays() returns trigger language plpgsql as $$
begin
    if old.state in ('completed', 'failed', 'abandoned') and (
        new.state is distinct from old.state
        or new.reserved_microusd is distinct from old.reserved_microusd
        or new.charged_microusd is distinct from old.charged_microusd
        or new.refunded_microusd is distinct from old.refunded_microusd
        or new.finished_at is distinct from old.finished_at
    ) then
        raise exception 'job % is %: a final state never changes', old.job_id, old.state
            using errcode = 'check_violation';
    end if;
    if old.state = 'processing' and new.state in ('submitted', 'abandoned') then
        raise exception 'job % cannot go from % to %', old.job_id, old.state, new.state
            using errcode = 'check_violation';
    end if;
    return new;
end $$;

create trigger jobs_final_stays
    before update of state, reserved_microusd, charged_microusd, refunded_microusd, finished_at on jobs
    for each row execute function jobs_final_stays();

grant select, insert, update on accounts, api_keys, jobs to reapi_gateway;
grant select, insert, update, delete on rate_buckets to reapi_gateway;
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    op.execute("drop table jobs, rate_buckets, api_keys, accounts; drop function jobs_final_stays()")
