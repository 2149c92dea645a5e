"""Limits that a hold must stay within: spending a calendar month, by account and by key, and open holds.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What is counted lies in rows that a hold locks anyway, or that exist before anything is held under them: a count
# that is read without its lock may be a moment old, and a moment is enough to spend twice.
CAPS = """
create function billing.month_of(moment timestamptz) returns date language sql immutable as $$
    select date_trunc('month', moment at time zone 'UTC')::date
$$;
alter table billing.accounts
    add column open_holds integer not null default 0 check (open_holds >= 0),
    add column month date not null default billing.month_of(clock_timestamp()),
    add column month_spent_microusd bigint not null default 0 check (month_spent_microusd >= 0),
    add column month_cap_microusd bigint check (month_cap_microusd >= 0);
update billing.accounts a set open_holds = open.n from (
    select account_id, count(*) as n from billing.reservations where state = 'held' and amount_microusd > 0
    group by account_id
) open where open.account_id = a.account_id;
update billing.accounts a set month_spent_microusd = spent.n from (
    select account_id, sum(amount_microusd - refunded_microusd) as n from billing.reservations
    where billing.month_of(decided_at) = billing.month_of(clock_timestamp()) group by account_id
) spent where spent.account_id = a.account_id;

alter table billing.reservations add column api_key_id uuid;

create table billing.key_caps (
    account_id uuid not null,
    api_key_id uuid not null,
    month_cap_microusd bigint not null check (month_cap_microusd >= 0),
    month date not null default billing.month_of(clock_timestamp()),
    month_spent_microusd bigint not null default 0 check (month_spent_microusd >= 0),
    primary key (account_id, api_key_id)
);
"""

GRANTS = """
grant update (open_holds, month, month_spent_microusd, month_cap_microusd) on billing.accounts to reapi_billing;
grant select, insert, update, delete on billing.key_caps to reapi_billing;
"""


def upgrade() -> None:
    for part in (CAPS, GRANTS):
        op.execute(part)
