import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.kinds import RATING
from recloop.data.split import Split
from recloop.errors import DataError, SettingError
from recloop.evaluate.evaluation import Cost, Evaluation, Skipped
from recloop.evaluate.ranker import Ranker, Rater
from recloop.evaluate.ratings import HeldOutRatings
from recloop.metrics import Judged, Metric, item_users, parse_metric
from recloop.metrics.judged import Hits
from recloop.metrics.metric import AtK
from recloop.progress import SILENT, Progress
from recloop.stats import holm, mean_interval, paired

LEADERBOARD = {
    "strategy": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
}
COMPARISONS = {
    "metric": pl.String,
    "a": pl.String,
    "b": pl.String,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p_value": pl.Float64,
    "p_adjusted": pl.Float64,
    "separated": pl.Boolean,
    "n": pl.Int64,
}


class _Fits(Protocol):
    def fit(self, dataset: Dataset, progress: Progress = SILENT) -> Any: ...


def fit_all(
    strategies: Mapping[str, _Fits],
    train: Dataset,
    *,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Fit each strategy, in order; the CPU seconds of each, for ``evaluate(fit_seconds=...)``."""
    seconds: dict[str, float] = {}
    with progress.task("train", total=len(strategies)) as advance:
        for name, strategy in strategies.items():
            start = clock()
            strategy.fit(train, progress)
            seconds[name] = clock() - start
            advance(1)
    return seconds


def evaluate(
    split: Split,
    rankers: Mapping[str, Ranker],
    metrics: Sequence[Metric | str],
    *,
    vectors: NDArray[np.floating] | None = None,
    ratings: HeldOutRatings | None = None,
    fit_seconds: Mapping[str, float] | None = None,
    progress: Progress = SILENT,
    alpha: float = 0.05,
    clock: Callable[[], float] = time.process_time,
) -> Evaluation:
    """Judge fitted strategies on the held-out events of a split: every item is ranked, none sampled.

    Sampled candidates can turn the order of strategies around (Krichene & Rendle 2020, "On sampled metrics for item
    recommendation"). All strategies are judged on the same users, so that they are compared in pairs.

    Args:
        split: training, histories and truth; see ``recloop.data.split``.
        rankers: name → anything with ``rank``; already fitted on ``split.train``.
        metrics: values (``NDCG(10)``) or names ("ndcg@10").
        vectors: (n_items, d) item vectors, for diversity.
        ratings: held-out ratings, for MAE and RMSE of rankers with ``predict``.
        fit_seconds: CPU seconds of training (``fit_all``), kept with the costs.
        progress: told of each strategy.
        alpha: error rate of intervals and tests.
        clock: CPU seconds.

    Raises:
        SettingError: no ranker or no metric, or one that is none.
        DataError: a ranker answers with slates that do not fit the split.

    >>> import polars as pl
    >>> from recloop.data.split import split
    >>> from recloop.strategies.random import Random
    >>> log = pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "y", "y", "z"], "time": [1.0, 3.0, 2.0, 4.0]})
    >>> made = split(Dataset.of(log), "leave-last-out")
    >>> judged = evaluate(made, {"random": Random().fit(made.train)}, ["recall@2"])
    >>> judged.best("recall@2").sentence
    'random has the best recall@2: 1 (95% interval 1 to 1) on 2 users. No other strategy was judged.'
    """
    chosen = _metrics(metrics)
    _check_rankers(rankers)
    depth = max((metric.k for metric in chosen if isinstance(metric, AtK)), default=1)
    popularity, n_users = item_users(split.train), split.train.positive["user"].n_unique()
    per_user: dict[tuple[str, str], NDArray[np.float64]] = {}
    slates, costs, skipped = {}, {}, []
    hits: dict[str, Hits] = {}
    with progress.task("evaluate", total=len(rankers)) as advance:
        for name, ranker in rankers.items():
            reasons = _reasons(ranker, vectors, ratings)
            start = clock()
            ranked = ranker.rank(split.histories, depth, hide_seen=split.hide_seen, allowed=split.allowed)
            predicted = (
                ratings.predicted_by(ranker, split.histories)
                if ratings is not None
                and "ratings" not in reasons
                and isinstance(ranker, Rater)
                and _wants_ratings(chosen)
                else None
            )
            ranked_at = clock()
            judged = Judged(
                rankings=ranked,
                truth=split.truth,
                histories=split.histories,
                popularity=popularity,
                n_users=n_users,
                vectors=vectors,
                allowed=split.allowed,
                ratings=predicted,
            )
            for metric in chosen:
                missing = [reasons[need] for need in metric.needs if need in reasons]
                if missing:
                    skipped.append(Skipped(name, metric.name, missing[0]))
                else:
                    per_user[name, metric.name] = metric.per_user(judged)
            slates[name], hits[name] = ranked, judged.hits
            costs[name] = Cost((fit_seconds or {}).get(name), ranked_at - start, clock() - ranked_at)
            advance(1)
    return Evaluation(
        split=split,
        strategies=tuple(rankers),
        metrics=chosen,
        leaderboard=_leaderboard(per_user, alpha),
        comparisons=_comparisons(per_user, tuple(rankers), chosen, alpha),
        per_user=per_user,
        skipped=tuple(skipped),
        costs=costs,
        slates=slates,
        hits=hits,
        alpha=alpha,
    )


def _metrics(metrics: Sequence[Metric | str]) -> tuple[Metric, ...]:
    chosen = tuple(dict.fromkeys(parse_metric(metric) if isinstance(metric, str) else metric for metric in metrics))
    if not chosen:
        raise SettingError("there is no metric to judge by", advice='name one, such as "ndcg@10"')
    return chosen


def _check_rankers(rankers: Mapping[str, Ranker]) -> None:
    if not rankers:
        raise SettingError("there is no strategy to judge", advice="give at least one, by name")
    for name, ranker in rankers.items():
        if not isinstance(ranker, Ranker):
            raise SettingError(
                f"'{name}' is a {type(ranker).__name__}", allowed="a ranker has rank(histories, k, hide_seen, allowed)"
            )


def _wants_ratings(metrics: tuple[Metric, ...]) -> bool:
    return any("ratings" in metric.needs for metric in metrics)


def _reasons(ranker: Ranker, vectors: NDArray[np.floating] | None, ratings: HeldOutRatings | None) -> dict[str, str]:
    """What a metric may need and cannot have, and why."""
    reasons = {}
    if vectors is None:
        reasons["vectors"] = "no item vectors were given"
    if not isinstance(ranker, Rater):
        reasons["ratings"] = "the strategy predicts no ratings: it has no predict(histories, items)"
    elif ratings is None or not len(ratings.rows):
        reasons["ratings"] = f"there are no held-out ratings: events of kind '{RATING}' with a value"
    return reasons


def _leaderboard(per_user: Mapping[tuple[str, str], NDArray[np.float64]], alpha: float) -> pl.DataFrame:
    rows = []
    for (strategy, metric), values in per_user.items():
        mean = mean_interval(values, alpha)
        rows.append((strategy, metric, _finite(mean.mean), _finite(mean.low), _finite(mean.high), mean.n))
    return pl.DataFrame(rows, schema=LEADERBOARD, orient="row")


def _comparisons(
    per_user: Mapping[tuple[str, str], NDArray[np.float64]],
    strategies: tuple[str, ...],
    metrics: tuple[Metric, ...],
    alpha: float,
) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for metric in metrics:
        pairs: list[tuple[str, str, float | None, float | None, float | None, float, int]] = []
        for a, b in combinations([name for name in strategies if (name, metric.name) in per_user], 2):
            first, second = per_user[a, metric.name], per_user[b, metric.name]
            n = int(np.count_nonzero(~(np.isnan(first) | np.isnan(second))))
            try:
                effect = paired(first, second, alpha)
            except DataError:  # fewer than two users have both: nothing to test, and the row says so
                pairs.append((a, b, None, None, None, np.nan, n))
                continue
            pairs.append((a, b, effect.estimate, _finite(effect.low), _finite(effect.high), effect.p_value, n))
        adjusted = holm([pair[5] for pair in pairs])
        rows += [
            (metric.name, *pair[:5], _finite(pair[5]), _finite(p), bool(p < alpha), pair[6])
            for pair, p in zip(pairs, adjusted, strict=True)
        ]
    return pl.DataFrame(rows, schema=COMPARISONS, orient="row")


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
