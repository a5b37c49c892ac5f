"""Covariates from before the experiment, for the metrics that were agreed on."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.experiments.definition import Experiment
from recloop.metrics.online import OutcomeMetric
from recloop.stats import cross_fitted, impute

FOLDS = 5
ALIKE = {"clicked_slates": "clicks"}
"""Columns of events beside those that only earlier slates tell."""


def covariates(
    experiment: Experiment, table: pl.DataFrame, before: pl.DataFrame, metrics: Iterable[OutcomeMetric]
) -> Mapping[str, NDArray[np.float64]]:
    """Metric → (n, d) covariates of the rows of a user table, NaN where a user has no history.

    With ``covariates = "own"`` these are the metric's own columns before the first slate; with ``predicted`` they are
    what a ridge regression that was cross-fitted over users foretells of the metric from all columns. The folds are
    dealt by the fingerprint of the definition, so that a readout repeats.

    Args:
        experiment: says which.
        table: one row per user.
        before: one row per user who has a history, as ``metrics.before.before_table`` makes it.
        metrics: to be made sharper; one without any history gets nothing.
    """
    columns = [name for name in before.columns if name != "user" and before[name].count()]
    known = table.select("user").join(before, on="user", how="left", maintain_order="left")
    found: dict[str, NDArray[np.float64]] = {}
    for metric in metrics:
        if metric.missing(table) or table.height < FOLDS:
            continue
        own = columns if experiment.covariates == "predicted" else _own(metric, columns)
        if not own or not known.select(pl.any_horizontal(pl.col(own).is_not_null().any())).item():
            continue
        history = known.select(pl.col(own).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
        predicted = experiment.covariates == "predicted"
        found[metric.id] = _predicted(experiment, table, metric, history) if predicted else history
    return found


def before_columns(table: pl.DataFrame, before: pl.DataFrame, metrics: Iterable[OutcomeMetric]) -> pl.DataFrame:
    """The history of the rows of a user table in the columns that the metrics read, to see whether arms were alike."""
    columns = [name for name in before.columns if name != "user" and before[name].count()]
    own = dict.fromkeys(name for metric in metrics for name in _own(metric, columns))
    known = table.select("user").join(before, on="user", how="left", maintain_order="left")
    return known.select(pl.col(name).alias(f"{name} before") for name in own)


def _own(metric: OutcomeMetric, columns: list[str]) -> list[str]:
    wanted = [name for column in metric.columns for name in (column, ALIKE.get(column, column))]
    return [name for name in dict.fromkeys(wanted) if name in columns]


def _predicted(
    experiment: Experiment, table: pl.DataFrame, metric: OutcomeMetric, history: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(table["user"].to_numpy(), kind="stable")  # who is in which fold does not hang on the rows' order
    y, x = metric.values(table)
    outcomes = np.column_stack([y] if x is None else [y, x])[order]
    rng = np.random.default_rng(int(experiment.fingerprint[:16], 16))
    found = np.empty(outcomes.shape)
    found[order] = cross_fitted(impute(history)[order], outcomes, rng, folds=FOLDS)
    return found
