"""Keys expire, are seen to be used, and have a rate of their own."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"

COLUMNS = ("expires", "used", "rate")


def upgrade() -> None:
    """Add columns; the keys that there are never expire, and have no rate of their own."""
    for name in COLUMNS:
        op.add_column("api_keys", sa.Column(name, sa.Float))


def downgrade() -> None:
    """Take the columns away: a key that would expire is revoked, since it would be open for ever."""
    op.execute("UPDATE api_keys SET revoked = expires WHERE revoked IS NULL AND expires IS NOT NULL")
    for name in reversed(COLUMNS):
        op.drop_column("api_keys", name)
