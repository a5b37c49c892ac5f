"""How much each round counts: weights that steady the variance of the scores while the allocation changes."""

from typing import Literal, get_args

import numpy as np

from recloop.errors import SettingError
from recloop.stats.adaptive.log import Array

Weighting = Literal["uniform", "constant", "two-point"]


def evaluation_weights(propensities: Array, weighting: Weighting = "two-point", *, decay: float = 0.2) -> Array:
    """(..., T, K): the weight h of each round in the value of each arm, up to a constant factor.

    A score of an arm with a propensity e has a variance of about 1 / e. Where e wanders, the plain mean of the scores
    is not normal in the limit. All but "uniform" make the share of the variance that each round adds foreseeable:

    - "uniform": 1, the plain mean. Right only where propensities settle at a fixed value.
    - "constant": the square root of e. Each round adds the same share of the variance.
    - "two-point": rounds are given the share that they will deserve if the arm turns out the best (e stays) or not
      (e falls like t to the power of -decay). Narrower for the bad arms of a bandit with such a floor.

    Args:
        propensities: (..., T, K) as recorded.
        weighting: one of the three.
        decay: at least 0 and below 1, the rate at which the least propensity falls: that of ``mixture``, or of your
            floor; only for "two-point".

    Source: V. Hadad, D. A. Hirshberg, R. Zhan, S. Wager, S. Athey, "Confidence intervals for policy evaluation in
    adaptive experiments", PNAS 118 (2021), on variance-stabilizing weights.

    >>> evaluation_weights(np.array([[0.5, 0.5], [0.2, 0.8]]), "constant").round(3).tolist()
    [[0.707, 0.707], [0.447, 0.894]]
    """
    if weighting == "uniform":
        return np.ones_like(propensities)
    if weighting == "constant":
        return np.sqrt(propensities)
    if weighting == "two-point":
        return stick_breaking(two_point_rates(propensities, decay), propensities)
    raise SettingError(f"weighting is {weighting!r}", allowed=f"one of {', '.join(get_args(Weighting))}")


def stick_breaking(rates: Array, propensities: Array) -> Array:
    """Weights whose squares over the propensities share out a variance of one: each takes its rate of what is left.

    ``h[t]^2 / e[t] = rate[t] * (1 - the sum of h^2 / e over the rounds before)``. Rates may hang on the past, lie
    between 0 and 1, and end with 1.

    Source: Hadad and others 2021, as above.

    >>> h = stick_breaking(np.array([[0.25], [1.0]]), np.array([[0.5], [0.5]]))
    >>> (h**2 / 0.5).round(9).tolist()
    [[0.25], [0.75]]
    """
    left = np.cumprod(1.0 - rates, axis=-2)
    before = np.concatenate([np.ones_like(left[..., :1, :]), left[..., :-1, :]], axis=-2)
    weights: Array = np.sqrt(rates * before * propensities)
    return weights


def two_point_rates(propensities: Array, decay: float = 0.2) -> Array:
    """Allocation rates that mix two futures by the propensity of now: the arm stays, or falls with the floor.

    With the propensity ``e`` and the decay ``d``, the rate is ``e / (T - t + 1)`` plus ``1 - e`` times
    ``t^-d / (t^-d + the integral of x^-d from t to T)``.

    Source: Hadad and others 2021, as above.
    """
    if not 0 <= decay < 1:
        raise SettingError(f"decay is {decay}", allowed="at least 0 and below 1", advice="use that of the floor")
    rounds = propensities.shape[-2]
    t = np.arange(1, rounds + 1, dtype=np.float64)[:, None]
    stays = 1.0 / (rounds - t + 1)
    falls = (1 - decay) / ((1 - decay) + rounds * (t / rounds) ** decay - t)
    rates: Array = np.clip(propensities * stays + (1 - propensities) * falls, 0.0, 1.0)
    return rates
