"""What came of choices, and how a choice is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.bandits.state import Array, State

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
        order: (n,) the number of each decision, counted in the order in which decisions were made. What forgets, or
            watches for changes, then knows how old a late outcome is; None takes outcomes in the order in which they
            come.

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
    order: NDArray[np.integer] | NDArray[np.float64] | None = None

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
            None if self.order is None else self.order[rows],
        )


class Checked(NamedTuple):
    """Outcomes as an algorithm gets them: checked, and with places instead of names."""

    places: Places
    rewards: Array
    features: Array | None
    propensities: Array | None
    order: Array | None


def numbered(state: State, order: Array | None, n: int) -> tuple[Array, float]:
    """The numbers (n,) of the decisions of outcomes, and that of the newest decision seen before (``clock``)."""
    clock = state.common.get("clock")
    if order is None:
        before = -1.0 if clock is None else float(clock[0])
        return before + np.arange(1.0, n + 1), before
    return order, float(order.min()) - 1 if clock is None else float(clock[0])


def faded(state: State, discount: float, order: Array | None, n: int) -> tuple[Array, float, Array]:
    """How much outcomes count under a discount: ``discount`` to the number of decisions between each and the newest.

    Returns:
        The weights (n,) of the outcomes, what is left of the weight of all before them, and the clock that is kept.
    """
    numbers, clock = numbered(state, order, n)
    newest = max(clock, float(numbers.max()))
    return discount ** (newest - numbers), discount ** (newest - clock), np.array([newest])


def draw(share: Array, uniform: Array) -> Places:
    """(n,) the column that each uniform number falls on where every row of ``share`` is laid end to end.

    >>> draw(np.array([[0.25, 0.75], [0.25, 0.75]]), np.array([0.2, 0.3])).tolist()
    [0, 1]
    """
    bounds = np.cumsum(share, axis=1)
    return np.asarray((uniform[:, None] * bounds[:, -1:] >= bounds[:, :-1]).sum(axis=1), dtype=np.intp)
