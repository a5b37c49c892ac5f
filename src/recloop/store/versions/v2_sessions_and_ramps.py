"""Decisions know their visit and whether they were forced; experiments know their step."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Add columns; what there was counts as not forced, without a visit, on its first step."""
    op.add_column("decisions", sa.Column("session", sa.Text, nullable=False, server_default=""))
    op.add_column("decisions", sa.Column("forced", sa.Integer, nullable=False, server_default="0"))
    op.add_column("experiments", sa.Column("step", sa.Integer, nullable=False, server_default="0"))
    op.add_column("experiments", sa.Column("stepped", sa.Float))
    op.execute("UPDATE experiments SET stepped = started")


def downgrade() -> None:
    """Take the columns away, with what is in them."""
    op.drop_column("experiments", "stepped")
    op.drop_column("experiments", "step")
    op.drop_column("decisions", "forced")
    op.drop_column("decisions", "session")
