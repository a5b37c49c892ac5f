"""What came of choices, and how a choice is drawn."""

from collections.abc import Mapping, Sequence
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
        details: (n) what each decision told beside (``Decision.details``); None where nobody asks.
        taken: (n) the places of its slate, from 0, whose items were rewarded; None where nobody asks.

    >>> came = Outcomes(["a", "b"], [1.0, 0.0])
    >>> len(came), came.take(np.array([1])).arms
    (2, ['b'])
    """

    arms: Sequence[str] | NDArray[Any]
    rewards: Sequence[float] | NDArray[np.float64]
    features: NDArray[np.float64] | None = None
    propensities: NDArray[np.float64] | None = None
    details: Sequence[Mapping[str, Any]] | None = None
    taken: Sequence[Sequence[int]] | None = None

    def __len__(self) -> int:
        return len(self.arms)

    def take(self, rows: NDArray[np.integer]) -> "Outcomes":
        """Some of the outcomes, in the order of ``rows``."""
        at = rows.tolist()
        return Outcomes(
            self.arms[rows] if isinstance(self.arms, np.ndarray) else [self.arms[row] for row in at],
            np.asarray(self.rewards, dtype=np.float64)[rows],
            None if self.features is None else self.features[rows],
            None if self.propensities is None else self.propensities[rows],
            None if self.details is None else [self.details[row] for row in at],
            None if self.taken is None else [self.taken[row] for row in at],
        )


def draw(share: Array, uniform: Array) -> Places:
    """(n,) the column that each uniform number falls on where every row of ``share`` is laid end to end.

    >>> draw(np.array([[0.25, 0.75], [0.25, 0.75]]), np.array([0.2, 0.3])).tolist()
    [0, 1]
    """
    bounds = np.cumsum(share, axis=1)
    return np.asarray((uniform[:, None] * bounds[:, -1:] >= bounds[:, :-1]).sum(axis=1), dtype=np.intp)
