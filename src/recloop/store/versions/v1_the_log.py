"""The first schema: the log, experiments, releases, keys, audit lines, policy states."""

revision = "1"
down_revision = None


def upgrade() -> None:
    """Nothing: a store without tables is made in its newest schema at once."""


def downgrade() -> None:
    """Nothing: there is no schema before the first."""
