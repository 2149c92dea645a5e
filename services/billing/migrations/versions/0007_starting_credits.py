"""Free starting credits: who got them, and by which traits nobody gets them twice.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Keyed hashes: what a person is recognised by can neither be read back from here nor guessed.
STARTING = """
create table billing.starting_traits (
    trait bytea primary key check (length(trait) = 32),
    account_id uuid not null,
    granted_at timestamptz not null default clock_timestamp()
);
create index starting_traits_by_day on billing.starting_traits using brin (granted_at);
create trigger append_only before update or delete or truncate on billing.starting_traits
    for each statement execute function billing.append_only();
grant select, insert on billing.starting_traits to reapi_billing;
"""


def upgrade() -> None:
    op.execute(STARTING)
