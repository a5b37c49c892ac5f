import math

import numpy as np

from recloop.stats.adaptive.band import Band
from recloop.stats.adaptive.bounded import BoundedScores
from recloop.stats.adaptive.log import Array
from recloop.stats.effect import check_alpha

LARGEST_BET = 0.5


def empirical_bernstein(scores: BoundedScores, alpha: float = 0.05) -> Band:
    """An interval after each round that holds at all rounds at once, exactly, from the first one on.

    The predictable plug-in form, in closed form. With ``x = score / (floor + 1)``, predictable bets ``b`` and means
    ``m`` of the rounds before, the bound from below is::

        (sum(b x) - log(2 / alpha) - sum((x - m)^2 (-log(1 - b) - b))) / sum(b) * (floor + 1)

    ``betting`` is narrower where there are few rounds, and slower.

    Source: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024),
    on the predictable plug-in empirical Bernstein sequence; Waudby-Smith, Wu and others 2024 for scores without a bound
    from above.

    >>> from recloop.stats.adaptive import AdaptiveLog, bounded_value
    >>> rng = np.random.default_rng(1)
    >>> arms = rng.integers(0, 2, 2000)
    >>> log = AdaptiveLog.of(arms, (rng.random(2000) < 0.3).astype(float), np.full((2000, 2), 0.5))
    >>> band = empirical_bernstein(bounded_value(log, 0))
    >>> bool(band.low[-1] < 0.3 < band.high[-1])
    True
    """
    check_alpha(alpha)
    below, middle = _bound(scores.of_value, scores.floor, alpha / 2)
    above, _ = _bound(scores.of_rest, scores.floor, alpha / 2)
    span = scores.high - scores.low
    return Band(
        scores.low + span * np.clip(middle, 0, 1),
        scores.low + span * np.clip(below, 0, 1),
        scores.low + span * (1 - np.clip(above, 0, 1)),
    ).intersection()


def _bound(scores: Array, floor: float, alpha: float) -> tuple[Array, Array]:
    """The bound from below, and the weighted mean that it hangs from."""
    x = scores / (floor + 1)
    mean, bet = plug_in(x, 1 / (floor + 1), alpha)
    spent = np.cumsum(np.square(x - mean) * (-np.log1p(-bet) - bet), axis=-1)
    stake, won = np.cumsum(bet, axis=-1), np.cumsum(bet * x, axis=-1)
    return (won - math.log(1 / alpha) - spent) / stake * (floor + 1), won / stake * (floor + 1)


def plug_in(x: Array, ceiling: float, alpha: float, largest: float = LARGEST_BET) -> tuple[Array, Array]:
    """Means and bets of each round from the rounds before, started from a mean of ceiling / 2 and a variance of 1/4.

    The bet is ``sqrt(2 log(1 / alpha) / (variance * t * log(1 + t)))``, at most ``largest``. Any predictable bet is
    valid; this one makes the width fall nearly like that of an interval for one look.

    >>> mean, bet = plug_in(np.array([0.0, 1.0, 1.0]), 1.0, 0.05)
    >>> mean.tolist(), bet.round(3).tolist()
    ([0.5, 0.25, 0.5], [0.5, 0.5, 0.5])
    """
    rounds = np.arange(1, x.shape[-1] + 1)
    means = np.minimum((ceiling / 2 + np.cumsum(x, axis=-1)) / (rounds + 1), ceiling)
    variances = (0.25 + np.cumsum(np.square(x - means), axis=-1)) / (rounds + 1)
    mean, variance = _shifted(means, ceiling / 2), _shifted(variances, 0.25)
    bet = np.sqrt(2 * math.log(1 / alpha) / (variance * rounds * np.log1p(rounds)))
    return mean, np.minimum(bet, largest)


def _shifted(column: Array, first: float) -> Array:
    shifted: Array = np.concatenate([np.full_like(column[..., :1], first), column[..., :-1]], axis=-1)
    return shifted
