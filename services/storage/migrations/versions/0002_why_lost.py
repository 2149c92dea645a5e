"""Why an output is lost: the answer to a second delivery is the first one's.

Goes before the first code that needs it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Rows of older processes say nothing.
    "alter table assets add column gone text check (gone is null or state = 'lost')",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
