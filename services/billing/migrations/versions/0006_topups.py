"""Automatic top-ups: what a customer allows, and what came of it.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# `trying` is the order of the payment under way: one at a time, found again after a crash.
TOPUPS = """
create table billing.topups (
    account_id uuid primary key,
    state text not null check (state in ('on', 'off', 'needs_customer')),
    threshold_microusd bigint not null check (threshold_microusd > 0),
    package text not null,
    month_cap_cents integer not null check (month_cap_cents > 0),
    month date not null default billing.month_of(clock_timestamp()),
    month_spent_cents integer not null default 0 check (month_spent_cents >= 0),
    trying uuid references billing.orders,
    next_at timestamptz not null default clock_timestamp(),
    problem text
);
create index topups_on on billing.topups (next_at) where state = 'on';
alter table billing.orders add column topup boolean not null default false;
"""

GRANTS = "grant select, insert, update on billing.topups to reapi_billing;"


def upgrade() -> None:
    for part in (TOPUPS, GRANTS):
        op.execute(part)
