"""What operators and customers decide about routes, and what upstreams charged.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DECISIONS = """
create table dispatcher.route_decisions (
    provider text not null,
    model text not null,
    action text not null check (action in ('drain', 'force')),
    reason text not null check (reason <> ''),
    decided_at timestamptz not null default clock_timestamp(),
    primary key (provider, model)
);
grant select, insert, update, delete on dispatcher.route_decisions to reapi_dispatcher;
"""

# What a provider says it charged, where it says so: the true margin of a job.
COST = "alter table dispatcher.attempts add column cost_microusd bigint check (cost_microusd >= 0)"


# What the customer said of other routes than the preferred one.
FALLBACK = """
alter table dispatcher.jobs
    add column lossy text[] not null default '{}',
    add column failover boolean not null default true
"""


def upgrade() -> None:
    for statement in (DECISIONS, COST, FALLBACK):
        op.execute(statement)


def downgrade() -> None:
    op.execute("alter table dispatcher.jobs drop column lossy, drop column failover")
    op.execute("alter table dispatcher.attempts drop column cost_microusd")
    op.execute("drop table dispatcher.route_decisions")
