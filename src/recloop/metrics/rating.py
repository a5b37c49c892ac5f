"""Metrics of predicted ratings, over all held-out ratings together (not a mean of users' means)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.metrics.judged import Judged
from recloop.metrics.metric import Direction, Metric, Need, pooled


@dataclass(frozen=True)
class MAE(Metric):
    """Mean absolute error of predicted ratings (Herlocker et al. 2004)."""

    id: ClassVar[str] = "mae"
    title: ClassVar[str] = "Mean absolute error"
    formula: ClassVar[str] = r"\frac{1}{m} \sum |\hat y - y|"
    unit: ClassVar[str] = "rating"
    direction: ClassVar[Direction] = "lower"
    aggregate: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("ratings",)

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) pseudo-values; NaN for a user without predicted ratings."""
        return pooled(*_errors(judged, power=1))


@dataclass(frozen=True)
class RMSE(Metric):
    """Root of the mean squared error of predicted ratings (Herlocker et al. 2004)."""

    id: ClassVar[str] = "rmse"
    title: ClassVar[str] = "Root mean squared error"
    formula: ClassVar[str] = r"\sqrt{\frac{1}{m} \sum (\hat y - y)^2}"
    unit: ClassVar[str] = "rating"
    direction: ClassVar[Direction] = "lower"
    aggregate: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("ratings",)

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) pseudo-values of the root, by its derivative; NaN for a user without predicted ratings."""
        squares = pooled(*_errors(judged, power=2))
        defined = squares[~np.isnan(squares)]
        root = np.sqrt(defined.mean()) if len(defined) else np.nan
        return root + (squares - root**2) / (2 * root) if root > 0 else squares


def _errors(judged: Judged, power: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per row the sum of |error|^power and the number of ratings; NaN where there is none."""
    ratings = judged.ratings
    if ratings is None:
        raise DataError("there are no predicted ratings", advice="give Judged ratings=Ratings(rows, actual, predicted)")
    error = np.abs(ratings.predicted - ratings.actual) ** power
    known = ~np.isnan(error)
    count = np.bincount(ratings.rows[known], minlength=judged.n).astype(np.float64)
    total = np.bincount(ratings.rows[known], weights=error[known], minlength=judged.n).astype(np.float64)
    count[count == 0] = np.nan
    return total, count
