"""One row of sums per user, or per user and day, or per slate: every family of measures side by side."""

from collections.abc import Callable
from typing import Literal

import polars as pl

from recloop.errors import DataError
from recloop.metrics.outcomes.effort import effort
from recloop.metrics.outcomes.engagement import engagement
from recloop.metrics.outcomes.log import DAY, SESSION, USUAL, ItemFacts, Log, OutcomeKinds, Part, Sentiment, require
from recloop.metrics.outcomes.operations import operations
from recloop.metrics.outcomes.quality import quality
from recloop.metrics.outcomes.retention import retention
from recloop.metrics.outcomes.satisfaction import satisfaction

Each = Literal["user", "day", "decision"]
FAMILIES: tuple[Callable[[Log], list[Part]], ...] = (operations, engagement, effort, satisfaction, quality, retention)


def user_table(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    feedback: pl.DataFrame | None = None,
    window: float = DAY,
    *,
    sentiment: Sentiment | None = None,
    kinds: OutcomeKinds = USUAL,
    session: float = SESSION,
    facts: ItemFacts | None = None,
    daily: bool = False,
) -> pl.DataFrame:
    """One row per (variant, user) with the sums of what the user was shown and did.

    **Attribution.** An event counts for a decision that showed its item, at most ``window`` seconds after it. Where the
    event carries a decision's id, that decision is meant. Where it carries none, it is the latest one that showed the
    item to the user before the event (last touch). Feedback without an item counts for the user's latest slate, and
    so do all purchases for ``orders`` and ``spend``, whatever was shown.

    **The unit is the user.** Slates of one user are alike, so an interval made of slates as if they were independent is
    too narrow: rows of decisions never leave this function.

    **Nothing sent is not zero.** Where the log holds no event of a kind at all, the columns of that kind are null.

    Args:
        decisions: id, user, variant, time, items, latency, fallback; ``diversity`` where known (see
            ``with_diversity``), ``session`` and ``forced`` where experiments need them. Those with an empty variant
            are outside the experiment: they count as earlier exposure, and get no row.
        events: user, item, kind, value, time, decision.
        feedback: user, kind, time, value, text, item, decision; None where there is none.
        window: attribution window in seconds.
        sentiment: texts to numbers from -1 to 1.
        kinds: which kinds of events count as what.
        session: a slate is followed in the same session where the user's next one comes within so many seconds.
        facts: what is known of items, for the measures of what slates look like.
        daily: one row per (variant, user, day) instead, ``day`` counting from the user's first slate in the variant;
            ``by_user`` sums it up.

    Returns:
        variant, user, first, last (times of the first and the last slate), and the sums that the metrics of
        ``recloop.metrics.online`` read. ``sessions`` (different ones) and ``forced`` (slates of a variant given by
        hand) where decisions tell them.

    Raises:
        DataError: a column is missing, or a decision's id comes twice.
        SettingError: the window is not above zero.

    >>> decisions = pl.DataFrame({
    ...     "id": ["d1", "d2"], "user": ["ann", "bob"], "variant": ["a", "b"], "time": [0.0, 5.0],
    ...     "items": [["x", "y"], ["y", "z"]], "latency": [0.01, 0.02], "fallback": ["", ""]})
    >>> events = pl.DataFrame({
    ...     "user": ["ann", "bob"], "item": ["y", "x"], "kind": ["click", "click"], "value": [None, None],
    ...     "time": [3.0, 9.0], "decision": ["d1", None]}, schema_overrides={"value": pl.Float64})
    >>> user_table(decisions, events).select("variant", "user", "shown", "clicks", "purchases").rows()
    [('a', 'ann', 2, 1, None), ('b', 'bob', 2, 0, None)]
    """
    log = Log.of(decisions, events, feedback, window, sentiment=sentiment, kinds=kinds, session=session, facts=facts)
    return _table(log, "day" if daily else "user")


def slate_table(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    window: float = DAY,
    *,
    feedback: pl.DataFrame | None = None,
    kinds: OutcomeKinds = USUAL,
) -> pl.DataFrame:
    """The sums of ``user_table`` for each decision of an experiment: one row per slate, with its id in ``decision``.

    Slates of one user are alike: whoever reads this must take the user for the unit.
    """
    log = Log.of(decisions, events, feedback, window, sentiment=None, kinds=kinds, session=SESSION, facts=None)
    return _table(log, "decision")


def _table(log: Log, each: Each) -> pl.DataFrame:
    parts = [part for family in FAMILIES for part in family(log)]
    slates = log.slates
    columns = slates.collect_schema().names()
    slates = slates.select(name for name in ("decision", "user", "variant", "time", "diversity") if name in columns)
    if "diversity" in columns:
        slates = slates.rename({"diversity": "diversity_sum"})
        slates = slates.with_columns(diversity_slates=pl.col("diversity_sum").is_not_null())
        parts.append(Part(counts=("diversity_slates",), amounts=("diversity_sum",)))
    else:
        parts.append(Part(unsent=("diversity_sum", "diversity_slates")))
    for part in parts:
        if part.frame is not None:
            slates = slates.join(part.frame, on="decision", how="left")
    slates = slates.filter(pl.col("variant").fill_null("") != "")
    keys = ["variant", "user"]
    if each == "decision":
        keys = [*keys, "decision"]
    if each == "day":
        since = pl.col("time") - pl.col("time").min().over("variant", "user")
        slates, keys = slates.with_columns(day=(since // DAY).cast(pl.Int64)), [*keys, "day"]
    sums = [
        pl.col("time").min().alias("first"),
        pl.col("time").max().alias("last"),
        pl.len().cast(pl.Int64).alias("slates"),
    ]
    for part in parts:
        sums += [pl.lit(None, pl.Int64 if name in part.counts else pl.Float64).alias(name) for name in part.unsent]
        sums += [pl.col(n).fill_null(0).cast(pl.Int64).sum() for n in part.counts if n not in part.unsent]
        sums += [pl.col(n).cast(pl.Float64).fill_null(0.0).sum() for n in part.amounts if n not in part.unsent]
    buys = (pl.col("purchases") > 0).any().cast(pl.Int64) if log.has("purchase") else pl.lit(None, pl.Int64)
    return slates.group_by(keys).agg(*sums, buys.alias("buyer")).sort(keys).collect()


def by_user(daily: pl.DataFrame) -> pl.DataFrame:
    """The user table of a daily one: one row per (variant, user), what was never sent still null."""
    kept = {"variant", "user", "day", "first", "last", "buyer"}
    sums = [name for name in daily.columns if name not in kept]
    return (
        daily.sort("variant", "user", "day")
        .group_by("variant", "user", maintain_order=True)
        .agg(
            pl.col("first").min(),
            pl.col("last").max(),
            *(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()) for name in sums),
            pl.col("buyer").max(),
        )
        .select(name for name in daily.columns if name != "day")
    )


def with_users(table: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """The user table with what is known of users from before the start (country, device, last month's purchases).

    Args:
        table: one row per (variant, user).
        users: one row per user, with the further columns; null for users that it lacks.

    Raises:
        DataError: ``users`` has no column user, repeats one, or has a column of the table.

    >>> table = pl.DataFrame({"variant": ["a", "b"], "user": ["1", "2"], "clicks": [0, 3]})
    >>> with_users(table, pl.DataFrame({"user": [2], "country": ["DE"]}))["country"].to_list()
    [None, 'DE']
    """
    require(users, "users", ("user",))
    twice = users.height - users["user"].n_unique()
    if twice:
        raise DataError(f"{twice:,} rows of the users repeat a user", allowed="one row per user")
    same = sorted(set(users.columns) & set(table.columns) - {"user"})
    if same:
        raise DataError(f"the users have the columns {', '.join(same)}, which the table has", advice="rename them")
    return table.join(users.with_columns(pl.col("user").cast(pl.String)), on="user", how="left", maintain_order="left")
