"""Signing secrets of accounts; webhook deliveries, with every attempt as a row."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table secrets (
        account_id  uuid        primary key,
        sealed      bytea       not null,
        created_at  timestamptz not null default now()
    )
    """,
    """
    create table deliveries (
        id             uuid        primary key,
        job_id         uuid        not null,
        account_id     uuid        not null,
        url            text        not null,
        host           text        not null,
        event_type     text        not null,
        body           text        not null check (octet_length(body) < 20000),
        state          text        not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
        tries          integer     not null default 0 check (tries >= 0),
        next_at        timestamptz not null default now(),
        claimed_until  timestamptz,
        created_at     timestamptz not null default now(),
        finished_at    timestamptz,
        check ((state = 'pending') = (finished_at is null))
    )
    """,
    # A hash, because an index entry has less room than a URL may take.
    "create unique index deliveries_once on deliveries (job_id, event_type, md5(url))",
    "create index deliveries_due on deliveries (next_at) where state = 'pending'",
    """
    create table attempts (
        delivery_id  uuid        not null references deliveries,
        number       integer     not null check (number >= 1),
        started_at   timestamptz not null,
        latency_ms   integer     not null check (latency_ms >= 0),
        status       integer,
        error        text,
        primary key (delivery_id, number)
    )
    """,
    """
    create function deliveries_final() returns trigger language plpgsql as $$
    begin
        if old.state <> 'pending' then
            raise exception 'delivery % is final', old.id;
        end if;
        if (new.id, new.job_id, new.account_id, new.url, new.host, new.event_type, new.body, new.created_at)
            is distinct from
            (old.id, old.job_id, old.account_id, old.url, old.host, old.event_type, old.body, old.created_at) then
            raise exception 'what delivery % says, and to whom, is final', old.id;
        end if;
        return new;
    end $$
    """,
    "create trigger deliveries_final before update on deliveries for each row execute function deliveries_final()",
    "grant select, insert on secrets, deliveries, attempts to reapi_notifier",
    "grant update (state, tries, next_at, claimed_until, finished_at) on deliveries to reapi_notifier",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
