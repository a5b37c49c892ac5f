import math

import numpy as np

from recloop.errors import SettingError
from recloop.stats.adaptive.band import Band
from recloop.stats.adaptive.bounded import BoundedScores
from recloop.stats.adaptive.empirical_bernstein import plug_in
from recloop.stats.adaptive.log import Array
from recloop.stats.effect import check_alpha

LARGEST_SHARE = 0.5  # of what a bet may lose at worst


def betting(scores: BoundedScores, alpha: float = 0.05, *, grid: int = 500) -> Band:
    """An interval after each round that holds at all rounds at once, exactly: the values against which nobody got rich.

    For each candidate m of a grid, somebody starts with 1 and bets in every round that the value is above m: the
    capital is multiplied by ``1 + b (score - m)``, which is never negative. If m were the value, or above it, a capital
    of 2 / alpha would be seen with a chance of alpha / 2 at most: so m is ruled out once it is. The same from above.
    Both are kept apart (hedged), and what was ruled out stays so.

    Ends lie on the grid, rounded outwards. Time grows with rounds times grid.

    Args:
        scores: as from ``bounded_value`` or ``bounded_contrast``.
        alpha: chance that the sequence ever leaves out the truth.
        grid: number of steps between the smallest and the largest value.

    Source: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024), on
    the hedged capital process; I. Waudby-Smith, L. Wu and others 2024 for scores without a bound from above.

    Raises:
        SettingError: the grid has fewer than two steps.

    >>> from recloop.stats.adaptive import AdaptiveLog, bounded_value
    >>> rng = np.random.default_rng(1)
    >>> arms = rng.integers(0, 2, 2000)
    >>> log = AdaptiveLog.of(arms, (rng.random(2000) < 0.3).astype(float), np.full((2000, 2), 0.5))
    >>> band = betting(bounded_value(log, 0))
    >>> bool(band.low[-1] < 0.3 < band.high[-1])
    True
    """
    check_alpha(alpha)
    if grid < 2:
        raise SettingError(f"grid is {grid}", allowed="at least 2 steps")
    below = _ruled_out(scores.of_value, scores.floor, alpha / 2, grid)
    above = 1 - _ruled_out(scores.of_rest, scores.floor, alpha / 2, grid)
    rounds = np.arange(1, scores.of_value.shape[-1] + 1)
    middle = np.clip(np.cumsum(scores.of_value, axis=-1) / rounds, below, np.maximum(above, below))
    span = scores.high - scores.low
    return Band(scores.low + span * middle, scores.low + span * below, scores.low + span * above)


def _ruled_out(scores: Array, floor: float, alpha: float, grid: int) -> Array:
    """(..., T): the largest candidate that was ruled out by each round, with all below it; 0 if none was."""
    _, bet = plug_in(scores / (floor + 1), 1 / (floor + 1), alpha, largest=np.inf)
    bet /= floor + 1
    found, enough = np.zeros_like(scores), math.log(1 / alpha)
    for m in np.arange(1, grid) / grid:
        growth = np.log1p(np.minimum(bet, LARGEST_SHARE / (m + floor)) * (scores - m))
        rich = np.cumsum(growth, axis=-1, out=growth) >= enough
        if not rich.any():  # capital falls as m grows: no larger candidate is ruled out
            break
        found[rich] = m
    return np.maximum.accumulate(found, axis=-1, out=found)
