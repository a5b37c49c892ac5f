"""Decisions joined with what followed, one row of sums per user: all that the metrics of live users read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from recloop.data.vocabulary import Vocabulary
from recloop.errors import DataError, SettingError
from recloop.metrics.online import OUTCOMES, OutcomeMetric

__all__ = [
    "OUTCOMES",
    "OutcomeKinds",
    "OutcomeMetric",
    "by_user",
    "latency_quantiles",
    "slate_table",
    "user_table",
    "with_diversity",
    "with_users",
]

SESSION = 1800.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class OutcomeKinds:
    """Which kinds of events count as what. Kinds are data: a shop may call its purchases ``order``."""

    click: tuple[str, ...] = ("click",)
    purchase: tuple[str, ...] = ("purchase",)
    rating: tuple[str, ...] = ("rating",)

    @property
    def counted(self) -> tuple[str, ...]:
        """All of them."""
        return self.click + self.purchase + self.rating


def user_table(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    feedback: pl.DataFrame | None = None,
    window: float = DAY,
    *,
    sentiment: Callable[[Sequence[str]], ArrayLike] | None = None,
    kinds: OutcomeKinds = OutcomeKinds(),
    session: float = SESSION,
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
        daily: one row per (variant, user, day) instead, ``day`` counting from the user's first slate in the variant;
            ``by_user`` sums it up.

    Returns:
        variant, user, first, last (times of the first and the last slate), and the sums slates, shown, repeats,
        fallbacks, latency_sum, diversity_sum, diversity_slates, clicks (items clicked), clicked_slates, abandoned,
        purchases, buyer (0 or 1), revenue, orders, spend, rating_sum, ratings, survey_sum, surveys, sentiment_sum,
        comments. Where
        decisions tell them: sessions (different ones), forced (slates of a variant that was given by hand).

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
    return _table(decisions, events, feedback, window, sentiment, kinds, session, "day" if daily else "user")


def slate_table(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    window: float = DAY,
    *,
    feedback: pl.DataFrame | None = None,
    kinds: OutcomeKinds = OutcomeKinds(),
) -> pl.DataFrame:
    """The sums of ``user_table`` for each decision of an experiment: one row per slate, with its id in ``decision``.

    Slates of one user are alike: whoever reads this must take the user for the unit.
    """
    return _table(decisions, events, feedback, window, None, kinds, SESSION, "decision")


def _table(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    feedback: pl.DataFrame | None,
    window: float,
    sentiment: Callable[[Sequence[str]], ArrayLike] | None,
    kinds: OutcomeKinds,
    session: float,
    each: Literal["user", "day", "decision"],
) -> pl.DataFrame:
    if not window > 0:
        raise SettingError(f"the attribution window is {window} seconds", allowed="it is above zero")
    _require(decisions, "decisions", ("id", "user", "variant", "time", "items", "latency", "fallback"))
    _require(events, "events", ("user", "item", "kind", "value", "time", "decision"))
    twice = decisions.height - decisions["id"].n_unique()
    if twice:
        raise DataError(f"{twice} decisions have an id that came before", allowed="ids of decisions are unique")

    slates = decisions.lazy().sort("time", "id").rename({"id": "decision"})
    exposures = slates.select("decision", "user", "time", item="items").explode("item").drop_nulls("item")
    counted = events.lazy().filter(pl.col("kind").is_in(kinds.counted), pl.col("item") != "")
    done = attributed(counted, exposures, slates, window)
    bought = counted.filter(pl.col("kind").is_in(kinds.purchase)).with_columns(item=pl.lit(""))
    parts = [_shown(exposures), _did(done, kinds), _bought(attributed(bought, exposures, slates, window))]
    sent = _sent(events, kinds)
    sent["latency"] = decisions["latency"].count() > 0
    sent["diversity"] = "diversity" in decisions.columns
    if feedback is not None:
        _require(feedback, "feedback", ("user", "kind", "time", "value", "text", "item", "decision"))
        parts.append(_said(attributed(feedback.lazy(), exposures, slates, window), sentiment))
        rated = feedback.filter(pl.col("value").is_not_null())["kind"].unique()
        sent["rating"] |= "rating" in rated
        sent["survey"] = "survey" in rated
        sent["comment"] = sentiment is not None and bool((feedback["text"] != "").any())
    for part in parts:
        slates = slates.join(part, on="decision", how="left")
    return _sums(slates, sent, session, each).collect()


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
    _require(users, "users", ("user",))
    twice = users.height - users["user"].n_unique()
    if twice:
        raise DataError(f"{twice:,} rows of the users repeat a user", allowed="one row per user")
    same = sorted(set(users.columns) & set(table.columns) - {"user"})
    if same:
        raise DataError(f"the users have the columns {', '.join(same)}, which the table has", advice="rename them")
    return table.join(users.with_columns(pl.col("user").cast(pl.String)), on="user", how="left", maintain_order="left")


def with_diversity(decisions: pl.DataFrame, item_ids: Vocabulary, vectors: NDArray[np.floating]) -> pl.DataFrame:
    """The decisions with a column ``diversity``: mean of 1 - cosine over the pairs of items of each slate.

    Args:
        decisions: a frame with ``items``.
        item_ids: ids in the order of the rows of ``vectors``.
        vectors: (n_items, d), of any length. Items without a vector are left out; a slate needs two that have one.

    Source: B. Smyth, P. McClave, "Similarity vs. diversity", ICCBR 2001.
    """
    unit = np.asarray(vectors, dtype=np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    index = pl.DataFrame({"item": list(item_ids.ids), "place": np.arange(len(item_ids), dtype=np.int64)})
    places = (
        decisions.lazy()
        .select(row=pl.int_range(pl.len()), item="items")
        .explode("item")
        .join(index.lazy(), on="item", how="inner")
        .sort("row")
        .collect()
    )
    row, place = places["row"].to_numpy(), places["place"].to_numpy()
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    n = np.diff(starts, append=row.size)
    value = np.full(decisions.height, np.nan)
    if starts.size:
        total = np.empty((starts.size, unit.shape[1]), np.float32)
        for at in range(0, starts.size, 50_000):  # blocks keep the gathered vectors small
            first, end = starts[at], starts[at + 50_000] if at + 50_000 < starts.size else row.size
            total[at : at + 50_000] = np.add.reduceat(unit[place[first:end]], starts[at : at + 50_000] - first)
        own = np.add.reduceat(np.square(np.linalg.norm(unit, axis=1))[place], starts)
        pairs = np.maximum(n * (n - 1), 1)
        value[row[starts]] = np.where(n > 1, 1 - (np.square(total).sum(1) - own) / pairs, np.nan)
    return decisions.with_columns(diversity=pl.Series(value).fill_nan(None))


def latency_quantiles(decisions: pl.DataFrame) -> pl.DataFrame:
    """Seconds until the answer per variant: n, p50, p95, p99. Descriptive: slates of one user are not independent."""
    latency = pl.col("latency")
    marks = {f"p{q}": latency.quantile(q / 100, "linear") for q in (50, 95, 99)}
    return decisions.group_by("variant").agg(n=latency.count(), **marks).sort("variant")


def _require(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    lacking = [column for column in columns if column not in frame.columns]
    if lacking:
        raise DataError(f"the {name} have no column {', '.join(lacking)}", allowed=f"needed: {', '.join(columns)}")


def _sent(events: pl.DataFrame, kinds: OutcomeKinds) -> dict[str, bool]:
    """What was sent at all, by anybody."""
    seen = dict(events.group_by("kind").agg(pl.col("value").count()).iter_rows())
    return {
        "click": any(kind in seen for kind in kinds.click),
        "purchase": any(kind in seen for kind in kinds.purchase),
        "revenue": any(seen.get(kind) for kind in kinds.purchase),
        "rating": any(seen.get(kind) for kind in kinds.rating),
    }


def attributed(rows: pl.LazyFrame, exposures: pl.LazyFrame, slates: pl.LazyFrame, window: float) -> pl.LazyFrame:
    """The rows that belong to a decision, with its id in ``decision``; the rule is that of ``user_table``.

    Args:
        rows: events or feedback.
        exposures: decision, user, time, item: one row per item shown.
        slates: decision, user, time: one row per slate.
        window: attribution window in seconds.
    """
    texts = [pl.col(name).cast(pl.String).replace("", None) for name in ("decision", "item")]
    rows = rows.with_columns(*texts, pl.col("time", "value").cast(pl.Float64)).sort("time")
    by_item, by_user = pl.col("item").is_not_null(), pl.col("item").is_null()
    named = rows.filter(pl.col("decision").is_not_null())
    free = rows.filter(pl.col("decision").is_null()).drop("decision")
    on_time = pl.col("time") <= pl.col("shown") + window
    touched = exposures.select("decision", "user", "item", "time")
    seen = slates.select("decision", "user", "time")
    parts = [
        named.filter(by_item).join(touched.rename({"time": "shown"}).drop("user"), on=["decision", "item"]),
        named.filter(by_user).join(seen.rename({"time": "shown"}).drop("user"), on="decision"),
    ]
    for part, keys, before in (
        (free.filter(by_item), ["user", "item"], touched),
        (free.filter(by_user), ["user"], seen),
    ):
        found = part.join_asof(
            before.with_columns(shown="time"), on="time", by=keys, strategy="backward", check_sortedness=False
        )
        parts.append(found.filter(pl.col("decision").is_not_null()))
    columns = ["decision", "item", "kind", "value", *(["text"] if "text" in rows.collect_schema() else [])]
    return pl.concat([part.filter(on_time).select(columns) for part in parts])


def _shown(exposures: pl.LazyFrame) -> pl.LazyFrame:
    again = ~pl.struct("user", "item").is_first_distinct()  # exposures are in the order of time
    return exposures.with_columns(again=again).group_by("decision").agg(shown=pl.len(), repeats=pl.col("again").sum())


def _did(done: pl.LazyFrame, kinds: OutcomeKinds) -> pl.LazyFrame:
    click, purchase = pl.col("kind").is_in(kinds.click), pl.col("kind").is_in(kinds.purchase)
    rating = pl.col("kind").is_in(kinds.rating) & pl.col("value").is_not_null()
    return done.group_by("decision").agg(
        clicks=pl.col("item").filter(click).n_unique(),
        purchases=purchase.sum(),
        revenue=pl.col("value").filter(purchase).sum(),
        event_rating_sum=pl.col("value").filter(rating).sum(),
        event_ratings=rating.sum(),
    )


def _bought(bought: pl.LazyFrame) -> pl.LazyFrame:
    return bought.group_by("decision").agg(orders=pl.len().cast(pl.Int64), spend=pl.col("value").sum())


def _said(said: pl.LazyFrame, sentiment: Callable[[Sequence[str]], ArrayLike] | None) -> pl.LazyFrame:
    found = said.collect()
    written = found["text"].fill_null("") != ""
    score = np.zeros(found.height)
    texts = found["text"].filter(written).to_list()
    if sentiment is not None and texts:
        score[written.to_numpy()] = np.asarray(sentiment(texts), dtype=np.float64)
    rating = (pl.col("kind") == "rating") & pl.col("value").is_not_null()
    survey = (pl.col("kind") == "survey") & pl.col("value").is_not_null()
    return (
        found.lazy()
        .with_columns(score=pl.Series(score), written=written)
        .group_by("decision")
        .agg(
            said_rating_sum=pl.col("value").filter(rating).sum(),
            said_ratings=rating.sum(),
            survey_sum=pl.col("value").filter(survey).sum(),
            surveys=survey.sum(),
            sentiment_sum=pl.col("score").sum(),
            comments=pl.col("written").sum(),
        )
    )


def _sums(
    slates: pl.LazyFrame, sent: dict[str, bool], session: float, each: Literal["user", "day", "decision"]
) -> pl.LazyFrame:
    columns = set(slates.collect_schema())
    diverse = sent["diversity"]

    def count(name: str, *, when: bool = True) -> pl.Expr:
        total = pl.col(name).fill_null(0).cast(pl.Int64).sum() if name in columns else pl.lit(0, pl.Int64)
        return (total if when else pl.lit(None, pl.Int64)).alias(name)

    def amount(name: str, *, when: bool) -> pl.Expr:
        total = pl.col(name).fill_null(0.0).sum() if name in columns else pl.lit(0.0)
        return (total if when else pl.lit(None, pl.Float64)).alias(name)

    touched = (pl.col("clicks").fill_null(0) > 0) | (pl.col("purchases").fill_null(0) > 0)
    # joins do not keep the order of rows, hence order_by
    followed = pl.col("time").shift(-1).over("user", order_by="time") - pl.col("time") <= session
    ratings = [pl.sum_horizontal(c for c in names if c in columns) for names in (
        ("event_rating_sum", "said_rating_sum"), ("event_ratings", "said_ratings"))]  # fmt: skip
    slates = slates.with_columns(
        clicked_slates=pl.col("clicks") > 0,
        abandoned=~touched & ~followed.fill_null(False),
        fallbacks=pl.col("fallback").fill_null("") != "",
        latency_sum="latency",
        rating_sum=ratings[0],
        ratings=ratings[1],
        **(
            {"diversity_sum": pl.col("diversity"), "diversity_slates": pl.col("diversity").is_not_null()}
            if diverse
            else {}
        ),
    )
    columns = set(slates.collect_schema())
    slates = slates.filter(pl.col("variant").fill_null("") != "")
    keys = ["variant", "user"]
    if "session" in columns:  # counted where they begin, so that days add up
        begins = pl.struct("variant", "user", "session").is_first_distinct()
        slates = slates.sort("time", "decision").with_columns(sessions=begins)
        columns.add("sessions")
    if each == "decision":
        keys = [*keys, "decision"]
    if each == "day":
        since = pl.col("time") - pl.col("time").min().over("variant", "user")
        slates, keys = slates.with_columns(day=(since // DAY).cast(pl.Int64)), [*keys, "day"]
    return (
        slates.group_by(keys)
        .agg(
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
            pl.len().cast(pl.Int64).alias("slates"),
            count("shown"),
            count("repeats"),
            count("fallbacks"),
            amount("latency_sum", when=sent["latency"]),
            amount("diversity_sum", when=diverse),
            count("diversity_slates", when=diverse),
            count("clicks", when=sent["click"]),
            count("clicked_slates", when=sent["click"]),
            count("abandoned", when=sent["click"]),
            count("purchases", when=sent["purchase"]),
            ((pl.col("purchases") > 0).any().cast(pl.Int64) if sent["purchase"] else pl.lit(None, pl.Int64)).alias(
                "buyer"
            ),
            amount("revenue", when=sent["revenue"]),
            count("orders", when=sent["purchase"]),
            amount("spend", when=sent["revenue"]),
            amount("rating_sum", when=sent["rating"]),
            count("ratings", when=sent["rating"]),
            amount("survey_sum", when=sent.get("survey", False)),
            count("surveys", when=sent.get("survey", False)),
            amount("sentiment_sum", when=sent.get("comment", False)),
            count("comments", when=sent.get("comment", False)),
            *([count("sessions")] if "session" in columns else []),
            *([count("forced")] if "forced" in columns else []),
        )
        .sort(keys)
    )
