"""Whether the propensities that were written down are those with which actions were drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from recloop.evaluate.off_policy.terms import Array
from recloop.evaluate.off_policy.weights import check_propensities
from recloop.stats.multiplicity import holm

FEW = 10  # times that an action must have been expected


@dataclass(frozen=True, slots=True)
class Calibration:
    """The test of written propensities.

    Attributes:
        p_value: the smallest of all actions, after Holm; 1 where none was drawn often enough.
        action: the code of the action that it belongs to, -1 where there is none.
        ratio: of that action: how often it was drawn over how often its propensities say.
        tested: actions that were drawn often enough.
    """

    p_value: float
    action: int
    ratio: float
    tested: int


def propensity_calibration(
    actions: NDArray[np.integer], propensities: Array, n_actions: int, behaviour: Array | None = None
) -> Calibration:
    """Test whether actions were drawn with the propensities that were written down, each action apart.

    With the chances of every action in every round, the number of times an action was drawn is held against the sum of
    its chances. With those of the drawn actions alone, the sum of 1 / propensity over the rounds of an action is held
    against the number of rounds. Its expectation is that of the rounds in which the action had a chance, which nobody
    knows then: so only too large a sum speaks against what was written. Propensities of a round that sum to one cannot
    be too large for one action without being too small for another.

    Args:
        actions: (n,) codes.
        propensities: (n,) of the drawn actions.
        n_actions: A.
        behaviour: (n, A) of every action, where known.

    Source: D. Agarwal and others, KDD 2017, on what inverse propensities must sum to; Holm 1979.

    >>> rng = np.random.default_rng(1)
    >>> actions = (rng.random(4000) < 0.3).astype(int)
    >>> right = propensity_calibration(actions, np.where(actions == 1, 0.3, 0.7), 2)
    >>> wrong = propensity_calibration(actions, np.where(actions == 1, 0.4, 0.6), 2)
    >>> right.p_value > 0.05, wrong.p_value < 1e-6, round(wrong.ratio, 1)
    (True, True, 1.2)
    """
    check_propensities(propensities)
    n = len(actions)
    count = np.bincount(actions, minlength=n_actions).astype(np.float64)
    if behaviour is not None:
        expected, spread = behaviour.sum(axis=0), (behaviour * (1 - behaviour)).sum(axis=0)
        observed: Array = count
        often = expected >= FEW
    else:
        observed = np.bincount(actions, weights=1 / propensities, minlength=n_actions).astype(np.float64)
        spread = np.bincount(actions, weights=(1 - propensities) / np.square(propensities), minlength=n_actions)
        expected, often = np.full(n_actions, float(n)), count >= FEW
        # below it may be an action that only some rounds could have had, such as one pinned to a place
        observed = np.maximum(observed, expected)
    tested = np.flatnonzero(often & (spread > 0))
    if not tested.size:
        return Calibration(1.0, -1, 1.0, 0)
    z = (observed - expected)[tested] / np.sqrt(spread[tested])
    p = np.asarray(holm((2 * ndtr(-np.abs(z))).tolist()))
    worst = int(np.argmin(p))
    ratio = float(observed[tested[worst]] / expected[tested[worst]])
    return Calibration(float(p[worst]), int(tested[worst]), ratio, tested.size)
