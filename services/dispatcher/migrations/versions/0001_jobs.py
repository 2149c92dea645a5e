"""Parked jobs, their attempts, and who runs them.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = """
create type dispatcher.job_state as enum ('parked', 'running', 'done', 'failed');
create type dispatcher.attempt_state as enum ('submitting', 'accepted', 'succeeded', 'failed', 'abandoned');
"""

# One row per process incarnation, renewed every few seconds: a job belongs to whoever its row names, for as long
# as that owner's lease runs. A lease on every job would be ten thousand writes where this is one.
OWNERS = """
create table dispatcher.owners (
    owner_id uuid primary key,
    lease_until timestamptz not null,
    started_at timestamptz not null default clock_timestamp()
);
"""

# Final means: the verdict is there and the sealed request is gone, in the same commit. `produced` are outputs of
# earlier attempts of a job that wants several.
JOBS = """
create table dispatcher.jobs (
    job_id uuid primary key,
    account_id uuid not null,
    model text not null,
    kind text not null check (kind in ('image', 'video')),
    mode text not null,
    outputs int not null check (outputs between 1 and 100),
    parameters jsonb not null,
    epoch text not null,
    sealed text,
    deadline_at timestamptz not null,
    synchronous boolean not null,
    livemode boolean not null,
    replica text not null,
    state dispatcher.job_state not null,
    owner_id uuid,
    generation int not null default 1 check (generation > 0),
    produced jsonb not null default '[]',
    verdict jsonb,
    parked_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    published_at timestamptz,
    constraint final_has_verdict check ((state in ('done', 'failed')) = (verdict is not null)),
    constraint final_has_time check ((state in ('done', 'failed')) = (finished_at is not null)),
    constraint final_has_no_body check ((state in ('done', 'failed')) = (sealed is null)),
    constraint published_is_final check (published_at is null or finished_at is not null)
);
create index jobs_open on dispatcher.jobs (owner_id) where state in ('parked', 'running');
create index jobs_unpublished on dispatcher.jobs (finished_at) where finished_at is not null and published_at is null;
create index jobs_by_age on dispatcher.jobs using brin (parked_at);
"""

# The number is part of the key: a second delivery of a job finds its first attempt and calls nobody.
ATTEMPTS = """
create table dispatcher.attempts (
    job_id uuid not null references dispatcher.jobs on delete cascade,
    attempt_no int not null check (attempt_no between 1 and 100),
    provider text not null,
    upstream_model text not null,
    outputs int not null check (outputs > 0),
    first_index int not null check (first_index >= 0),
    state dispatcher.attempt_state not null default 'submitting',
    upstream_id text,
    reference jsonb,
    failure_class text,
    failure_code text,
    started_at timestamptz not null default clock_timestamp(),
    accepted_at timestamptz,
    finished_at timestamptz,
    primary key (job_id, attempt_no),
    constraint accepted_can_be_asked check (state <> 'accepted' or num_nulls(reference, accepted_at) = 0),
    constraint failed_says_why check ((state = 'failed') = (failure_class is not null))
);
"""

FINAL_IS_FINAL = """
create function dispatcher.final_is_final() returns trigger language plpgsql as $$
begin
    if new.state <> old.state or new.verdict is distinct from old.verdict then
        raise exception 'job % is final', old.job_id using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
create trigger final_is_final before update on dispatcher.jobs
    for each row when (old.state in ('done', 'failed')) execute function dispatcher.final_is_final();
"""

RIGHTS = """
grant select, insert, update, delete on dispatcher.owners, dispatcher.jobs, dispatcher.attempts to reapi_dispatcher;
"""


def upgrade() -> None:
    for statement in (TYPES, OWNERS, JOBS, ATTEMPTS, FINAL_IS_FINAL, RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table dispatcher.attempts, dispatcher.jobs, dispatcher.owners")
    op.execute("drop function dispatcher.final_is_final; drop type dispatcher.attempt_state, dispatcher.job_state")
