from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError
from recloop.stats.estimate import Estimate
from recloop.stats.moments import Moments


@dataclass(frozen=True, slots=True, eq=False)
class Comoments:
    """Means and centred cross products of d columns of the same units: all that linear adjustment needs of a sample.

    Where ``Moments`` holds what one metric needs, this holds several metrics with their covariates at once. Parts of a
    sample add up to the whole; products are kept around the means, so that large values lose no figures.

    Args:
        n: number of units (users).
        means: (d,) mean of each column.
        products: (d, d) sums of the products of deviations from the means.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 37 (1983), equation 1.5b, for vectors.

    >>> whole = Comoments.of([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]])
    >>> whole.means.tolist(), whole.covariance.tolist()
    ([2.0, 2.0], [[1.0, 0.5], [0.5, 1.0]])
    >>> parts = Comoments.of([[1.0, 2.0]]) + Comoments.of([[2.0, 1.0], [3.0, 3.0]])
    >>> bool(np.allclose(parts.products, whole.products))
    True
    """

    n: int
    means: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, columns: ArrayLike) -> Self:
        """Of the rows (units) of a table (n, d).

        Raises:
            DataError: a value is NaN or infinite.
        """
        rows = np.asarray(columns, dtype=np.float64)
        if not np.isfinite(rows).all():
            bad = int((~np.isfinite(rows)).sum())
            raise DataError(f"{bad} of {rows.size} values are NaN or infinite", advice="leave them out, and say so")
        if not len(rows):
            return cls(0, np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1])))
        means = rows.mean(axis=0)
        deviations = rows - means
        return cls(len(rows), means, deviations.T @ deviations)

    def __add__(self, other: Self) -> Self:
        if not other.n:
            return self
        if not self.n:
            return other
        if len(self.means) != len(other.means):
            raise DataError(f"comoments of {len(self.means)} and {len(other.means)} columns do not add up")
        n = self.n + other.n
        apart = other.means - self.means
        between = np.outer(apart, apart) * (self.n * other.n / n)
        return type(self)(n, self.means + apart * (other.n / n), self.products + other.products + between)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(d, d), divisor n - 1; NaN below two units."""
        return self.products / (self.n - 1) if self.n > 1 else np.full_like(self.products, np.nan)

    def take(self, columns: ArrayLike) -> Self:
        """Some of the columns, by place."""
        places = np.asarray(columns, dtype=np.int64)
        return type(self)(self.n, self.means[places], self.products[np.ix_(places, places)])

    def moments(self, y: int, x: int | None = None) -> Moments:
        """The moments of the mean of one column, or of the ratio of two."""
        if x is None:
            return Moments(self.n, float(self.means[y]), float(self.products[y, y]))
        p = self.products
        return Moments(
            self.n, float(self.means[y]), float(p[y, y]), float(self.means[x]), float(p[x, x]), float(p[x, y])
        )

    def linear(self, weights: ArrayLike) -> Estimate:
        """The mean of a weighted sum of the columns, weights (d,), with the variance of that mean.

        Raises:
            DataError: fewer than two units.
        """
        if self.n < 2:
            raise DataError(f"{self.n} users are too few", allowed="a variance needs at least 2")
        w = np.asarray(weights, dtype=np.float64)
        return Estimate(float(w @ self.means), max(float(w @ self.covariance @ w), 0.0) / self.n, self.n)
