import dataclasses

from recloop.errors import DataError
from recloop.stats.comoments import Comoments
from recloop.stats.effect import Effect, difference
from recloop.stats.estimate import Estimate
from recloop.stats.sequences import always_valid_of


def crossed(sums: Comoments, alpha: float = 0.05, *, planned: int | None = None) -> Effect:
    """Difference of two ratios where the same users are seen in both arms: sessions or requests were assigned.

    What one user does in one session is like what that user does in another, in whichever arm. So users are the units
    still, and each brings four sums: numerator and denominator under the treatment (y_t, x_t) and under the control
    (y_c, x_c), zero where the user never was. The delta method turns the difference into a mean over users of::

        (y_t - R_t x_t) / mean(x_t) - (y_c - R_c x_c) / mean(x_c)

    whose variance holds what the arms have in common. A user who is much like themselves in both arms makes the
    difference more certain, not less.

    Args:
        sums: of the columns y_t, x_t, y_c, x_c over all users of either arm. For a mean over users, x is 1 where the
            user was seen in the arm and 0 elsewhere.
        alpha: error rate.
        planned: users at which the interval is narrowest, for one that holds at every look; None for a single look.

    Source: the delta method for clusters as in A. Deng, U. Knoblich, J. Lu, KDD 2018, section 2, for the difference of
    two ratios of the same clusters.

    Raises:
        DataError: fewer than two users, or a denominator that sums to zero.

    >>> rows = [[2.0, 4.0, 1.0, 4.0], [0.0, 3.0, 0.0, 2.0], [3.0, 3.0, 2.0, 4.0], [1.0, 2.0, 0.0, 0.0]]
    >>> e = crossed(Comoments.of(rows))
    >>> round(e.treatment, 2), round(e.control, 2), round(e.estimate, 2)
    (0.5, 0.3, 0.2)
    """
    gap = crossed_difference(sums)
    y_t, x_t, y_c, x_c = sums.means.tolist()
    r_t, r_c = y_t / x_t, y_c / x_c
    arms = [[1 / x_t, -r_t / x_t, 0.0, 0.0], [0.0, 0.0, 1 / x_c, -r_c / x_c]]
    t, c = (
        Estimate(value, sums.linear(weights).variance, sums.n) for value, weights in zip((r_t, r_c), arms, strict=True)
    )
    if planned is None:
        return difference(t, c, alpha, sums.n - 1, "ratio, delta method, users of both arms", gap)
    found = always_valid_of(t, c, alpha, users=sums.n, planned=planned, pairs=gap)
    return dataclasses.replace(found, method="always valid, users of both arms")


def crossed_difference(sums: Comoments) -> Estimate:
    """The difference that ``crossed`` tells of, with its variance.

    Raises:
        DataError: as ``crossed``.

    >>> rows = [[2.0, 4.0, 1.0, 4.0], [0.0, 3.0, 0.0, 2.0], [3.0, 3.0, 2.0, 4.0], [1.0, 2.0, 0.0, 0.0]]
    >>> round(crossed_difference(Comoments.of(rows)).value, 2)
    0.2
    """
    y_t, x_t, y_c, x_c = sums.means.tolist()
    if not (x_t and x_c):
        raise DataError("the denominator of a ratio sums to zero", advice="wait for more data")
    r_t, r_c = y_t / x_t, y_c / x_c
    both = sums.linear([1 / x_t, -r_t / x_t, -1 / x_c, r_c / x_c])
    return Estimate(r_t - r_c, both.variance, sums.n)
