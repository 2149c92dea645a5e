"""Card payments: orders, Stripe's customers, subscriptions and events; what is owed; suspension.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A customer who was refunded, or charged us back, after spending the credits owes them. It is never a negative pot.
ACCOUNTS = """
alter type billing.purpose add value if not exists 'receivable';
"""
COLUMNS = """
alter table billing.accounts
    add column receivable_microusd bigint not null default 0 check (receivable_microusd <= 0),
    add column suspended_at timestamptz,
    add column suspended_for text check ((suspended_at is null) = (suspended_for is null));
alter table billing.transactions drop constraint transactions_event_check;
alter table billing.transactions add constraint transactions_event_check check (event in (
    'credit', 'hold', 'capture', 'refund', 'purchase', 'subscription', 'card_refund', 'dispute', 'dispute_won'));

create or replace view billing.audit_balances as
    select a.account_id, pot.purpose, pot.balance_microusd
    from billing.accounts a cross join lateral (values
        ('subscription', a.subscription_microusd), ('granted', a.granted_microusd),
        ('purchased', a.purchased_microusd), ('held', a.held_microusd), ('receivable', a.receivable_microusd)
    ) as pot (purpose, balance_microusd)
    union all
    select account_id, purpose::text, sum(amount_microusd)::bigint
    from billing.entries where account_id = '00000000-0000-0000-0000-000000000000'
    group by account_id, purpose;
"""

# What a customer was about to pay when the page was opened: everything that Stripe tells is checked against it.
ORDERS = """
create table billing.stripe_customers (
    account_id uuid primary key,
    customer_id text not null unique,
    created_at timestamptz not null default clock_timestamp()
);
create table billing.orders (
    order_id uuid primary key,
    account_id uuid not null,
    kind text not null check (kind in ('package', 'plan')),
    offer text not null,
    amount_cents integer not null check (amount_cents > 0),
    currency text not null check (currency = 'usd'),
    credits_microusd bigint not null check (credits_microusd > 0),
    session_id text unique,
    state text not null default 'open' check (state in ('open', 'paid', 'expired')),
    problem text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check ((state = 'open') = (ended_at is null))
);
create index orders_of_account on billing.orders (account_id, created_at);
create index orders_open on billing.orders (created_at) where state = 'open';

create function billing.order_stays() returns trigger language plpgsql as $$
begin
    if (new.order_id, new.account_id, new.kind, new.offer, new.amount_cents, new.currency, new.credits_microusd)
        is distinct from
        (old.order_id, old.account_id, old.kind, old.offer, old.amount_cents, old.currency, old.credits_microusd)
        or (old.state = 'paid' and new.state <> 'paid')
    then
        raise exception 'order % is what it is', old.order_id using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger order_stays before update on billing.orders for each row execute function billing.order_stays();
create trigger never_deleted before delete or truncate on billing.orders
    for each statement execute function billing.append_only();
"""

# One row per event, whoever told of it and however often: the endpoint, or the reconciler.
STRIPE = """
create table billing.stripe_events (
    event_id text primary key,
    type text not null,
    object_id text not null,
    told_at timestamptz not null,
    received_at timestamptz not null default clock_timestamp(),
    tries integer not null default 0,
    next_at timestamptz not null default clock_timestamp(),
    handled_at timestamptz,
    problem text
);
create index stripe_events_open on billing.stripe_events (next_at) where handled_at is null;

create table billing.subscriptions (
    subscription_id text primary key,
    account_id uuid not null,
    plan text not null,
    status text not null,
    period_end timestamptz not null,
    cancel_at_period_end boolean not null,
    seen_at timestamptz not null
);
create index subscriptions_of_account on billing.subscriptions (account_id, period_end);

create table billing.reconciled (
    sole boolean primary key default true check (sole),
    until timestamptz not null
);
"""

GRANTS = """
grant update (receivable_microusd, suspended_at, suspended_for) on billing.accounts to reapi_billing;
grant select, insert on billing.stripe_customers to reapi_billing;
grant select, insert on billing.orders to reapi_billing;
grant update (session_id, state, problem, ended_at) on billing.orders to reapi_billing;
grant select, insert, update, delete on billing.stripe_events to reapi_billing;
grant select, insert, update on billing.subscriptions, billing.reconciled to reapi_billing;
"""


def upgrade() -> None:
    # A new value of a type can be used only once the transaction that added it is over.
    with op.get_context().autocommit_block():
        op.execute(ACCOUNTS)
    for part in (COLUMNS, ORDERS, STRIPE, GRANTS):
        op.execute(part)
