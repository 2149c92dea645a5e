"""Claims have a token of their own, so that they can be renewed while a post is under way.

Goes before the first code that needs it; code from before it goes on to work.
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
