"""Whether the log can be trusted: what is lost, double, unjoined, late or slow."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from scipy.special import ndtri, pdtr

from recloop.errors import DataError
from recloop.experiments.json_values import to_json
from recloop.metrics.outcomes import OutcomeKinds
from recloop.stats import Moments, one_sample
from recloop.stats.quantiles import quantile

Light = Literal["green", "yellow", "red", "missing"]
USUAL = OutcomeKinds()
ECHO = 1.0
"""Seconds within which the same user, item and kind again is an echo of one act."""
HOUR = 3600.0
RARE = 1e-3


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One figure of the log's health, with its interval over users where it has one."""

    id: str
    title: str
    value: float
    low: float
    high: float
    unit: str
    light: Light
    sentence: str


@dataclass(frozen=True, slots=True)
class LogHealth:
    """The figures, and the worst of their lights."""

    rows: tuple[HealthRow, ...]

    @property
    def light(self) -> Light:
        """Red where one is red, else yellow where one is yellow."""
        lights = {row.light for row in self.rows}
        return "red" if "red" in lights else "yellow" if "yellow" in lights else "green"

    def row(self, id_: str) -> HealthRow:
        """A figure by id."""
        return next(row for row in self.rows if row.id == id_)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        found: dict[str, Any] = to_json(self)
        return found


def log_health(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    now: float | None = None,
    *,
    alpha: float = 0.05,
    kinds: OutcomeKinds = USUAL,
) -> LogHealth:
    """What may be wrong with a log, figure by figure.

    - ``orphans``: of events that name a decision, the share whose decision is not in the log (decisions were lost).
    - ``mismatches``: of those whose decision is there, the share whose item it did not show.
    - ``silent_hours``: the share of busy hours in which next to no event came (loss).
    - ``duplicates``: the share of events that repeat user, item and kind within a second.
    - ``unjoined``: of clicks, the share that names no decision, and is joined by guess (last touch).
    - ``backwards``: of events with a decision, the share that is older than it (clocks differ).
    - ``staleness``: hours since the last event.
    - ``latency_p50``, ``latency_p95``, ``latency_p99``: seconds to answer, with intervals that allow for users.

    Args:
        decisions: id, user, time, items, latency.
        events: user, item, kind, time, decision.
        now: seconds since 1970; without it nothing is said of staleness.
        alpha: one minus the coverage of the intervals.
        kinds: which kinds of events count as what.

    Raises:
        DataError: a column is missing.

    >>> decisions = pl.DataFrame({"id": ["1", "2"], "user": ["a", "b"], "time": [0.0, 9.0], "items": [["x"], ["x"]],
    ...     "latency": [0.01, 0.02]})
    >>> events = pl.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "kind": "click", "time": [1.0, 10.0],
    ...     "decision": ["1", "lost"]})
    >>> log_health(decisions, events).row("orphans").value
    0.5
    """
    for frame, name, needed in (
        (decisions, "decisions", ("id", "user", "time", "items", "latency")),
        (events, "events", ("user", "item", "kind", "time", "decision")),
    ):
        if lacking := [one for one in needed if one not in frame.columns]:
            raise DataError(f"the {name} have no column {', '.join(lacking)}", allowed=f"needed: {', '.join(needed)}")
    named = events.filter(pl.col("decision").fill_null("") != "").join(
        decisions.select("items", decision="id", served="time"), on="decision", how="left"
    )
    there = named.filter(pl.col("served").is_not_null())
    served = pl.col("user").is_in(decisions["user"].unique().implode())
    mine = events.filter(served, pl.col("time") >= (decisions["time"].min() or 0.0))
    clicks = mine.filter(pl.col("kind").is_in(kinds.click))
    echo = (pl.col("time").diff().over("user", "item", "kind", order_by="time") <= ECHO).fill_null(value=False)
    rows = [
        _share(named, pl.col("served").is_null(), "orphans", "events without their decision", (0.01, 0.05), alpha),
        _share(there.filter(pl.col("item") != ""), ~pl.col("items").list.contains(pl.col("item")), "mismatches",
               "events of an item that was not shown", (0.01, 0.05), alpha),
        _share(there, pl.col("time") < pl.col("served"), "backwards", "events before their slate", (0.001, 0.01),
               alpha),
        _share(mine, echo, "duplicates", "events that come twice", (0.01, 0.05), alpha),
        _unjoined(clicks, alpha),
        _silent(decisions, mine),
    ]  # fmt: skip
    if now is not None:
        rows.append(_stale(events, now))
    timed = decisions.drop_nulls("latency")
    rows += [_latency(timed, q, alpha) for q in (0.5, 0.95, 0.99)]
    return LogHealth(tuple(rows))


def _unjoined(clicks: pl.DataFrame, alpha: float) -> HealthRow:
    """Null everywhere is a log from elsewhere, which knows of no decisions: nothing is lost there, nor broken."""
    id_, title = "unjoined", "clicks without a decision"
    if clicks.height and clicks["decision"].null_count() == clicks.height:
        return _nothing(id_, title, "share", "the log names none; all are joined by user and item")
    return _share(clicks, pl.col("decision").fill_null("") == "", id_, title, (0.2, 0.8), alpha)


def _lit(value: float, bounds: tuple[float, float]) -> Light:
    return "red" if value > bounds[1] else "yellow" if value > bounds[0] else "green"


def _nothing(id_: str, title: str, unit: str, why: str) -> HealthRow:
    return HealthRow(id_, title, math.nan, math.nan, math.nan, unit, "missing", f"{title}: not measured, {why}")


def _share(
    frame: pl.DataFrame, bad: pl.Expr, id_: str, title: str, bounds: tuple[float, float], alpha: float
) -> HealthRow:
    unit = "share"
    by = (
        frame.group_by("user").agg(y=bad.cast(pl.Float64).sum(), x=pl.len().cast(pl.Float64)) if frame.height else frame
    )
    if by.height < 2:
        return _nothing(id_, title, unit, f"{by.height} users have such events")
    found = one_sample(Moments.of(by["y"].to_numpy(), by["x"].to_numpy()), alpha)
    low, high = max(found.low, 0.0), min(found.high, 1.0)
    said = f"{title}: {found.estimate:.2%} of {frame.height:,} ({low:.2%} to {high:.2%})"
    return HealthRow(id_, title, found.estimate, low, high, unit, _lit(found.estimate, bounds), said)


def _silent(decisions: pl.DataFrame, events: pl.DataFrame) -> HealthRow:
    """Hours with less than a fifth of the events that their slates let expect, where chance is not to blame."""
    title = "hours with next to no events"
    if not decisions.height or not events.height:
        return _nothing("silent_hours", title, "share", "there are no events")
    first = float(decisions["time"].min())  # type: ignore[arg-type]
    hours = [
        frame.group_by(hour=((pl.col("time") - first) // HOUR).cast(pl.Int64)).agg(n=pl.len().cast(pl.Float64))
        for frame in (decisions, events)
    ]
    both = hours[0].join(hours[1], on="hour", how="left", suffix="_events").fill_null(0.0)
    came, expected = both["n_events"].to_numpy(), both["n"].to_numpy()
    expected = expected * (came.sum() / expected.sum())
    busy = pdtr(0.0, expected) < RARE  # an hour without any event would be told from chance
    if not busy.any():
        return _nothing("silent_hours", title, "share", "too few events an hour to tell")
    silent = busy & (came < expected / 5) & (pdtr(came, expected) < RARE)
    share = float(silent.sum() / busy.sum())
    said = f"{title}: {silent.sum():,} of {busy.sum():,} in which many were to be expected"
    return HealthRow("silent_hours", title, share, math.nan, math.nan, "share", _lit(share, (0.0, 0.05)), said)


def _stale(events: pl.DataFrame, now: float) -> HealthRow:
    title = "hours since the last event"
    if not events.height:
        return _nothing("staleness", title, "hours", "there are no events")
    hours = (now - float(events["time"].max())) / HOUR  # type: ignore[arg-type]
    ahead = " (its clock is ahead)" if hours < -1 / 60 else ""
    light: Light = "yellow" if ahead else _lit(hours, (6.0, 48.0))
    return HealthRow("staleness", title, hours, math.nan, math.nan, "hours", light, f"{title}: {hours:.1f}{ahead}")


def _latency(timed: pl.DataFrame, q: float, alpha: float) -> HealthRow:
    id_, title = f"latency_p{q * 100:.0f}", f"{q * 100:.0f}th percentile of the time to answer"
    try:
        found = quantile(timed["latency"].to_numpy(), q, timed["user"].to_numpy(), alpha)
    except DataError as error:
        return _nothing(id_, title, "seconds", error.given)
    half = -float(ndtri(alpha / 2)) * math.sqrt(found.variance)
    light: Light = _lit(found.value, (0.2, 1.0))
    said = f"{title}: {found.value * 1000:.1f} ms (give or take {half * 1000:.1f})"
    return HealthRow(id_, title, found.value, found.value - half, found.value + half, "seconds", light, said)
