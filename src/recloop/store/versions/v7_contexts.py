"""Decisions know in which context they were made, and what else an estimator needs of them."""

import sqlalchemy as sa
from alembic import op

revision = "7"
down_revision = "6"

COLUMNS = ("context", "details")


def upgrade() -> None:
    """Add the columns, empty for what there was."""
    for name in COLUMNS:
        op.add_column("decisions", sa.Column(name, sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Take the columns away, with what is in them."""
    for name in reversed(COLUMNS):
        op.drop_column("decisions", name)
