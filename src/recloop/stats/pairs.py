import numpy as np

from recloop.errors import DataError
from recloop.stats.effect import Effect, difference
from recloop.stats.moments import Moments, Values


def paired(treatment: Values, control: Values, alpha: float = 0.05) -> Effect:
    """Difference of two strategies judged on the same users: the t-test of the per-user differences.

    Users for whom either value is NaN are left out.

    Raises:
        DataError: the lengths differ, or fewer than two users have both values.

    >>> e = paired([0.5, 0.4, 0.9, 0.7], [0.4, 0.4, 0.7, 0.6])
    >>> round(e.estimate, 3), round(e.p_value, 4)
    (0.1, 0.0917)
    """
    t = np.asarray(treatment, dtype=np.float64).ravel()
    c = np.asarray(control, dtype=np.float64).ravel()
    if t.size != c.size:
        raise DataError(f"{t.size} and {c.size} values", allowed="a paired test needs both values of the same users")
    both = ~(np.isnan(t) | np.isnan(c))
    if both.sum() < 2:
        raise DataError(f"{both.sum()} users have both values", allowed="a paired test needs at least 2")
    t, c = t[both], c[both]
    gap = Moments.of(t - c).estimate()
    return difference(Moments.of(t).estimate(), Moments.of(c).estimate(), alpha, gap.n - 1, "paired t", gap)
