from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc, smirnov

from recloop.errors import DataError
from recloop.stats.effect import check_alpha
from recloop.stats.moments import Values


@dataclass(frozen=True, slots=True)
class Uniformity:
    """Whether p-values of comparisons without a difference are as large as they promise to be.

    Args:
        n: number of p-values.
        below: share of them below alpha.
        distance: how far their distribution function rises above that of honest ones (Smirnov's D+).
        p_value: how often honest p-values reach that distance.
        p_below: how often honest p-values have so many, or more, below alpha.
    """

    n: int
    below: float
    distance: float
    p_value: float
    p_below: float


def uniformity(p_values: Values, alpha: float = 0.05) -> Uniformity:
    """One-sided test of Kolmogorov and Smirnov, exact: are p-values of A/A comparisons too small?

    The p-value of a comparison without a difference is uniform on [0, 1], or larger where the method is careful (an
    always-valid one). Only smaller ones are a fault, so only these raise the alarm.

    Args:
        p_values: of independent comparisons in which nothing differed; NaN is left out.
        alpha: where the share below is counted.

    Source: N. V. Smirnov, "Approximate laws of distribution of random variables from empirical data", Uspekhi
    Matematicheskikh Nauk 10 (1944); Z. W. Birnbaum, F. H. Tingey, Annals of Mathematical Statistics 22 (1951).

    Raises:
        DataError: there is none, or one is not between 0 and 1.

    >>> found = uniformity([0.1, 0.2, 0.3, 0.4])
    >>> round(found.distance, 2), round(found.p_value, 4), found.below
    (0.6, 0.0337, 0.0)
    """
    check_alpha(alpha)
    given = np.asarray(p_values, dtype=np.float64).ravel()
    p = np.sort(given[~np.isnan(given)])
    if not p.size:
        raise DataError("there are no p-values", advice="give one per comparison")
    if p[0] < 0 or p[-1] > 1:
        raise DataError(f"p-values run from {p[0]:g} to {p[-1]:g}", allowed="they lie between 0 and 1")
    distance = max(float(np.max(np.arange(1, p.size + 1) / p.size - p)), 0.0)
    count = int((p < alpha).sum())
    at_least = float(bdtrc(count - 1, p.size, alpha)) if count else 1.0
    return Uniformity(p.size, count / p.size, distance, float(smirnov(p.size, distance)), at_least)
