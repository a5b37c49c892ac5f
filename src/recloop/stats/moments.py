import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.stats.estimate import Estimate

Values = NDArray[np.generic] | Sequence[float]
ROUNDING = 1e-13  # what is left of a variance after subtraction is noise below this share of it


@dataclass(frozen=True, slots=True)
class Moments:
    """All that a mean, or a ratio of two means, needs to know of a sample; parts of a sample add up to the whole.

    Sums of squares are kept around the mean, so that large values with a small spread lose no figures.

    Args:
        n: number of units (users).
        mean: mean of the column y.
        m2: sum of squared deviations of y from its mean.
        x_mean: mean of the second column x (the denominator of a ratio); None where there is only one.
        x_m2: sum of squared deviations of x.
        xy: sum of the products of both deviations.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 37 (1983), equation 1.5b.

    >>> whole = Moments.of([1.0, 2.0, 3.0, 6.0])
    >>> whole.n, whole.mean, whole.var
    (4, 3.0, 4.666666666666667)
    >>> Moments.of([1.0, 2.0]) + Moments.of([3.0, 6.0]) == whole
    True
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    x_mean: float | None = None
    x_m2: float = 0.0
    xy: float = 0.0

    @classmethod
    def of(cls, y: Values, x: Values | None = None) -> "Moments":
        """The moments of one column, or of two columns of the same units.

        Raises:
            DataError: a value is NaN or infinite, or the columns differ in length.
        """
        y = _column(y)
        if x is None:
            if not y.size:
                return cls()
            mean = float(y.mean())
            return cls(y.size, mean, float(np.square(y - mean).sum()))
        x = _column(x)
        if y.size != x.size:
            raise DataError(f"the columns have {y.size} and {x.size} values", allowed="one of each per unit")
        if not y.size:
            return cls(x_mean=0.0)
        y_mean, x_mean = float(y.mean()), float(x.mean())
        dy, dx = y - y_mean, x - x_mean
        return cls(y.size, y_mean, float(dy @ dy), x_mean, float(dx @ dx), float(dx @ dy))

    @classmethod
    def from_summary(cls, n: int, mean: float, var: float) -> "Moments":
        """The moments of a sample of which only size, mean and variance (divisor n - 1) are known."""
        return cls(n, mean, var * max(n - 1, 0))

    @classmethod
    def of_share(cls, ones: int, n: int) -> "Moments":
        """The moments of a column of n zeros and ones.

        Raises:
            DataError: more ones than units, or fewer than none.

        >>> Moments.of_share(1, 4) == Moments.of([0.0, 0.0, 1.0, 0.0])
        True
        """
        if not 0 <= ones <= n:
            raise DataError(f"{ones} of {n} users", allowed="a share counts between none and all of the users")
        share = ones / n if n else 0.0
        return cls(n, share, ones * (1 - share))

    @classmethod
    def running(cls, y: Values, x: Values | None, ends: NDArray[np.integer]) -> "list[Moments]":
        """The moments of the first ``ends[i]`` units, for each i, in one pass.

        >>> [part.mean for part in Moments.running([1.0, 2.0, 6.0], None, np.array([2, 3]))]
        [1.5, 3.0]
        """
        whole = cls.of(y, x)
        dy = _column(y) - whole.mean
        dx = np.zeros(dy.size) if x is None or whole.x_mean is None else _column(x) - whole.x_mean
        sums = np.zeros((5, dy.size + 1))
        np.cumsum([dy, dy * dy, dx, dx * dx, dx * dy], axis=1, out=sums[:, 1:])
        found = []
        for n, (y1, y2, x1, x2, xy) in zip(ends.tolist(), sums[:, ends].T.tolist(), strict=True):
            per = max(n, 1)
            pair = (None, 0.0, 0.0)
            if whole.x_mean is not None:
                pair = (whole.x_mean + x1 / per, max(x2 - x1 * x1 / per, 0.0), xy - x1 * y1 / per)
            found.append(cls(n, whole.mean + y1 / per, max(y2 - y1 * y1 / per, 0.0), *pair))
        return found

    @classmethod
    def grouped(cls, y: Values, x: Values | None, codes: NDArray[np.integer], groups: int) -> "list[Moments]":
        """The moments of the units of each group 0 … ``groups`` - 1, ``codes`` saying whose each unit is, in one pass.

        >>> [part.mean for part in Moments.grouped([1.0, 2.0, 6.0], None, np.array([0, 1, 1]), 2)]
        [1.0, 4.0]
        """
        n = np.bincount(codes, minlength=groups)
        per = np.maximum(n, 1)
        columns = [_column(y)] if x is None else [_column(y), _column(x)]
        means = [np.bincount(codes, column, groups) / per for column in columns]
        apart = [column - mean[codes] for column, mean in zip(columns, means, strict=True)]
        squares = [np.bincount(codes, one * one, groups) for one in apart]
        if x is None:
            return [cls(*one) for one in zip(n.tolist(), means[0].tolist(), squares[0].tolist(), strict=True)]
        products = np.bincount(codes, apart[0] * apart[1], groups)
        parts = (n, means[0], squares[0], means[1], squares[1], products)
        return [cls(*one) for one in zip(*(part.tolist() for part in parts), strict=True)]

    def __add__(self, other: "Moments") -> "Moments":
        if not other.n:
            return self
        if not self.n:
            return other
        if (self.x_mean is None) != (other.x_mean is None):
            raise DataError("moments of one column and of two columns do not add up")
        n = self.n + other.n
        share, weight = other.n / n, self.n * other.n / n
        dy = other.mean - self.mean
        mean, m2 = self.mean + dy * share, self.m2 + other.m2 + dy * dy * weight
        if self.x_mean is None or other.x_mean is None:
            return Moments(n, mean, m2)
        dx = other.x_mean - self.x_mean
        return Moments(
            n,
            mean,
            m2,
            self.x_mean + dx * share,
            self.x_m2 + other.x_m2 + dx * dx * weight,
            self.xy + other.xy + dx * dy * weight,
        )

    @property
    def var(self) -> float:
        """Variance of y, divisor n - 1; NaN below two units."""
        return self.m2 / (self.n - 1) if self.n > 1 else math.nan

    @property
    def x_var(self) -> float:
        """Variance of x, divisor n - 1; NaN below two units."""
        return self.x_m2 / (self.n - 1) if self.n > 1 else math.nan

    @property
    def cov(self) -> float:
        """Covariance of x and y, divisor n - 1; NaN below two units."""
        return self.xy / (self.n - 1) if self.n > 1 else math.nan

    @property
    def ratio(self) -> float:
        """Sum of y over sum of x; NaN where x sums to zero or is not there."""
        return self.mean / self.x_mean if self.x_mean else math.nan

    @property
    def unit_variance(self) -> float:
        """Variance that one unit adds to the value: of y, or of the linearised ratio (y - ratio x) / mean x.

        Source of the latter: A. Deng, U. Knoblich, J. Lu, "Applying the delta method in metric analytics: a practical
        guide with novel ideas", KDD 2018, section 2.
        """
        if self.x_mean is None:
            return self.var
        if not self.x_mean:
            return math.nan
        r = self.ratio
        parts = self.var + r * r * self.x_var
        rest = parts - 2 * r * self.cov
        return rest / self.x_mean**2 if not rest < ROUNDING * parts else 0.0

    def estimate(self) -> Estimate:
        """The mean of y, or the ratio where there are two columns, with the variance of that estimate.

        Raises:
            DataError: fewer than two units, or a denominator that sums to zero.
        """
        if self.n < 2:
            raise DataError(f"{self.n} users are too few", allowed="a variance needs at least 2")
        if self.x_mean is not None and not self.x_mean:
            raise DataError("the denominator of the ratio sums to zero", advice="wait for more data")
        value = self.mean if self.x_mean is None else self.ratio
        return Estimate(value, self.unit_variance / self.n, self.n)


def _column(values: Values) -> NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(column).all():
        bad = int((~np.isfinite(column)).sum())
        raise DataError(f"{bad} of {column.size} values are NaN or infinite", advice="leave them out, and say so")
    return column
