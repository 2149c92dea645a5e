"""The ledger, reservations and the price book.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = """
create type billing.purpose as enum ('subscription', 'granted', 'purchased', 'held', 'earned', 'outside');
create type billing.reservation_state as enum ('held', 'captured', 'refunded', 'refused');
"""

# One row per customer, so that a hold locks and writes one row. House accounts have no row here: every capture
# would wait for the one before it.
ACCOUNTS = """
create table billing.accounts (
    account_id uuid primary key
        check (account_id <> '00000000-0000-0000-0000-000000000000'),
    subscription_microusd bigint not null default 0 check (subscription_microusd >= 0),
    granted_microusd bigint not null default 0 check (granted_microusd >= 0),
    purchased_microusd bigint not null default 0 check (purchased_microusd >= 0),
    held_microusd bigint not null default 0 check (held_microusd >= 0),
    opened_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
"""

LEDGER = """
create sequence billing.transaction_ids;
create table billing.transactions (
    transaction_id bigint primary key default nextval('billing.transaction_ids'),
    operation text not null unique check (length(operation) between 1 and 200),
    event text not null check (event in ('credit', 'hold', 'capture', 'refund')),
    account_id uuid not null,
    job_id uuid,
    reason text not null default '' check (length(reason) <= 500),
    booked_at timestamptz not null
);
create index transactions_booked_at on billing.transactions using brin (booked_at);

create table billing.entries (
    transaction_id bigint not null,
    account_id uuid not null,
    purpose billing.purpose not null,
    amount_microusd bigint not null
        check (amount_microusd <> 0 and amount_microusd between -1000000000000 and 1000000000000),
    primary key (transaction_id, account_id, purpose),
    check ((purpose in ('earned', 'outside')) = (account_id = '00000000-0000-0000-0000-000000000000'))
);
create index entries_of_account on billing.entries (account_id, transaction_id)
    where account_id <> '00000000-0000-0000-0000-000000000000';

-- Once per statement, not per row. Every statement that adds entries adds balanced ones, hence every transaction
-- balances at all times; a deferred constraint trigger could only run row by row.
create function billing.entries_balance() returns trigger language plpgsql as $$
begin
    if exists (select from added group by transaction_id having sum(amount_microusd) <> 0) then
        raise exception 'entries of a transaction must sum to zero' using errcode = 'check_violation';
    end if;
    if exists (
        select from (select distinct transaction_id from added) a
        where not exists (select from billing.transactions t where t.transaction_id = a.transaction_id)
    ) then
        raise exception 'entries need their transaction' using errcode = 'foreign_key_violation';
    end if;
    return null;
end $$;
create trigger entries_balance after insert on billing.entries
    referencing new table as added for each statement execute function billing.entries_balance();
"""

RESERVATIONS = """
create table billing.reservations (
    job_id uuid primary key,
    account_id uuid not null,
    state billing.reservation_state not null,
    sku text,
    quantity integer check (quantity > 0),
    outputs integer check (outputs > 0 and quantity % outputs = 0),
    unit_price_microusd bigint,
    price_version integer,
    amount_microusd bigint not null check (amount_microusd between 0 and 1000000000000),
    from_subscription_microusd bigint not null default 0 check (from_subscription_microusd >= 0),
    from_granted_microusd bigint not null default 0 check (from_granted_microusd >= 0),
    from_purchased_microusd bigint not null default 0 check (from_purchased_microusd >= 0),
    charged_microusd bigint not null default 0 check (charged_microusd >= 0),
    refunded_microusd bigint not null default 0 check (refunded_microusd >= 0),
    synchronous boolean not null,
    livemode boolean not null default true,
    replica text not null,
    decided_at timestamptz not null,
    deadline_at timestamptz,
    expires_at timestamptz,
    settled_at timestamptz,
    error_code text,
    error_message text,
    delivered jsonb,
    publish_due_at timestamptz,
    check (from_subscription_microusd + from_granted_microusd + from_purchased_microusd = amount_microusd),
    check (case state
        when 'held' then charged_microusd = 0 and refunded_microusd = 0 and settled_at is null
            and num_nulls(sku, quantity, outputs, unit_price_microusd, price_version, deadline_at, expires_at) = 0
            and amount_microusd = case when livemode then unit_price_microusd * quantity else 0 end
        when 'captured' then charged_microusd + refunded_microusd = amount_microusd and settled_at is not null
            and delivered is not null
        when 'refunded' then charged_microusd = 0 and refunded_microusd = amount_microusd
            and settled_at is not null and error_code is not null
        when 'refused' then amount_microusd = 0 and charged_microusd = 0 and refunded_microusd = 0
            and error_code is not null
    end)
) with (fillfactor = 70);
-- Its condition means `state = 'held'` but does not say so: statements that look jobs up by id and ask for held ones
-- must not be planned over this index while the table is small, and then run so when it is large.
create index reservations_open on billing.reservations (expires_at)
    where settled_at is null and expires_at is not null;
create index reservations_to_publish on billing.reservations (publish_due_at) where publish_due_at is not null;

create index reservations_settled_at on billing.reservations using brin (settled_at);

create function billing.reservation_moves() returns trigger language plpgsql as $$
declare
    mark timestamptz := new.publish_due_at;
begin
    if old.state <> 'held' then
        -- Only the mark of a message still to be published may change.
        new.publish_due_at := old.publish_due_at;
        if new is not distinct from old then
            new.publish_due_at := mark;
            return new;
        end if;
    end if;
    raise exception 'reservation % is % and cannot become %', old.job_id, old.state, new.state
        using errcode = 'check_violation';
end $$;
create trigger reservation_moves before update on billing.reservations for each row
    when (old.state <> 'held' or new.state not in ('captured', 'refunded'))
    execute function billing.reservation_moves();

create function billing.reservation_starts() returns trigger language plpgsql as $$
begin
    raise exception 'a reservation starts held or refused, not %', new.state using errcode = 'check_violation';
end $$;
create trigger reservation_starts before insert on billing.reservations for each row
    when (new.state not in ('held', 'refused')) execute function billing.reservation_starts();
"""

# At most 100 dollars a unit: with the largest quantity a message may carry, a price stays within one entry.
PRICES = """
create table billing.prices (
    version integer generated always as identity primary key,
    sku text not null check (length(sku) between 1 and 200),
    unit_price_microusd bigint not null check (unit_price_microusd between 1 and 100000000),
    effective_at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    unique (sku, effective_at)
);
"""

APPEND_ONLY = """
create function billing.append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete or truncate on billing.transactions
    for each statement execute function billing.append_only();
create trigger append_only before update or delete or truncate on billing.entries
    for each statement execute function billing.append_only();
create trigger append_only before update or delete or truncate on billing.prices
    for each statement execute function billing.append_only();
create trigger never_deleted before delete or truncate on billing.reservations
    for each statement execute function billing.append_only();
create trigger never_deleted before delete or truncate on billing.accounts
    for each statement execute function billing.append_only();
"""

# Stable: auditors read these, whatever becomes of the tables beneath.
VIEWS = """
create view billing.audit_entries as
    select e.transaction_id, t.operation, t.booked_at, e.account_id, e.purpose::text as purpose,
           e.amount_microusd
    from billing.entries e join billing.transactions t using (transaction_id);
create view billing.audit_balances as
    select a.account_id, pot.purpose, pot.balance_microusd
    from billing.accounts a cross join lateral (values
        ('subscription', a.subscription_microusd), ('granted', a.granted_microusd),
        ('purchased', a.purchased_microusd), ('held', a.held_microusd)
    ) as pot (purpose, balance_microusd)
    union all
    select account_id, purpose::text, sum(amount_microusd)::bigint
    from billing.entries where account_id = '00000000-0000-0000-0000-000000000000'
    group by account_id, purpose;
"""

# The service may add to the ledger and move what a hold's life moves; nothing else, and never delete.
GRANTS = """
grant usage on sequence billing.transaction_ids to reapi_billing;
grant select, insert on billing.transactions, billing.entries, billing.prices to reapi_billing;
grant select, insert on billing.accounts, billing.reservations to reapi_billing;
grant update (subscription_microusd, granted_microusd, purchased_microusd, held_microusd, changed_at)
    on billing.accounts to reapi_billing;
grant update (state, charged_microusd, refunded_microusd, settled_at, error_code, error_message, delivered,
              publish_due_at) on billing.reservations to reapi_billing;
grant select on billing.audit_entries, billing.audit_balances to reapi_billing;
"""


def upgrade() -> None:
    for part in (TYPES, ACCOUNTS, LEDGER, RESERVATIONS, PRICES, APPEND_ONLY, VIEWS, GRANTS):
        op.execute(part)
