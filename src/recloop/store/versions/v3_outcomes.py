"""What came of decisions is a log of its own, and states of policies know how far they have read it."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"

SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the log and what it is made from; what policies had learned is kept, and counts as not folded yet."""
    op.create_table(
        "outcomes",
        sa.Column("seq", SEQ, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )
    op.create_index("outcomes_policy", "outcomes", ["release", "policy", "seq"])
    op.add_column("policy_states", sa.Column("folded", SEQ, nullable=False, server_default="0"))
    op.add_column("policy_states", sa.Column("settled", SEQ, nullable=False, server_default="0"))
    _index("events_decision", "events", ["decision"], "decision IS NOT NULL")
    _index("decisions_arm", "decisions", ["policy", "seq"], "arm <> ''")


def downgrade() -> None:
    """Take the log of outcomes away; what policies have learned stays."""
    op.drop_index("decisions_arm", "decisions")
    op.drop_index("events_decision", "events")
    op.drop_column("policy_states", "settled")
    op.drop_column("policy_states", "folded")
    op.drop_table("outcomes")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
