"""Closed days of the log may lie in files: their manifest, and what is kept of the rows that left."""

import sqlalchemy as sa
from alembic import op

from recloop.errors import StoreError

revision = "6"
down_revision = "5"

SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables, empty."""
    op.create_table(
        "archive_parts",
        sa.Column("seq", SEQ, primary_key=True),
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("date", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False, unique=True),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "archived_ids",
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("moved", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "archived_tails",
        sa.Column("seq", SEQ, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("decision", sa.Text),
    )
    op.create_index("archived_tails_user_time", "archived_tails", ["user", "time"])


def downgrade() -> None:
    """Take the tables away, where no file is named: an older recloop would not see its rows."""
    parts = op.get_bind().execute(sa.text("SELECT count(*) FROM archive_parts")).scalar_one()
    if parts:
        raise StoreError(
            f"{parts} files of the archive hold rows of the log",
            allowed="an older schema has no archive, and these rows would not be read",
            advice="delete what may go first: recloop archive run --keep-days",
        )
    op.drop_index("archived_tails_user_time", "archived_tails")
    op.drop_table("archived_tails")
    op.drop_table("archived_ids")
    op.drop_table("archive_parts")
