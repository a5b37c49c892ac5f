"""People put overrides over policies, look after findings, and log in to the dashboard."""

import sqlalchemy as sa
from alembic import op

revision = "8"
down_revision = "7"

TABLES = ("overrides", "reviews", "dashboard_users", "dashboard_sessions")


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str, *, null: bool = False) -> "sa.Column[float]":
    return sa.Column(name, sa.Float, nullable=null)


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer, nullable=False)


def upgrade() -> None:
    """Add the tables, empty."""
    op.create_table(
        "overrides",
        sa.Column("id", sa.Text, primary_key=True),
        _text("action"),
        _text("items"),
        _count("place"),
        _number("strength"),
        _text("surface"),
        _text("segment"),
        _text("reason"),
        _text("owner"),
        _number("created"),
        _number("expires", null=True),
        _number("ended", null=True),
        _text("ended_by"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text, primary_key=True),
        _text("state"),
        _text("finding"),
        _text("assignee"),
        _text("note"),
        _number("muted_until", null=True),
        _number("first_seen"),
        _number("last_seen"),
        _number("changed"),
        _count("present"),
        _count("gone"),
        _count("returns"),
    )
    op.create_table(
        "dashboard_users",
        sa.Column("name", sa.Text, primary_key=True),
        _text("hash"),
        _text("role"),
        _number("created"),
        _number("disabled", null=True),
        _number("used", null=True),
    )
    op.create_table(
        "dashboard_sessions",
        sa.Column("id", sa.Text, primary_key=True),
        _text("user"),
        _number("created"),
        _number("expires"),
    )


def downgrade() -> None:
    """Take the tables away, with what is in them; an older service follows no override."""
    for name in reversed(TABLES):
        op.drop_table(name)
