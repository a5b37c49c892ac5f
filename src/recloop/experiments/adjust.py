from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from recloop.stats import Moments
from recloop.stats.comoments import Comoments


@dataclass(frozen=True, slots=True, eq=False)
class PooledAdjustment:
    """A metric less what its covariates explain, user by user: y - theta' (x - mean of x), in sums.

    One theta for all variants, segments and days makes it a metric like any other: its moments add up. It is what a
    regression within variants gives over all users: segments and days are read by it. ``stats.cuped`` fits theta anew
    for each comparison and knows the joint covariance of both values; it stands behind the effects over all users.

    Args:
        theta: (d,) of the covariates; empty where there are none.
        centre: (d,) their means over all users.
        ratio: whether the second column is a denominator.

    >>> before = np.array([1.0, 2.0, 3.0, 4.0])
    >>> arm = Comoments.of(np.column_stack([2 * before + 1, before]))
    >>> moments = PooledAdjustment.of([arm], ratio=False)(arm)
    >>> round(moments.mean, 12), abs(round(moments.m2, 12))
    (6.0, 0.0)
    """

    theta: NDArray[np.float64]
    centre: NDArray[np.float64]
    ratio: bool

    @classmethod
    def of(cls, arms: Sequence[Comoments], *, ratio: bool) -> "PooledAdjustment":
        """Fitted within the variants, whose columns are the numerator, the denominator of a ratio, and covariates."""
        own = 2 if ratio else 1
        whole = reduce(add, arms)
        within = sum((arm.products for arm in arms), np.zeros_like(whole.products))
        spread = np.sqrt(np.diag(within)[own:])
        known = spread > 1e-12 * np.abs(whole.means[own:]) * np.sqrt(max(whole.n, 1))
        theta = np.zeros(len(spread))
        if known.any():
            cross = within[own:, 0]
            if ratio and whole.means[1]:
                cross = cross - whole.means[0] / whole.means[1] * within[own:, 1]
            scale = spread[known]
            square = within[own:, own:][np.ix_(known, known)] / np.outer(scale, scale)
            theta[known] = np.linalg.pinv(square, rcond=1e-10, hermitian=True) @ (cross[known] / scale) / scale
        return cls(theta, whole.means[own:], ratio)

    def __call__(self, arm: Comoments) -> Moments:
        """The moments of the adjusted metric over some users."""
        own = 2 if self.ratio else 1
        if not arm.n:
            return Moments(x_mean=0.0) if self.ratio else Moments()
        weights = np.concatenate([[1.0], np.zeros(own - 1), -self.theta])
        mean = float(arm.means[0] - self.theta @ (arm.means[own:] - self.centre))
        m2 = max(float(weights @ arm.products @ weights), 0.0)
        if not self.ratio:
            return Moments(arm.n, mean, m2)
        with_x = float(weights @ arm.products[:, 1])
        return Moments(arm.n, mean, m2, float(arm.means[1]), float(arm.products[1, 1]), with_x)

    def values(self, y: NDArray[np.float64], covariates: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) the adjusted numerators of some users, whose covariates are (n, d)."""
        return y - (covariates - self.centre) @ self.theta
