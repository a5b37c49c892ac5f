"""``recloop experiments power``: what is known of the users, from the store or from files, and what can be found."""

import math
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.experiments.sizing import DAY, Pilot
from recloop.metrics.online import OUTCOMES, OutcomeMetric
from recloop.metrics.outcomes import OutcomeKinds, user_table
from recloop.store import Store

HISTORY = 28  # days
COUNTED = OutcomeKinds()


def metric_named(name: str) -> OutcomeMetric:
    """A metric of live users.

    Raises:
        SettingError: there is none of that name; the nearest is offered.
    """
    if name not in OUTCOMES:
        raise SettingError(f"there is no metric '{name}'", advice=nearest(name, OUTCOMES))
    return OUTCOMES[name]


def pilot_given(metric: OutcomeMetric, baseline: float, deviation: float | None, users_per_day: float) -> Pilot:
    """From numbers: of a share of users p, the variance is p (1 - p) where no deviation is given.

    Raises:
        SettingError: the metric is no share of users and no deviation is given, or a number is out of range.
    """
    if deviation is None:
        if metric.denominator is not None or metric.form != "percent":
            raise SettingError(
                f"{metric.title} is no share of users, and nobody says how users differ",
                advice="give --deviation, or a history with --from or --store",
            )
        if not 0 < baseline < 1:
            raise SettingError(f"the baseline is {baseline}", allowed="a share of users lies between 0 and 1")
        variance = baseline * (1 - baseline)
    elif deviation >= 0:
        variance = deviation**2
    else:
        raise SettingError(f"the deviation is {deviation}", allowed="it is not negative")
    return Pilot(metric, baseline, (variance,), (users_per_day,), said="As given.")


def pilot_of_store(store: Store, metric: OutcomeMetric, *, days: int = HISTORY, window: float = DAY) -> Pilot:
    """From the last days of what the service served, where there are any without those of experiments.

    Raises:
        DataError: there are no decisions, or the metric was not measured.
    """
    decisions = store.decisions()
    outside = decisions.filter(pl.col("experiment") == "")
    return _from_log(
        outside if outside.height else decisions,
        store.events(),
        store.feedback(),
        metric,
        days=days,
        window=window,
        where=f"the decisions of {store.name}",
    )


def pilot_of_files(
    file: Path,
    metric: OutcomeMetric,
    *,
    events: Path | None = None,
    covariate: str = "",
    days: int = HISTORY,
    window: float = DAY,
) -> tuple[Pilot, float]:
    """From a file: a user table, decisions with the events that followed, or a log of events alone.

    Args:
        file: Parquet or CSV. With ``items`` it holds decisions, with ``item`` and ``kind`` events, else users.
        metric: to be measured.
        events: the events that followed the decisions.
        covariate: a column of the user table from before the start.
        days: of the history that are read, from its end.
        window: seconds after a slate in which what the user does counts for it.

    Returns:
        The pilot, and the correlation of the metric with the covariate; 0 without one.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, or does not hold what is needed.
        SettingError: there is no such covariate.
    """
    table = _read(file)
    if covariate and {"items", "kind"} & set(table.columns):
        raise SettingError(f"{file} is a log, and has no covariate '{covariate}'", advice="name a user table")
    if "items" in table.columns:
        if events is None:
            raise SettingError(
                f"{file} holds decisions, and nobody says what followed", advice="name the events with --events"
            )
        filled = _with(table, experiment="", variant="", latency=None, fallback="", id=None)
        log = _with(_read(events), value=None, decision=None)
        return _from_log(filled, log, None, metric, days=days, window=window, where=str(file)), 0.0
    if {"user", "kind", "time"} <= set(table.columns):
        return _from_events(_with(table, value=None), metric, days=days, where=str(file)), 0.0
    if not (lack := metric.missing(table)):
        pilot = Pilot.of(metric, [_dated(table)], f"{table.height:,} users of {file}.")
        return pilot, _correlation(table, metric, covariate) if covariate else 0.0
    raise DataError(
        f"{file} has the columns {', '.join(table.columns[:12])}, and {metric.title} is {lack}",
        allowed=f"a user table has {' and '.join(metric.columns)}; a log has user, item, kind and time",
    )


def _from_log(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    feedback: pl.DataFrame | None,
    metric: OutcomeMetric,
    *,
    days: int,
    window: float,
    where: str,
) -> Pilot:
    """The user table as it would have been read after each whole day of the history."""
    if not decisions.height:
        raise DataError(f"{where}: there are none", advice="serve some slates first, or give --baseline")
    begin, whole = _span(decisions["time"], days)
    mine = decisions.with_columns(variant=pl.lit("pilot")).filter(pl.col("time") >= begin)
    tables = []
    for day in range(1, whole + 1):
        end = begin + day * DAY
        parts = [part if part is None else part.filter(pl.col("time") < end) for part in (mine, events, feedback)]
        assert parts[0] is not None
        assert parts[1] is not None
        tables.append(user_table(parts[0], parts[1], parts[2], window))
    return Pilot.of(metric, tables, f"{tables[-1].height:,} users in {whole} days of {where}.")


def _from_events(events: pl.DataFrame, metric: OutcomeMetric, *, days: int, where: str) -> Pilot:
    """What users did, whoever showed it to them: without decisions there are no slates, and no click rate."""
    begin, whole = _span(events["time"], days)
    tables = []
    for day in range(1, whole + 1):
        seen = events.filter(pl.col("time") >= begin, pl.col("time") < begin + day * DAY)
        bought, rated = pl.col("kind").is_in(COUNTED.purchase), pl.col("kind").is_in(COUNTED.rating)
        tables.append(
            seen.group_by("user").agg(
                pl.col("time").min().alias("first"),
                bought.sum().alias("purchases"),
                bought.any().cast(pl.Int64).alias("buyer"),
                pl.col("value").cast(pl.Float64).filter(bought).sum().alias("revenue"),
                bought.sum().alias("orders"),
                pl.col("value").cast(pl.Float64).filter(bought).sum().alias("spend"),
                pl.col("value").cast(pl.Float64).filter(rated).sum().alias("rating_sum"),
                (rated & pl.col("value").is_not_null()).sum().alias("ratings"),
            )
        )
    return Pilot.of(metric, tables, f"{tables[-1].height:,} users in {whole} days of {where}.")


def _span(times: pl.Series, days: int) -> tuple[float, int]:
    """When the whole days at the end of a history begin, and how many they are; one where it is shorter than a day."""
    if not 1 <= days <= 366:
        raise SettingError(f"{days} days of history", allowed="1 to 366")
    first, last = (float(value) for value in (times.min(), times.max()))  # type: ignore[arg-type]
    whole = max(1, min(days, int((last - first) // DAY)))
    return max(first, last - whole * DAY), whole


def _dated(table: pl.DataFrame) -> pl.DataFrame:
    """A user table without ``first`` is that of one day: as many users come on each day to follow."""
    return table if "first" in table.columns else table.with_columns(first=pl.lit(0.0))


def _correlation(table: pl.DataFrame, metric: OutcomeMetric, covariate: str) -> float:
    """Of what each user adds to the metric with what the user did before."""
    if covariate not in table.columns:
        raise SettingError(f"there is no column '{covariate}'", advice=nearest(covariate, table.columns))
    y, x = metric.values(table)
    added = y if x is None else y - y.sum() / x.sum() * x
    before = table[covariate].cast(pl.Float64, strict=False).fill_null(strategy="mean")
    found = pl.DataFrame({"added": added, "before": before}).select(pl.corr("added", "before")).item()
    if found is None or math.isnan(found):
        raise DataError(f"the column '{covariate}' is the same for every user", advice="name another one")
    return float(found)


def _with(table: pl.DataFrame, **values: object) -> pl.DataFrame:
    """The table with columns that it lacks; ids are numbered."""
    lacking: Sequence[pl.Expr] = [
        pl.int_range(pl.len()).cast(pl.String).alias(name) if name == "id" else pl.lit(value).alias(name)
        for name, value in values.items()
        if name not in table.columns
    ]
    return table.with_columns(lacking)


def _read(file: Path) -> pl.DataFrame:
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        if file.suffix == ".csv":
            return pl.read_csv(file)
    except FileNotFoundError:
        raise MissingError(f"there is no file {file}", advice="name a Parquet or CSV file") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file} cannot be read: {error}", allowed="a Parquet or CSV file") from error
    raise SettingError(f"{file} is neither .parquet nor .csv", advice="name a Parquet or CSV file, or a store")
