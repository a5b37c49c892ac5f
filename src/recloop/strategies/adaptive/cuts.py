from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import expit

LEVELS = 20  # a scale with more steps is continuous: its median is near its mean
TRUST = 5.0  # ratings that a cut in the middle between two levels is worth


@dataclass(frozen=True, eq=False)
class Cuts:
    """From what is expected of a rating to its median: the level that errs least, as MAE counts.

    A rating is at most level k with probability sigmoid(slope (cut_k - m)), where m is its expectation: proportional
    odds (McCullagh 1980, "Regression models for ordinal data", section 2). The median is the first level for which
    that is at least one half, so only the cuts matter. No constant distance from the mean does the same, because most
    ratings are high and the scale ends.

    Attributes:
        levels: (l,) float64 ascending; empty where the scale is continuous.
        cuts: (l - 1,) float64 ascending.

    >>> Cuts(np.array([1.0, 2.0, 3.0]), np.array([1.6, 2.4])).median(np.array([1.2, 1.7, 2.5, np.nan])).tolist()
    [1.0, 2.0, 3.0, nan]
    """

    levels: NDArray[np.float64]
    cuts: NDArray[np.float64]

    @classmethod
    def of(cls, expected: NDArray[np.float64], ratings: NDArray[np.float64], levels: NDArray[np.float64]) -> "Cuts":
        """The cuts of greatest posterior probability.

        Args:
            expected: (n,) what was expected of ratings that the model had not seen.
            ratings: (n,) what they were.
            levels: (l,) ascending, the steps of the scale.
        """
        if not 1 < len(levels) <= LEVELS:
            return cls(np.empty(0), np.empty(0))
        middle = (levels[1:] + levels[:-1]) / 2
        if not len(ratings):
            return cls(levels, middle)
        place = np.searchsorted(levels, ratings)
        width = float(np.diff(levels).mean())

        def cost(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            cuts, slope = x[:-1], np.exp(x[-1])
            gaps = cuts - expected[:, None]
            below = np.zeros((len(ratings), len(levels) + 1))
            below[:, 1:-1], below[:, -1] = expit(slope * gaps), 1
            rows = np.arange(len(ratings))
            high, low = below[rows, place + 1], below[rows, place]
            chance = np.maximum(high - low, 1e-9)
            # d log(high - low): a cut moves the upper end of one level and the lower end of the next
            upper, lower = high * (1 - high) / chance, low * (1 - low) / chance
            pull = np.zeros((len(ratings), len(levels) + 1))
            pull[rows, place + 1] += upper
            pull[rows, place] -= lower
            pull = pull[:, 1:-1]
            away = (cuts - middle) / width
            value = TRUST * (away @ away) / 2 + x[-1] ** 2 / 2 - np.log(chance).sum()
            slopes = TRUST * away / width - slope * pull.sum(axis=0)
            return float(value), np.append(slopes, x[-1] - slope * (pull * gaps).sum())

        found = scipy.optimize.minimize(cost, np.append(middle, 0.0), jac=True, method="L-BFGS-B").x
        return cls(levels, np.maximum.accumulate(found[:-1]))

    def median(self, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """The level of each expectation, of any shape; NaN stays NaN, and a continuous scale keeps what it is given."""
        if not len(self.levels):
            return expected
        level: NDArray[np.float64] = self.levels[np.searchsorted(self.cuts, expected, side="left")]
        return np.where(np.isnan(expected), np.nan, level)
