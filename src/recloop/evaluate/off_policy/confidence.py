"""Intervals for the value of a policy that hold from the first round on, at every look, whatever the weights do."""

from functools import partial

import numpy as np

from recloop.errors import DataError, SettingError
from recloop.evaluate.off_policy.inverse import check
from recloop.evaluate.off_policy.terms import Array
from recloop.stats.adaptive.band import Band
from recloop.stats.adaptive.betting import betting
from recloop.stats.adaptive.bounded import BoundedScores
from recloop.stats.adaptive.empirical_bernstein import empirical_bernstein

MANY = 50_000  # rounds beyond which the closed form serves


def weighted_scores(weights: Array, rewards: Array, low: float = 0.0, high: float = 1.0) -> BoundedScores:
    """The scores of a policy that confidence sequences read: weight times reward, and weight times what is left of it.

    Rounds are in the order of time; each weight divides by the propensity that was written down then, which may hang on
    all that came before. No bound on the weights need be known.

    Args:
        weights: (n,).
        rewards: (n,).
        low: no reward is below.
        high: no reward is above.

    Source: I. Waudby-Smith, L. Wu, A. Ramdas, N. Karampatziakis, P. Mineiro, "Anytime-valid off-policy inference for
    contextual bandits", ACM/IMS Journal of Data Science (2024).

    Raises:
        DataError: a reward is out of bounds.
        SettingError: the bounds are the wrong way round.

    >>> scores = weighted_scores(np.array([2.0, 0.5]), np.array([1.0, 0.0]))
    >>> scores.of_value.tolist(), scores.of_rest.tolist()
    ([2.0, 0.0], [0.0, 0.5])
    """
    check(weights=weights, rewards=rewards)
    if not low < high:
        raise SettingError(f"rewards are said to lie between {low} and {high}", allowed="low is below high")
    if rewards.min() < low or rewards.max() > high:
        raise DataError(
            f"rewards lie between {rewards.min():g} and {rewards.max():g}",
            allowed=f"they were said to lie between {low:g} and {high:g}",
            advice="give the bounds that hold for every reward",
        )
    unit = (rewards - low) / (high - low)
    return BoundedScores(weights * unit, weights * (1 - unit), 0.0, low, high)


def anytime(
    weights: Array,
    rewards: Array,
    alpha: float = 0.05,
    *,
    low: float = 0.0,
    high: float = 1.0,
    largest: float | None = None,
    grid: int = 2000,
) -> Band:
    """After each round an interval for the value of the policy; all of them hold at once with a chance of 1 - alpha.

    By betting (``stats.adaptive.betting``), whose ends lie on a grid, rounded outwards; beyond 50,000 rounds, where it
    takes long and little is gained, in closed form (``bernstein``). Exact for every number of rounds.

    Args:
        weights: (n,) in the order of time.
        rewards: (n,).
        alpha: chance that the sequence ever leaves out the truth.
        low: no reward is below.
        high: no reward is above.
        largest: no weight can be above, by what is known of both policies before the log is seen. Then the bound from
            above rests on weight times reward alone, and rare rewards give a narrow one.
        grid: steps between low and high.

    Raises:
        DataError: a reward or a weight is out of bounds.

    >>> rng = np.random.default_rng(1)
    >>> done = rng.integers(0, 2, 3000)
    >>> band = anytime(np.where(done == 1, 1.6, 0.4), (rng.random(3000) < 0.1 + 0.2 * done) * 1.0, largest=1.6)
    >>> bool(band.low[-1] < 0.8 * 0.3 + 0.2 * 0.1 < band.high[-1])
    True
    """
    scores = weighted_scores(weights, rewards, low, high)
    sequence = partial(betting, grid=grid) if weights.size <= MANY else empirical_bernstein
    band = sequence(scores, alpha)
    if largest is None:
        return band
    return band._replace(high=sequence(_rest_known(scores, weights, largest), alpha).high)


def _rest_known(scores: BoundedScores, weights: Array, largest: float) -> BoundedScores:
    """What is left of the value as 1 - weight * reward, which no weight pushes below 1 - largest."""
    if weights.max() > largest * (1 + 1e-9):
        raise DataError(
            f"the largest weight is {weights.max():.6g}", allowed=f"it was said to be at most {largest:.6g}"
        )
    return BoundedScores(scores.of_value, 1 - scores.of_value, max(largest - 1, 0.0), scores.low, scores.high)


def bernstein(weights: Array, rewards: Array, alpha: float = 0.05, *, low: float = 0.0, high: float = 1.0) -> Band:
    """As ``anytime`` in closed form, by an empirical Bernstein sequence: quicker and wider.

    >>> rng = np.random.default_rng(1)
    >>> done = rng.integers(0, 2, 3000)
    >>> band = bernstein(np.where(done == 1, 1.6, 0.4), (rng.random(3000) < 0.1 + 0.2 * done) * 1.0)
    >>> bool(band.low[-1] < 0.26 < band.high[-1])
    True
    """
    return empirical_bernstein(weighted_scores(weights, rewards, low, high), alpha)


def empirical_bernstein_interval(scores: Array, largest: float, alpha: float = 0.05) -> tuple[float, float]:
    """Both ends for the mean of independent scores between 0 and ``largest``, for one look: for any number of rounds.

    Source: A. Maurer, M. Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009, theorem 4,
    from both sides.

    Raises:
        DataError: a score is out of bounds, or there are fewer than two.

    >>> low, high = empirical_bernstein_interval(np.tile([0.0, 1.0], 500), 1.0)
    >>> round(low, 3), round(high, 3)
    (0.443, 0.557)
    """
    n = scores.size
    if n < 2 or scores.min() < 0 or scores.max() > largest:
        raise DataError(
            f"{n} scores lie between {scores.min(initial=0):g} and {scores.max(initial=0):g}",
            allowed=f"at least two, between 0 and {largest:g}",
        )
    log = float(np.log(4 / alpha))
    half = float(np.sqrt(2 * scores.var(ddof=1) * log / n)) + 7 * largest * log / (3 * (n - 1))
    mean = float(scores.mean())
    return max(mean - half, 0.0), min(mean + half, largest)
