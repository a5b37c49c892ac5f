"""How well short-term effects foretold long-term ones in past experiments."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from recloop.errors import DataError
from recloop.experiments.json_values import to_json
from recloop.stats import wilson

NEEDED = ("experiment", "metric", "short", "short_error", "long", "long_error")
LEAST = 5
"""Experiments below which nothing is said of a metric."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """How well one metric's short-term effect foretells the long-term one.

    Attributes:
        metric: id.
        experiments: how many there were.
        correlation: of the true effects, noise taken out; NaN where the effects do not differ beyond their noise.
        low: its interval, by leaving out one experiment at a time.
        high: likewise.
        seen: the correlation with the noise in.
        slope: long-term effect per unit of true short-term effect.
        agreement: share of experiments in which both effects have one sign.
        agreement_low: its interval.
        agreement_high: likewise.
        sentence: in words.
    """

    metric: str
    experiments: int
    correlation: float
    low: float
    high: float
    seen: float
    slope: float
    agreement: float
    agreement_low: float
    agreement_high: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN becomes None."""
        found: dict[str, Any] = to_json(self)
        return found


def proxies(table: pl.DataFrame, alpha: float = 0.05) -> list[Proxy]:
    """How well each short-term metric foretold the long-term effect, the best first.

    Args:
        table: one row per experiment and metric: experiment, metric, short, short_error, long, long_error (effects and
            standard errors), and ``shared`` where known: the covariance of both errors, which is not zero where both
            effects were measured on the same users. Without it, it is taken for zero, and the correlation is too high.
        alpha: one minus the coverage of the intervals.

    Source: N. Tripuraneni and others, "Choosing a proxy metric from past experiments" (KDD 2024): the covariance of
    true effects is that of the estimates less that of their noise.

    Raises:
        DataError: a column is missing.

    >>> rng = np.random.default_rng(0)
    >>> true = rng.normal(0, 1, 200)
    >>> log = pl.DataFrame({"experiment": range(200), "metric": "ctr", "short": true + rng.normal(0, 1, 200),
    ...     "short_error": 1.0, "long": true + rng.normal(0, 1, 200), "long_error": 1.0})
    >>> found = proxies(log)[0]
    >>> round(found.seen, 1), found.low < 1.0 <= found.high
    (0.5, True)
    """
    lacking = [name for name in NEEDED if name not in table.columns]
    if lacking:
        raise DataError(f"the effects have no column {', '.join(lacking)}", allowed=f"needed: {', '.join(NEEDED)}")
    if "shared" not in table.columns:
        table = table.with_columns(shared=0.0)
    found = [
        _proxy(str(name), part, alpha)
        for (name,), part in table.drop_nulls().partition_by("metric", as_dict=True, maintain_order=True).items()
    ]
    return sorted(found, key=lambda one: (math.isnan(one.correlation), -one.correlation))


def _proxy(metric: str, part: pl.DataFrame, alpha: float) -> Proxy:
    n = part.height
    if n < LEAST:
        nothing = (math.nan,) * 8
        return Proxy(metric, n, *nothing, f"{metric}: {n} experiments are too few; {LEAST} are needed")
    short, long = part["short"].to_numpy(), part["long"].to_numpy()
    noise = np.array([np.square(part["short_error"].to_numpy()), np.square(part["long_error"].to_numpy()),
                      part["shared"].to_numpy()])  # fmt: skip
    every = np.ones((1, n))
    plain, slope = (float(one[0]) for one in _true(short, long, noise, every))
    correlation = max(min(plain, 1.0), -1.0) if not math.isnan(plain) else plain
    less, _ = _true(short, long, noise, 1 - np.eye(n))
    low = high = math.nan
    if not math.isnan(correlation) and not np.isnan(less).any():
        error = math.sqrt((n - 1) / n * np.square(less - less.mean()).sum())
        reach = -float(ndtri(alpha / 2)) * error
        low, high = max(min(plain - reach, 1.0), -1.0), max(min(plain + reach, 1.0), -1.0)
    same = int((np.sign(short) == np.sign(long)).sum())
    share = wilson(same, n, alpha)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = float(np.corrcoef(short, long)[0, 1]) if short.std() > 0 and long.std() > 0 else math.nan
    said = "its effects do not differ beyond their noise" if math.isnan(correlation) else f"{correlation:.2f}"
    sentence = f"{metric}: correlation with the long-term effect {said}; signs agree in {same} of {n} experiments"
    return Proxy(metric, n, correlation, low, high, seen, slope, same / n, share.low, share.high, sentence)


def _true(
    short: NDArray[np.float64], long: NDArray[np.float64], noise: NDArray[np.float64], sets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation (noise may carry it beyond 1) and slope of the true effects, for each set of experiments (rows)."""
    n = sets.sum(axis=1)
    s, t = short - short.mean(), long - long.mean()

    def covariance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((sets @ (a * b) - (sets @ a) * (sets @ b) / n) / (n - 1))

    ss, tt, st = (
        covariance(a, b) - sets @ error / n for a, b, error in ((s, s, noise[0]), (t, t, noise[1]), (s, t, noise[2]))
    )
    known = (ss > 0) & (tt > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.where(known, st / np.sqrt(ss * tt), np.nan)
        slope = np.where(ss > 0, st / ss, np.nan)
    return correlation, slope
