"""Effects of past experiments, short-term against long-term, from the store."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.item_facts import Shown
from recloop.app.readout import Sentiment, daily_table
from recloop.errors import DataError, SettingError, nearest
from recloop.experiments import Experiment, designs
from recloop.experiments.checks import without_crossovers
from recloop.experiments.counted import without_forced
from recloop.metrics.online import OUTCOMES, OutcomeMetric
from recloop.metrics.outcomes import by_user
from recloop.progress import SILENT, Progress
from recloop.store import Store

EFFECTS = {
    "experiment": pl.String, "metric": pl.String, "short": pl.Float64, "short_error": pl.Float64,
    "long": pl.Float64, "long_error": pl.Float64, "shared": pl.Float64,
}  # fmt: skip


def past_effects(
    store: Store,
    long: str,
    days: int = 7,
    *,
    shown: Shown | None = None,
    sentiment: Sentiment | None = None,
    progress: Progress = SILENT,
) -> pl.DataFrame:
    """The effect of each metric on users' first days, beside the effect of one metric on all their later days.

    Every experiment on users counts, each with its first treatment against its first control.

    Args:
        store: decisions, events and feedback.
        long: the metric whose later effect is to be foretold.
        days: how many of a user's days are the short term.
        shown: the release whose items were shown.
        sentiment: texts to numbers from -1 to 1, for comments.
        progress: shows how far it is.

    Returns:
        What ``experience.proxies`` reads: experiment, metric, short, short_error, long, long_error, and ``shared``, the
        covariance of both errors, since the same users were measured twice.

    Raises:
        SettingError: there is no such metric.
    """
    if long not in OUTCOMES:
        raise SettingError(f"there is no metric '{long}'", advice=nearest(long, OUTCOMES))
    rows: list[tuple[object, ...]] = []
    records = [one for one in store.experiments.all() if one.started is not None]
    with progress.task("Read past experiments", total=max(len(records), 1)) as advance:
        for record in records:
            definition = designs.parse(record.definition)
            if isinstance(definition, Experiment) and definition.unit == "user":
                daily = daily_table(store, record.name, shown=shown, sentiment=sentiment)
                rows += _effects(definition, record.name, daily, long, days)
            advance(1)
    return pl.DataFrame(rows, schema=EFFECTS, orient="row")


def _effects(experiment: Experiment, name: str, daily: pl.DataFrame, long: str, days: int) -> list[tuple[object, ...]]:
    if not daily.height:
        return []
    kept, _ = without_crossovers(without_forced(by_user(daily))[0])
    daily = daily.join(kept.select("user"), on="user", how="semi")
    early, late = by_user(daily.filter(pl.col("day") < days)), by_user(daily.filter(pl.col("day") >= days))
    arms = (experiment.treatments[0], experiment.controls[0])
    later = [one for arm in arms if (one := _linear(OUTCOMES[long], late, kept, arm))]
    if len(later) < len(arms):
        return []
    found: list[tuple[object, ...]] = []
    for metric in OUTCOMES.values():
        sooner = [one for arm in arms if (one := _linear(metric, early, kept, arm))]
        if len(sooner) < len(arms):
            continue
        (s_t, s_c), (l_t, l_c) = sooner, later
        shared = sum(float(np.cov(s[1], one[1])[0, 1]) / s[1].size for s, one in ((s_t, l_t), (s_c, l_c)))
        found.append((name, metric.id, s_t[0] - s_c[0], _error(s_t, s_c), l_t[0] - l_c[0], _error(l_t, l_c), shared))
    return found


def _linear(
    metric: OutcomeMetric, table: pl.DataFrame, users: pl.DataFrame, arm: str
) -> tuple[float, NDArray[np.float64]] | None:
    """The value of an arm, and what each of its users adds to it (0 for those who were not there); None without one."""
    mine = users.filter(pl.col("variant") == arm).select("variant", "user")
    if metric.missing(table) or mine.height < 2:
        return None
    whole = mine.join(table, on=["variant", "user"], how="left", maintain_order="left")
    try:
        y, x = metric.values(whole.with_columns(pl.col(metric.columns).fill_null(0)))
    except DataError:
        return None
    x = np.ones(y.size) if x is None else x
    if not x.sum() or not y.any():
        return None
    value = float(y.sum() / x.sum())
    return value, (y - value * x) / x.mean()


def _error(*arms: tuple[float, NDArray[np.float64]]) -> float:
    return math.sqrt(sum(float(one.var(ddof=1)) / one.size for _, one in arms))
