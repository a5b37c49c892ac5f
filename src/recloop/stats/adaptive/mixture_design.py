"""The design that keeps an average effect estimable under any bandit: some rounds are drawn evenly, ever fewer."""

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import SettingError
from recloop.stats.adaptive.band import Band
from recloop.stats.adaptive.log import AdaptiveLog, Array
from recloop.stats.adaptive.lyapunov import lyapunov
from recloop.stats.adaptive.scores import aipw

FASTEST = 0.25


def mixing_rate(rounds: ArrayLike, decay: float = 0.2) -> Array:
    """The share of rounds that are drawn evenly: ``t^-decay`` in round t, counted from 1.

    The share may fall, but slower than ``t^(-1/4)``: then propensities stay large enough for the confidence sequence of
    the average effect to hold, and to shrink to a point. A decay of 0 is an A/B test for ever.

    Source: B. Liang, I. Bojinov, "An experimental design for anytime-valid causal inference on multi-armed bandits"
    (2023), the condition on the mixing sequence.

    Raises:
        SettingError: decay is not in [0, 1/4), or a round is below 1.

    >>> mixing_rate([1, 16, 10_000]).round(3).tolist()
    [1.0, 0.574, 0.158]
    """
    t = np.asarray(rounds, dtype=np.float64)
    if not 0 <= decay < FASTEST:
        raise SettingError(
            f"decay is {decay}",
            allowed="at least 0 and below 1/4: the share of even rounds must fall slower than t^(-1/4)",
        )
    if t.size and t.min() < 1:
        raise SettingError(f"round {t.min():g} is named", allowed="rounds are counted from 1")
    return np.asarray(t**-decay)


def mixture(allocation: ArrayLike, rounds: ArrayLike, decay: float = 0.2) -> Array:
    """The bandit's allocation mixed with an even one: ``(1 - d) * allocation + d / K``, d from ``mixing_rate``.

    Draw the arm with these probabilities, and record them. Any bandit will do, one that does not randomise too: its
    allocation is then 1 for the arm that it picks.

    Args:
        allocation: (..., K) what the bandit wants, summing to one.
        rounds: (...) the number of the round, from 1.
        decay: see ``mixing_rate``.

    Source: Liang & Bojinov 2023, definition of the mixture adaptive design, for K arms.

    >>> mixture([1.0, 0.0], 16).round(3).tolist()
    [0.713, 0.287]
    """
    wanted = np.asarray(allocation, dtype=np.float64)
    if wanted.min() < 0 or np.abs(wanted.sum(axis=-1) - 1).max() > 1e-6:
        raise SettingError("the allocation does not sum to one", allowed="each row is a distribution over the arms")
    even = mixing_rate(rounds, decay)[..., None]
    return np.asarray((1 - even) * wanted + even / wanted.shape[-1])


def average_effect(
    log: AdaptiveLog,
    treatment: int,
    control: int,
    alpha: float = 0.05,
    *,
    planned: int,
    variance: float,
    design_based: bool = False,
) -> Band:
    """The effect of one arm against another, with an interval after each round that holds at all rounds.

    By default from augmented scores, for an effect that stays the same. ``design_based`` is the form of Liang and
    Bojinov: plain inverse-propensity scores and their squares as bounds of the variances; it holds for the mean effect
    over the users so far whatever drifts, and is wider.

    Args:
        log: gathered with ``mixture``, or with any allocation whose propensities fall slowly enough.
        treatment: place of the arm.
        control: place of the other.
        alpha: chance that the sequence ever leaves out the truth.
        planned: rounds at which the interval shall be narrowest; fixed before the start.
        variance: a guess of the variance of a score, see ``lyapunov``.
        design_based: see above.

    >>> rng = np.random.default_rng(2)
    >>> e = mixture(np.tile([0.1, 0.9], (3000, 1)), np.arange(1, 3001))
    >>> arms = (rng.random(3000) < e[:, 1]).astype(int)
    >>> log = AdaptiveLog.of(arms, (rng.random(3000) < 0.3 + 0.2 * arms).astype(float), e)
    >>> band = average_effect(log, 1, 0, planned=3000, variance=2.0)
    >>> bool(band.low[-1] > 0), bool(band.covers(0.2))
    (True, True)
    """
    scores = aipw(log, np.zeros_like(log.propensities) if design_based else None)
    gap = scores[..., treatment] - scores[..., control]
    return lyapunov(gap, alpha, planned=planned, variance=variance, centred=not design_based)
