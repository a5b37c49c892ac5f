"""Values of arms and their differences with intervals that hold at every look, from all rounds known by then."""

from typing import NamedTuple

import numpy as np

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive.log import Array
from recloop.stats.adaptive.values import Users, by_user
from recloop.stats.effect import check_alpha
from recloop.stats.mixture import boundary, rho_square

FIRST = 100  # rounds before which nothing is said, since the sequence is asymptotic


class Steady(NamedTuple):
    """A weighted mean of scores, its variance, and how many standard errors its interval reaches to either side.

    ``v`` is the variance of the mixture over that of the value: what ``stats.mixture.p_value`` asks for.
    """

    value: Array
    variance: Array
    critical: float
    v: float

    @property
    def low(self) -> Array:
        """Lower end of the interval."""
        return np.asarray(self.value - self.critical * np.sqrt(self.variance))

    @property
    def high(self) -> Array:
        """Upper end of the interval."""
        return np.asarray(self.value + self.critical * np.sqrt(self.variance))


def steady_value(
    scores: Array, chances: Array, alpha: float = 0.05, *, planned: int, users: Users | None = None
) -> Steady:
    """The mean of the scores of one arm, with an interval that may be looked at after every round.

    A round counts with the root of its propensity. That is known before the round, and never changes when rounds are
    added, so the weighted sum of the scores, less their mean, is a martingale; and each round adds about the same
    variance to it, whatever the allocation does. So rounds serve as the clock: with s the standard error after t of
    them, the interval is the asymptotic confidence sequence::

        value +- s * sqrt(2 (t rho^2 + 1) / (t rho^2) * log(sqrt(t rho^2 + 1) / alpha))

    where rho makes it narrowest at ``planned`` rounds; later it hardly widens. Where users return, what one user adds
    is summed up before it is squared.

    Args:
        scores: (..., T) of one arm, as from ``aipw``.
        chances: (..., T) the propensities of the arm.
        alpha: chance that the sequence ever leaves out the truth.
        planned: rounds, or users where they return, at which it shall be about narrowest; fixed before the start.
        users: (T,) the place of the user of each round, from 0.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, Annals of Statistics 52 (2024), theorem 2.2
    and the Lyapunov-type sequence; the weights are the constant allocation of V. Hadad and others, PNAS 118 (2021).

    Raises:
        DataError: there are fewer than 100 rounds.
        SettingError: alpha or ``planned`` is out of range.

    >>> rng = np.random.default_rng(1)
    >>> e = np.full(1000, 0.25)
    >>> scores = np.where(rng.random(1000) < e, (rng.random(1000) < 0.3) / e, 0.0)
    >>> found = steady_value(scores, e, planned=1000)
    >>> bool(found.low < 0.3 < found.high), round(found.critical, 2)
    (True, 3.04)
    """
    return _steady(scores, np.sqrt(chances), alpha, planned, users)


def steady_contrast(
    gaps: Array, treatment: Array, control: Array, alpha: float = 0.05, *, planned: int, users: Users | None = None
) -> Steady:
    """The mean difference of two arms, with an interval that may be looked at after every round: see ``steady_value``.

    A difference of scores has a variance of about one over each propensity, so a round counts with the root of
    ``1 / (1 / e + 1 / f)``.

    Args:
        gaps: (..., T) the scores of one arm less those of the other.
        treatment: (..., T) propensities of the one.
        control: (..., T) propensities of the other.
        alpha: see ``steady_value``.
        planned: see ``steady_value``.
        users: see ``steady_value``.

    >>> gaps = np.tile([1.5, 0.5], 100)
    >>> found = steady_contrast(gaps, np.full(200, 0.5), np.full(200, 0.5), planned=200)
    >>> found.value.round(3).item(), found.low.round(3).item()
    (1.0, 0.893)
    """
    return _steady(gaps, 1 / np.sqrt(1 / treatment + 1 / control), alpha, planned, users)


def _steady(scores: Array, weights: Array, alpha: float, planned: int, users: Users | None) -> Steady:
    check_alpha(alpha)
    if planned < 2:
        raise SettingError(f"planned is {planned}", allowed="at least 2 rounds", advice="name those of the plan")
    rounds = scores.shape[-1]
    if rounds < FIRST:
        raise DataError(
            f"there are {rounds} rounds",
            allowed=f"at least {FIRST} for an interval that holds at every look",
            advice="wait for data",
        )
    value = _mean(scores, weights)
    parts = by_user((weights * (scores - value[..., None]))[..., None], users)[..., 0]
    v = rounds * rho_square(planned, alpha)
    return Steady(value, np.square(parts).sum(axis=-1) / weights.sum(axis=-1) ** 2, boundary(v, alpha), v)


def _mean(scores: Array, weights: Array) -> Array:
    return np.asarray((weights * scores).sum(axis=-1) / weights.sum(axis=-1))
