"""Every table of the store. Times are seconds since 1970 in UTC; ids are strings."""

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, text

SCHEMA = 9  # raised by every change of a table, with a file in versions

metadata = MetaData()


def _text(name: str, *, null: bool = False) -> "Column[str]":
    return Column(name, Text, nullable=null)


def _number(name: str, *, null: bool = False) -> "Column[float]":
    return Column(name, Float, nullable=null)


def _count(name: str) -> "Column[int]":
    return Column(name, Integer, nullable=False)


def _unique_id() -> "Column[str]":
    return Column("id", Text, nullable=False, unique=True)


SEQ = BigInteger().with_variant(Integer, "sqlite")


def _order() -> "Column[int]":
    """The order of arrival: what a reader that follows the log remembers."""
    return Column("seq", SEQ, primary_key=True)


def _place(name: str) -> "Column[int]":
    """A place in the order of arrival, up to which something was done."""
    return Column(name, SEQ, nullable=False)


def _where(condition: str) -> dict[str, Any]:
    """The condition of an index that holds a part of the rows."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


schema = Table("recloop_schema", metadata, Column("version", Integer, nullable=False), _number("created"))

events = Table(
    "events",
    metadata,
    _order(),
    _unique_id(),
    _text("user"),
    _text("item"),
    _text("kind"),
    _number("value", null=True),
    _number("time"),
    _number("received"),
    _text("decision", null=True),
    Index("events_user_time", "user", "time"),
    Index("events_decision", "decision", **_where("decision IS NOT NULL")),
)

# items, sources and scores are JSON arrays of one length, best first; allocation, context
# and details are JSON objects, or empty
decisions = Table(
    "decisions",
    metadata,
    _order(),
    _unique_id(),
    _text("user"),
    _number("time"),
    _text("experiment"),
    _text("variant"),
    _text("policy"),
    _text("arm"),
    _number("propensity"),
    _text("release"),
    _text("surface"),
    _text("fallback"),
    _number("latency"),
    _text("items"),
    _text("sources"),
    _text("scores"),
    _text("session"),
    _count("forced"),
    _text("allocation"),
    _text("context"),
    _text("details"),
    Index("decisions_experiment_time", "experiment", "time"),
    Index("decisions_arm", "policy", "seq", **_where("arm <> ''")),
)

feedback = Table(
    "feedback",
    metadata,
    _order(),
    _unique_id(),
    _text("user"),
    _text("kind"),
    _number("time"),
    _number("value", null=True),
    _text("text"),
    _text("item"),
    _text("decision"),
)

LOG = (events, decisions, feedback)


def sent(table: Table) -> list[str]:
    """The columns of a table of the log that a row brings; ``seq`` is the database's."""
    return [column.name for column in table.c if column.name != "seq"]


experiments = Table(
    "experiments",
    metadata,
    Column("name", Text, primary_key=True),
    _text("definition"),
    _text("state"),
    _number("created"),
    _number("started", null=True),
    _number("stopped", null=True),
    _count("step"),
    _number("stepped", null=True),
)

releases = Table(
    "releases",
    metadata,
    Column("name", Text, primary_key=True),
    _text("path"),
    _text("checksum"),
    _number("created"),
)

# a stack: the newest that is not undone is the active release, and rolling back undoes it
promotions = Table("promotions", metadata, _order(), _text("release"), _number("time"), _number("undone", null=True))

keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("salt"),
    _text("hash"),
    _text("scopes"),
    _number("created"),
    _number("revoked", null=True),
    _number("expires", null=True),
    _number("used", null=True),
    _number("rate", null=True),
)

audit = Table(
    "audit", metadata, _order(), _number("time"), _text("actor"), _text("action"), _text("subject"), _text("detail")
)

# what came of decisions whose arm learns: one row each, written once; id is the decision's
outcomes = Table(
    "outcomes",
    metadata,
    _order(),
    _unique_id(),
    _text("release"),
    _text("policy"),
    _text("arm"),
    _number("reward"),
    _number("time"),
    Index("outcomes_policy", "release", "policy", "seq"),
)

# folded: the last outcome that is in the state; settled: the decision up to which all have outcomes
policy_states = Table(
    "policy_states",
    metadata,
    Column("release", Text, primary_key=True),
    Column("policy", Text, primary_key=True),
    _text("state"),
    _number("updated"),
    _place("folded"),
    _place("settled"),
)

# ---- the archive: what was moved out of events, decisions and feedback into files

# the manifest: only files that are named here belong to the archive
archive_parts = Table(
    "archive_parts",
    metadata,
    _order(),
    _text("log"),
    _text("date"),
    Column("file", Text, nullable=False, unique=True),
    _count("rows"),
    _count("bytes"),
    _text("sha256"),
    _number("created"),
)

# ids that still count as known though their rows have left
archived_ids = Table(
    "archived_ids",
    metadata,
    Column("log", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    _number("moved"),
    sqlite_with_rowid=False,
)

# the last events of each user among those that have left: what a history needs of them
archived_tails = Table(
    "archived_tails",
    metadata,
    _order(),
    _text("id"),
    _text("user"),
    _text("item"),
    _text("kind"),
    _number("value", null=True),
    _number("time"),
    _text("decision", null=True),
    Index("archived_tails_user_time", "user", "time"),
)

# ---- people in the loop

# what people put over the policies; a row is never changed but for its end, so that it can be told what held when.
# items and segment are JSON
overrides = Table(
    "overrides",
    metadata,
    Column("id", Text, primary_key=True),
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

# the findings that people look after; finding is JSON, as the problem finder told it last
reviews = Table(
    "reviews",
    metadata,
    Column("id", Text, primary_key=True),
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

# who may look at the dashboard; hash is argon2id's whole text
accounts = Table(
    "dashboard_users",
    metadata,
    Column("name", Text, primary_key=True),
    _text("hash"),
    _text("role"),
    _number("created"),
    _number("disabled", null=True),
    _number("used", null=True),
)

# id is the hash of the token that the browser holds
sessions = Table(
    "dashboard_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _text("user"),
    _number("created"),
    _number("expires"),
)

# tries of a password: a row for each name and each address that a try counts for; who is a digest of it
attempts = Table(
    "dashboard_attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    _number("expires"),
    Index("dashboard_attempts_who", "who", "expires"),
)
