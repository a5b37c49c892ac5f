"""Scores of bounded rewards that never fall below a known floor, for intervals that hold from the first round on."""

from dataclasses import dataclass, replace

import numpy as np

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive.log import AdaptiveLog, Array
from recloop.stats.adaptive.outcome_models import running_means


@dataclass(frozen=True, slots=True, eq=False)
class BoundedScores:
    """Two scores per round of a value v that is known to lie between 0 and 1: one of v, one of 1 - v.

    Neither falls below minus ``floor``. That is all that a bound from below needs: the scores have no known bound from
    above, so the smallest propensity need not be known. A bound of v from above is one of 1 - v from below.

    Args:
        of_value: (..., T) scores whose mean, given the past, is v.
        of_rest: (..., T) scores whose mean, given the past, is 1 - v.
        floor: no score is below -floor.
        low: what v = 0 stands for in the unit of the rewards.
        high: what v = 1 stands for.
    """

    of_value: Array
    of_rest: Array
    floor: float
    low: float
    high: float


def bounded_value(
    log: AdaptiveLog,
    arm: int,
    *,
    low: float = 0.0,
    high: float = 1.0,
    predictions: Array | None = None,
    floor: float = 2.0,
) -> BoundedScores:
    """Scores for the value of one arm.

    Predictions make the scores less noisy, and may push them below zero. They are cut so that no score falls below
    ``-floor``; with a floor of 0 they are not used at all, and the scores are plain inverse-propensity weighted ones.

    Args:
        log: the rounds.
        arm: place of the arm.
        low: no reward is below.
        high: no reward is above.
        predictions: (..., T, K) from the rounds before, in the unit of the rewards; running means by default.
        floor: at least 0. A larger one trusts predictions more where propensities are small, and starts slower.

    Source: I. Waudby-Smith, L. Wu, A. Ramdas, N. Karampatziakis, P. Mineiro, "Anytime-valid off-policy inference for
    contextual bandits", ACM/IMS Journal of Data Science (2024), the doubly robust pseudo-outcomes.

    Raises:
        DataError: a reward is out of bounds.
        SettingError: bounds or floor are out of range.

    >>> log = AdaptiveLog.of([0, 1], [1.0, 1.0], [[0.5, 0.5], [0.8, 0.2]])
    >>> bounded_value(log, 1, floor=0).of_value.tolist()
    [0.0, 5.0]
    """
    rewards, guess = _to_unit(log, low, high, predictions, floor)
    return BoundedScores(
        _score(log, arm, rewards, guess, floor), _score(log, arm, 1 - rewards, 1 - guess, floor), floor, low, high
    )


def bounded_contrast(
    log: AdaptiveLog,
    treatment: int,
    control: int,
    *,
    low: float = 0.0,
    high: float = 1.0,
    predictions: Array | None = None,
    floor: float = 2.0,
) -> BoundedScores:
    """Scores for one arm's value minus another's.

    With rewards between 0 and 1, ``(treatment + (1 - control)) / 2`` lies between 0 and 1, and is the mean of two
    bounded scores; so is its rest, with the arms changed about. The difference itself has no such scores.

    >>> log = AdaptiveLog.of([0, 1], [1.0, 1.0], [[0.5, 0.5], [0.8, 0.2]])
    >>> scores = bounded_contrast(log, 1, 0, floor=0)
    >>> scores.of_value.tolist(), scores.of_rest.tolist(), (scores.low, scores.high)
    ([0.0, 2.5], [1.0, 0.0], (-1.0, 1.0))
    """
    rewards, guess = _to_unit(log, low, high, predictions, floor)

    def half(up: int, down: int) -> Array:
        return (_score(log, up, rewards, guess, floor) + _score(log, down, 1 - rewards, 1 - guess, floor)) / 2

    # one of the two arms at most was pulled, so only one half can be negative
    return BoundedScores(half(treatment, control), half(control, treatment), floor / 2, low - high, high - low)


def _score(log: AdaptiveLog, arm: int, rewards: Array, guess: Array, floor: float) -> Array:
    chance = log.propensities[..., arm]
    # the score of a pull is at least m - m / e > -m / e, so m is kept below floor * e
    m = np.minimum(guess[..., arm], floor * chance)
    return m + np.where(log.arms == arm, (rewards - m) / chance, 0.0)


def _to_unit(log: AdaptiveLog, low: float, high: float, predictions: Array | None, floor: float) -> tuple[Array, Array]:
    if not low < high or not 0 <= floor < np.inf:
        raise SettingError(
            f"rewards lie between {low} and {high}, and the floor is {floor}",
            allowed="low is below high, and the floor at least 0",
        )
    if log.rewards.min() < low or log.rewards.max() > high:
        raise DataError(
            f"rewards run from {log.rewards.min():g} to {log.rewards.max():g}",
            allowed=f"{low:g} to {high:g} was promised",
            advice="give bounds that are known before the start, or use lyapunov",
        )
    rewards = (log.rewards - low) / (high - low)
    if predictions is None:
        return rewards, running_means(replace(log, rewards=rewards))
    return rewards, np.clip((predictions - low) / (high - low), 0.0, 1.0)
