"""Price changes that are announced: who was told when, and the rule that says what each account pays.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# One change may touch many SKUs; its customers get one notice. Versions without a change are first prices.
CHANGES = """
create table billing.price_changes (
    change_id uuid primary key,
    reason text not null check (length(reason) between 1 and 500),
    announced_at timestamptz not null default clock_timestamp(),
    effective_at timestamptz not null check (effective_at >= announced_at)
);
alter table billing.prices add column change_id uuid references billing.price_changes;
create index prices_of_change on billing.prices (change_id) where change_id is not null;
create index price_changes_by_age on billing.price_changes (announced_at);
"""

# What mail servers said about a change's notice to one account, as it came: a server can take a mail and report later
# that it could not be delivered, and be sent it again. What follows from it is `notice_binds_at`.
NOTICES = """
create table billing.price_notices (
    change_id uuid not null references billing.price_changes,
    account_id uuid not null,
    event text not null check (event in ('accepted', 'bounced')),
    happened_at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (change_id, account_id, event, happened_at)
);
create trigger append_only before update or delete or truncate on billing.price_notices
    for each statement execute function billing.append_only();
create trigger append_only before update or delete or truncate on billing.price_changes
    for each statement execute function billing.append_only();

-- From when on an account that was there before is bound: the change's date, or 14 times 24 hours after the mail was
-- taken, if that is later; a mail that came back before then was never there. Hours, for a day may have 23 of them.
-- Null: not so far. The events may come in any order and more than once.
create function billing.notice_binds_at(change uuid, account uuid, effective_at timestamptz)
returns timestamptz language sql stable as $$
    select min(binds_at) from billing.price_notices taken
    cross join lateral (select greatest(effective_at, taken.happened_at + interval '336 hours') as binds_at) then_
    where taken.change_id = change and taken.account_id = account and taken.event = 'accepted'
        and not exists (
            select from billing.price_notices back
            where back.change_id = change and back.account_id = account and back.event = 'bounced'
                and back.happened_at >= taken.happened_at and back.happened_at < binds_at
        )
$$;
"""

# The rule of the house (P9), in one place: holds, quotes and lists all ask here.
#
# A version *binds* an account from a moment on: a first price always, a change announced before the account was
# opened from its opening (it was shown at sign-up), any other as its notice does.
#
# The account pays the least of the latest version that binds it and of all later ones whose date has come: a
# decrease needs nobody's notice. "Later" goes by date; for a change shown at sign-up, by the day of that.
RULE = """
create function billing.price_of(wanted_sku text, account uuid, opened timestamptz, moment timestamptz)
returns table (version integer, unit_price_microusd bigint) language sql stable as $$
    with offered as (
        select p.version, p.unit_price_microusd, p.effective_at,
            case when c.change_id is null then '-infinity'
                 when c.announced_at <= opened then opened
                 else billing.notice_binds_at(c.change_id, account, p.effective_at) end as binds_at,
            case when c.announced_at <= opened then least(p.effective_at, opened)
                 else p.effective_at end as place
        from billing.prices p left join billing.price_changes c using (change_id)
        where p.sku = wanted_sku
    ),
    bound as (
        select * from offered where binds_at <= moment order by place desc, version desc limit 1
    )
    select o.version, o.unit_price_microusd
    from offered o, bound b
    where o.version = b.version or ((o.place, o.version) > (b.place, b.version) and o.effective_at <= moment)
    order by o.unit_price_microusd, o.place desc, o.version desc
    limit 1
$$;
"""

GRANTS = """
grant select, insert on billing.price_changes, billing.price_notices to reapi_billing;
grant update (opened_at) on billing.accounts to reapi_billing;
"""


def upgrade() -> None:
    for part in (CHANGES, NOTICES, RULE, GRANTS):
        op.execute(part)
