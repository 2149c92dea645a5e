"""Closing an account in two steps, and what is forfeited then.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PURPOSE = "alter type billing.purpose add value if not exists 'breakage';"

CLOSING = """
alter table billing.accounts
    add column closing_at timestamptz,
    add column closed_at timestamptz check (closed_at is null or closing_at is not null),
    add constraint closed_means_empty check (closed_at is null
        or (held_microusd = 0 and open_holds = 0 and subscription_microusd = 0 and granted_microusd = 0));
alter table billing.entries drop constraint entries_check;
alter table billing.entries add constraint entries_check
    check ((purpose in ('earned', 'outside', 'breakage')) = (account_id = '00000000-0000-0000-0000-000000000000'));
alter table billing.transactions drop constraint transactions_event_check;
alter table billing.transactions add constraint transactions_event_check check (event in (
    'credit', 'grant', 'hold', 'capture', 'refund', 'purchase', 'subscription', 'card_refund', 'dispute',
    'dispute_won', 'forfeit'));

create function billing.closed_stays() returns trigger language plpgsql as $$
begin
    if new.closing_at is distinct from old.closing_at and old.closing_at is not null
        or new.closed_at is distinct from old.closed_at and old.closed_at is not null then
        raise exception 'account % stays closed', old.account_id using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger closed_stays before update of closing_at, closed_at on billing.accounts
    for each row execute function billing.closed_stays();
"""

GRANTS = "grant update (closing_at, closed_at) on billing.accounts to reapi_billing;"


def upgrade() -> None:
    # A new value of a type can be used only once the transaction that added it is over.
    with op.get_context().autocommit_block():
        op.execute(PURPOSE)
    for part in (CLOSING, GRANTS):
        op.execute(part)
