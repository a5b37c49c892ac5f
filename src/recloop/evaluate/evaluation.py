import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.rankings import Rankings
from recloop.data.split import Split
from recloop.errors import MissingError, nearest
from recloop.evaluate.pareto import front
from recloop.metrics import Metric
from recloop.metrics.judged import Hits
from recloop.metrics.metric import Accuracy


@dataclass(frozen=True, slots=True)
class Skipped:
    """A figure that could not be had, and why."""

    strategy: str
    metric: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds, over all threads; None where nobody measured."""

    fit_seconds: float | None
    rank_seconds: float
    metric_seconds: float


@dataclass(frozen=True, slots=True)
class Leader:
    """Which strategy is best on one metric, and which the data cannot tell from it."""

    metric: str
    strategy: str
    value: float
    tied: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Strategies judged on the same held-out users.

    Attributes:
        split: what was judged on.
        strategies: names in the order given.
        metrics: in the order given.
        leaderboard: strategy, metric, value, low, high, n (users where the metric is defined). ``low`` and ``high``
            are the interval of Student's t over the per-user values; null where there is none.
        comparisons: metric, a, b, difference (a - b), low, high, p_value, p_adjusted, separated, n. One row for each
            pair of strategies and each metric: the paired t-test of the per-user differences; p_adjusted is Holm's
            over the pairs of one metric; separated says p_adjusted < alpha.
        per_user: (strategy, metric name) → (n,) float64, NaN where undefined.
        skipped: what could not be computed.
        costs: strategy → CPU seconds.
        slates: strategy → what it would have shown.
        hits: strategy → where the slates meet the truth.
        alpha: error rate of intervals and tests.
    """

    split: Split
    strategies: tuple[str, ...]
    metrics: tuple[Metric, ...]
    leaderboard: pl.DataFrame
    comparisons: pl.DataFrame
    per_user: Mapping[tuple[str, str], NDArray[np.float64]]
    skipped: tuple[Skipped, ...]
    costs: Mapping[str, Cost]
    slates: Mapping[str, Rankings]
    hits: Mapping[str, Hits]
    alpha: float

    def metric(self, name: str | Metric) -> Metric:
        """The metric of that name.

        Raises:
            MissingError: it was not evaluated; the nearest is offered.
        """
        known = {metric.name: metric for metric in self.metrics}
        if str(name) not in known:
            raise MissingError(f"metric '{name}' was not evaluated", advice=nearest(str(name), known))
        return known[str(name)]

    def value(self, strategy: str, metric: str | Metric) -> float:
        """One figure of the leaderboard, NaN where there is none.

        Raises:
            MissingError: the strategy or the metric was not evaluated.
        """
        name = self.metric(metric).name
        if strategy not in self.strategies:
            raise MissingError(f"strategy '{strategy}' was not evaluated", advice=nearest(strategy, self.strategies))
        found = self.leaderboard.filter(strategy=strategy, metric=name)["value"]
        return float(found[0]) if len(found) and found[0] is not None else math.nan

    def best(self, metric: str | Metric) -> Leader:
        """The strategy that leads on a metric, with those that the corrected test cannot tell from it.

        Raises:
            MissingError: the metric was not evaluated, or is defined for no strategy.
        """
        judge = self.metric(metric)
        values = {name: self.value(name, judge) for name in self.strategies}
        values = {name: value for name, value in values.items() if not math.isnan(value)}
        if not values:
            raise MissingError(f"metric '{judge.name}' is defined for no strategy", advice=self._why(judge.name))
        leader = max(values, key=lambda name: judge.merit(values[name]))
        pairs = self.comparisons.filter((pl.col("metric") == judge.name) & ~pl.col("separated"))
        unsure = {frozenset(pair) for pair in pairs.select("a", "b").iter_rows()}
        tied = tuple(name for name in values if frozenset((leader, name)) in unsure)
        return Leader(judge.name, leader, values[leader], tied, self._sentence(judge.name, leader, tied, len(values)))

    def _why(self, metric: str) -> str:
        return "; ".join(dict.fromkeys(entry.reason for entry in self.skipped if entry.metric == metric))

    def _sentence(self, metric: str, leader: str, tied: tuple[str, ...], judged: int) -> str:
        row = self.leaderboard.row(
            by_predicate=(pl.col("strategy") == leader) & (pl.col("metric") == metric), named=True
        )
        figure = f"{row['value']:.4g}"
        if row["low"] is not None:
            figure += f" ({1 - self.alpha:.0%} interval {row['low']:.4g} to {row['high']:.4g})"
        start = f"{leader} has the best {metric}: {figure} on {row['n']:,} users"
        if judged == 1:
            return f"{start}. No other strategy was judged."
        test = f"paired t-test, Holm's correction, alpha {self.alpha:g}"
        if tied:
            return f"{start}, tied with {_listed(tied)}: the data cannot tell them apart ({test})."
        return f"{start}, apart from every other strategy ({test})."

    def pareto(self, accuracy: str | Metric | None = None, diversity: str | Metric | None = None) -> tuple[str, ...]:
        """The strategies that no other beats on both metrics, by their values.

        Args:
            accuracy: the first metric of hits where None.
            diversity: where None the first of diversity, coverage and novelty that was evaluated.

        Raises:
            MissingError: there is no such metric in the evaluation.
        """
        axes = self.pareto_axes()
        x = self.metric(accuracy) if accuracy is not None else axes[0]
        y = self.metric(diversity) if diversity is not None else axes[1]
        if x is None or y is None:
            raise MissingError(
                "there is no pair of metrics for a Pareto front",
                advice="evaluate one of accuracy (ndcg@10) and one of diversity (diversity@10, coverage@10)",
            )
        merits = np.array([[axis.merit(self.value(name, axis)) for axis in (x, y)] for name in self.strategies])
        return tuple(name for name, kept in zip(self.strategies, front(merits), strict=True) if kept)

    def pareto_axes(self) -> tuple[Metric | None, Metric | None]:
        """The metrics that ``pareto`` takes when none is named; None where there is none with a value."""
        valued = self._valued()
        have = [metric for metric in self.metrics if metric.name in valued]
        accuracy = next((metric for metric in have if isinstance(metric, Accuracy)), None)
        wanted = ("diversity", "coverage", "novelty")
        return accuracy, next((metric for kind in wanted for metric in have if metric.id == kind), None)

    def users_frame(self) -> pl.DataFrame:
        """strategy, metric, user (id), value: one row per figure of one user; undefined ones are left out.

        For metrics that describe all slates together these are pseudo-values: see ``Metric``.
        """
        users = self._user_ids()
        parts = [
            pl.DataFrame({"user": users, "value": values}).select(
                pl.lit(strategy).alias("strategy"), pl.lit(metric).alias("metric"), "user", "value"
            )
            for (strategy, metric), values in self.per_user.items()
        ]
        schema = {"strategy": pl.String, "metric": pl.String, "user": pl.String, "value": pl.Float64}
        return pl.concat([pl.DataFrame(schema=schema), *parts]).filter(pl.col("value").is_not_nan())

    def slates_frame(self) -> pl.DataFrame:
        """strategy, user (id), rank (from 1), item (id), score, hit: one row per filled place."""
        users = self._user_ids()
        items = pl.Series("item", self.split.train.item_ids.ids, dtype=pl.String)
        schema = {
            "strategy": pl.String,
            "user": pl.String,
            "rank": pl.Int32,
            "item": pl.String,
            "score": pl.Float32,
            "hit": pl.Boolean,
        }
        parts = [pl.DataFrame(schema=schema)]
        for strategy, ranked in self.slates.items():
            hit = np.zeros(ranked.items.shape, dtype=bool)
            hit[self.hits[strategy].rows, self.hits[strategy].ranks - 1] = True
            rows, columns = np.nonzero(ranked.items >= 0)
            parts.append(
                pl.DataFrame(
                    {
                        "user": users.gather(rows),
                        "rank": columns.astype(np.int32) + 1,
                        "item": items.gather(ranked.items[rows, columns]),
                        "score": ranked.scores[rows, columns],
                        "hit": hit[rows, columns],
                    }
                ).select(pl.lit(strategy).alias("strategy"), pl.all())
            )
        return pl.concat(parts)

    def _valued(self) -> list[str]:
        """The metrics that are defined for at least one strategy: of two items no slate has a diversity."""
        defined = self.leaderboard.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan())
        return defined["metric"].unique(maintain_order=True).to_list()

    def _user_ids(self) -> pl.Series:
        return pl.Series("user", self.split.train.user_ids.ids, dtype=pl.String).gather(self.split.users)

    def write(self, folder: Path) -> None:
        """Write ``metrics.parquet`` (``users_frame``) and ``slates.parquet`` (``slates_frame``) into a folder."""
        self.users_frame().write_parquet(folder / "metrics.parquet")
        self.slates_frame().write_parquet(folder / "slates.parquet")

    def to_dict(self) -> dict[str, Any]:
        """Everything but the per-user values and the slates, as plain values for JSON; what is undefined is None."""
        x, y = self.pareto_axes()
        return {
            "split": {
                "name": self.split.name,
                "users": len(self.split),
                "items": self.split.train.n_items,
                "cut": self.split.cut,
                "hide_seen": self.split.hide_seen,
                "leaks": list(self.split.leaks),
                "notes": list(self.split.notes),
            },
            "alpha": self.alpha,
            "strategies": list(self.strategies),
            "metrics": [
                {
                    "name": metric.name,
                    "title": metric.title,
                    "formula": metric.formula,
                    "unit": metric.unit,
                    "direction": metric.direction,
                }
                for metric in self.metrics
            ],
            "leaderboard": self.leaderboard.to_dicts(),
            "comparisons": self.comparisons.to_dicts(),
            "best": [asdict(self.best(name)) for name in self._valued()],
            "pareto": None if x is None or y is None else {"x": x.name, "y": y.name, "front": list(self.pareto())},
            "skipped": [asdict(entry) for entry in self.skipped],
            "costs": {name: asdict(cost) for name, cost in self.costs.items()},
        }


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
