"""Decisions know the chance of every arm."""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Add the column, empty for what there was."""
    op.add_column("decisions", sa.Column("allocation", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Take the column away, with what is in it."""
    op.drop_column("decisions", "allocation")
