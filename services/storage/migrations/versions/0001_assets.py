"""The asset index: every output we keep, and until when."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table assets (
        job_id      uuid        not null,
        idx         integer     not null check (idx between 0 and 999),
        account_id  uuid        not null,
        state       text        not null check (state in ('stored', 'lost')),
        key         text        unique,
        media_type  text,
        bytes       bigint      check (bytes > 0),
        sha256      text        check (sha256 ~ '^[0-9a-f]{64}$'),
        created_at  timestamptz not null default now(),
        expires_at  timestamptz,
        deleted_at  timestamptz,
        primary key (job_id, idx),
        check (num_nonnulls(key, media_type, bytes, sha256, expires_at) = case state when 'stored' then 5 else 0 end)
    )
    """,
    # What the sweeper looks for: everything in the bucket, the next to go first.
    "create index assets_due on assets (expires_at) where deleted_at is null and state = 'stored'",
    """
    create function assets_final() returns trigger language plpgsql as $$
    begin
        if to_jsonb(new) - 'deleted_at' is distinct from to_jsonb(old) - 'deleted_at' then
            raise exception 'asset % of job % is final: only its deletion may be noted', old.idx, old.job_id;
        end if;
        if old.deleted_at is not null then
            raise exception 'asset % of job % is deleted already', old.idx, old.job_id;
        end if;
        return new;
    end $$
    """,
    "create trigger assets_final before update on assets for each row execute function assets_final()",
    "grant select, insert on assets to reapi_storage",
    "grant update (deleted_at) on assets to reapi_storage",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
