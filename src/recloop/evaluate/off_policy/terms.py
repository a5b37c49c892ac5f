"""An estimate kept as the rounds that make it, so that its error can be told, by users where they return."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from recloop.errors import DataError, SettingError
from recloop.stats.effect import check_alpha

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
BLOCK = 2**22  # numbers of a bootstrap that are held at a time


class Interval(NamedTuple):
    """Both ends, and how they were made."""

    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A sum of ratios of means over rounds: what every estimator of this room is.

    Inverse propensity scoring is one ratio whose denominators are 1; where the denominators are the weights it is
    self-normalised; a doubly robust estimate is the sum of two.

    Args:
        over: (m, n) numerators, one row a ratio, one column a round.
        under: (m, n) denominators.

    Raises:
        DataError: there is no round, or a denominator sums to zero: nothing of the log speaks of the policy.

    >>> Terms(np.array([[2.0, 0.0]]), np.ones((1, 2))).value
    1.0
    """

    over: Array
    under: Array

    def __post_init__(self) -> None:
        if not self.over.shape[1]:
            raise DataError("the log has no round", advice="wait for data")
        if (self.under.sum(axis=1) == 0).any():
            raise DataError(
                "every weight is zero: the policy never does what was logged",
                advice="log with some exploration, so that each of its actions has a chance",
            )

    @classmethod
    def of(cls, over: Array, under: Array | None = None) -> "Terms":
        """One ratio of (n,) numerators and denominators, which are 1 where None."""
        return cls(over[None], np.ones((1, over.size)) if under is None else under[None])

    @property
    def n(self) -> int:
        """Rounds."""
        return int(self.over.shape[1])

    @property
    def value(self) -> float:
        """The estimate."""
        return float(self._ratios.sum())

    @property
    def _ratios(self) -> Array:
        found: Array = self.over.mean(axis=1) / self.under.mean(axis=1)
        return found

    @property
    def influence(self) -> Array:
        """(n,) what each round adds to the error: they sum to zero, and their mean square over n is the variance.

        Source: the delta method for ratios; W. G. Cochran, "Sampling techniques", 3rd ed. (1977), section 2.11.
        """
        scale = self.under.mean(axis=1)
        found: Array = ((self.over - self._ratios[:, None] * self.under) / scale[:, None]).sum(axis=0)
        return found

    def plus(self, other: "Terms") -> "Terms":
        """The sum of two estimates from the same rounds."""
        return Terms(np.vstack([self.over, other.over]), np.vstack([self.under, other.under]))

    def minus(self, other: "Terms") -> "Terms":
        """The difference of two estimates from the same rounds; its error knows that they share them.

        >>> Terms.of(np.array([1.0, 3.0])).minus(Terms.of(np.array([0.0, 2.0]))).error()
        0.0
        """
        return self.plus(Terms(-other.over, other.under))

    def error(self, users: Codes | None = None) -> float:
        """Standard error; deviations are summed up by user before they are squared.

        Args:
            users: (n,) codes from 0; None where each round is a user of its own.

        Source: K.-Y. Liang, S. L. Zeger, Biometrika 73 (1986), for clusters.
        """
        parts = by_user(self.influence[None], users)[0]
        g = parts.size
        return math.sqrt(float(np.square(parts).sum()) * g / max(g - 1, 1)) / self.n

    def interval(self, alpha: float = 0.05, users: Codes | None = None) -> Interval:
        """By Student's t, with one degree of freedom less than there are users.

        Raises:
            DataError: there are fewer than two users.

        >>> low, high, _ = Terms.of(np.array([1.0, 2.0, 3.0, 2.0])).interval()
        >>> round(low, 3), round(high, 3)
        (0.701, 3.299)
        """
        check_alpha(alpha)
        groups = count_users(users, self.n)
        if groups < 2:
            raise DataError(f"there are {groups} users", allowed="an interval needs two", advice="wait for data")
        half = float(stdtrit(groups - 1, 1 - alpha / 2)) * self.error(users)
        return Interval(self.value - half, self.value + half, "Student's t, by user")

    def bootstrap(
        self, rng: np.random.Generator, alpha: float = 0.05, users: Codes | None = None, draws: int = 1000
    ) -> Interval:
        """By drawing users with replacement: the percentile interval.

        Source: B. Efron, "Bootstrap methods", Annals of Statistics 7 (1979); C. A. Field, A. H. Welsh, "Bootstrapping
        clustered data", JRSS B 69 (2007).

        Raises:
            SettingError: fewer than 100 draws.

        >>> rng = np.random.default_rng(1)
        >>> found = Terms.of(rng.random(400)).bootstrap(rng)
        >>> found.low < 0.5 < found.high
        True
        """
        check_alpha(alpha)
        if draws < 100:
            raise SettingError(f"draws is {draws}", allowed="at least 100")
        values = self.redrawn(rng, users, draws)
        low, high = np.quantile(values[np.isfinite(values)], [alpha / 2, 1 - alpha / 2])
        return Interval(float(low), float(high), "bootstrap of users")

    def redrawn(self, rng: np.random.Generator, users: Codes | None, draws: int) -> Array:
        """(draws,) the estimate from as many users, drawn with replacement; NaN where no weight was drawn."""
        over, under = by_user(self.over, users), by_user(self.under, users)
        g = over.shape[1]
        step = max(1, BLOCK // g)
        values = np.empty(draws)
        for start in range(0, draws, step):
            stop = min(start + step, draws)
            # how often each user is drawn, for many draws at once
            drawn = rng.integers(0, g, (stop - start, g)) + g * np.arange(stop - start)[:, None]
            times = np.bincount(drawn.ravel(), minlength=g * (stop - start)).reshape(-1, g).astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                values[start:stop] = (times @ over.T / (times @ under.T)).sum(axis=1)
        return values


def by_user(parts: Array, users: Codes | None) -> Array:
    """(m, users) sums of (m, n) rounds over each user.

    >>> by_user(np.array([[1.0, 2.0, 3.0]]), np.array([0, 1, 0])).tolist()
    [[4.0, 2.0]]
    """
    if users is None:
        return parts
    return np.stack([np.bincount(users, weights=row, minlength=count_users(users, users.size)) for row in parts])


def count_users(users: Codes | None, n: int) -> int:
    """How many users stand behind n rounds."""
    return n if users is None else int(users.max(initial=-1)) + 1
