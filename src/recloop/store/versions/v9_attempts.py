"""Tries of a password have a table of their own; they were rows beside the sessions."""

import sqlalchemy as sa
from alembic import op

revision = "9"
down_revision = "8"


def upgrade() -> None:
    """Add the table, empty: what was tried in the last five minutes is forgotten."""
    op.execute("DELETE FROM dashboard_sessions WHERE id LIKE 'try %'")
    op.create_table(
        "dashboard_attempts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("who", sa.Text, primary_key=True),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_index("dashboard_attempts_who", "dashboard_attempts", ["who", "expires"])


def downgrade() -> None:
    """Take the table away, with what is in it."""
    op.drop_index("dashboard_attempts_who", "dashboard_attempts")
    op.drop_table("dashboard_attempts")
