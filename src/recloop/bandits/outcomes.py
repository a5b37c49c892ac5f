"""What came of choices, and how a choice is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.bandits.state import Array

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of earlier choices, from their decisions.

    Attributes:
        arms: (n) the arm of each decision by name, or places in the arms of a state.
        rewards: (n,) the reward of each; in [0, 1] for bandits of rates.
        features: (n, d) what was seen when each was chosen; None for bandits that see nothing.
        propensities: (n,) the chance that each had; None where the bandit needs none.

    >>> len(Outcomes(["a", "b"], [1.0, 0.0]))
    2
    """

    arms: Sequence[str] | NDArray[Any]
    rewards: Sequence[float] | NDArray[np.float64]
    features: NDArray[np.float64] | None = None
    propensities: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.arms)


def draw(share: Array, uniform: Array) -> Places:
    """(n,) the column that each uniform number falls on where every row of ``share`` is laid end to end.

    >>> draw(np.array([[0.25, 0.75], [0.25, 0.75]]), np.array([0.2, 0.3])).tolist()
    [0, 1]
    """
    bounds = np.cumsum(share, axis=1)
    return np.asarray((uniform[:, None] * bounds[:, -1:] >= bounds[:, :-1]).sum(axis=1), dtype=np.intp)
