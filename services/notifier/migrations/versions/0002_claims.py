"""A claim has a token of its own, so that it can be short and be renewed.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "alter table deliveries add column claim uuid",
    "grant update (claim) on deliveries to reapi_notifier",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
