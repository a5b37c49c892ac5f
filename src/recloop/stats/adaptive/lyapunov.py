"""Confidence sequences for the mean of scores whose variance may wander: the Lyapunov form."""

import math
from typing import NamedTuple

import numpy as np

from recloop.errors import SettingError
from recloop.stats.adaptive.band import Band
from recloop.stats.adaptive.log import Array
from recloop.stats.mixture import rho_square


class Clock(NamedTuple):
    """Mean of the scores so far, and the sum of their variances so far: the time by which the sequence runs."""

    mean: Array
    elapsed: Array


def clock(scores: Array, *, centred: bool = True) -> Clock:
    """Of scores (..., T). Not centred, the sum of squares stands for the variances: too large, but never too small.

    >>> clock(np.array([1.0, 3.0])).elapsed.tolist(), clock(np.array([1.0, 3.0]), centred=False).elapsed.tolist()
    ([0.0, 2.0], [1.0, 10.0])
    """
    rounds = np.arange(1, scores.shape[-1] + 1)
    shift = scores.mean(axis=-1, keepdims=True) if centred else 0.0  # sums around a middle lose no figures
    sums, squares = np.cumsum(scores - shift, axis=-1), np.cumsum(np.square(scores - shift), axis=-1)
    elapsed = np.maximum(squares - np.square(sums) / rounds, 0.0) if centred else squares
    return Clock(shift + sums / rounds, elapsed)


def lyapunov(scores: Array, alpha: float = 0.05, *, planned: int, variance: float, centred: bool = True) -> Band:
    """The mean of the conditional means of the scores, with an interval after each round that holds at all rounds.

    For an arm, give its column of ``aipw``; for a contrast, the difference of two. With V the sum of the variances so
    far, after t rounds the interval is the mean plus or minus::

        sqrt(2 (V rho^2 + 1) / rho^2 * log(sqrt(V rho^2 + 1) / alpha)) / t

    where rho makes it narrowest once V is ``planned * variance``. The allocation may hang on all the past, and the
    variances may change, as long as V grows without end and no single score dominates: propensities may fall, but not
    too fast (see ``mixture``). It is asymptotic: skip the first dozens of rounds.

    Args:
        scores: (..., T).
        alpha: chance that the sequence ever leaves out the truth.
        planned: rounds at which the interval shall be narrowest; fixed before the start.
        variance: a guess, made before the start, of the variance of one score: for an arm that is given a share e of
            the rounds about ``variance of a reward / e``; for a contrast the sum of two. Guess high rather than low:
            a low guess makes the first intervals too narrow for what is known then.
        centred: whether variances are taken around the mean of the scores. If not, the interval also holds for a
            value that moves with time: it is about the mean over the rounds so far.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52 (2024), the Lyapunov-type sequence; A. Bibaut, N. Kallus,
    M. Lindon, "Near-optimal non-parametric sequential tests and confidence sequences with possibly dependent
    observations" (2022).

    Raises:
        SettingError: a setting is out of range.

    >>> scores = np.random.default_rng(1).normal(0.3, 1.0, 1000)
    >>> band = lyapunov(scores, planned=1000, variance=1.0)
    >>> band.low[-1].round(3).item(), band.high[-1].round(3).item()
    (0.151, 0.34)
    """
    square = _rho_square(planned, variance, alpha)
    now = clock(scores, centred=centred)
    grown = now.elapsed * square + 1
    rounds = np.arange(1, scores.shape[-1] + 1)
    half = np.sqrt(2 * grown / square * (0.5 * np.log(grown) - math.log(alpha))) / rounds
    return Band(now.mean, now.mean - half, now.mean + half)


def lyapunov_p_values(
    scores: Array, alpha: float = 0.05, *, planned: int, variance: float, centred: bool = True
) -> Array:
    """(..., T): after each round the smallest error rate, with rho as it is, at which the interval leaves out zero.

    Below ``alpha`` exactly where ``lyapunov`` leaves out zero; it too may be looked at any time.

    >>> scores = np.tile([1.5, 0.5], 50)
    >>> lyapunov_p_values(scores, planned=100, variance=1.0)[[0, 9, 99]].round(4).tolist()
    [0.9118, 0.0364, 0.0]
    """
    square = _rho_square(planned, variance, alpha)
    now = clock(scores, centred=centred)
    grown, sums = now.elapsed * square + 1, now.mean * np.arange(1, scores.shape[-1] + 1)
    return np.exp(np.minimum(0.5 * np.log(grown) - np.square(sums) * square / (2 * grown), 0.0))


def _rho_square(planned: int, variance: float, alpha: float) -> float:
    if not variance > 0:
        raise SettingError(f"variance is {variance}", allowed="above zero", advice="guess it before the start")
    return rho_square(planned, alpha) / variance
