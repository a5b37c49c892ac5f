from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories
from recloop.data.rankings import Rankings


@runtime_checkable
class Ranker(Protocol):
    """Anything that can be judged by its slates: a strategy, a policy, somebody else's model."""

    def rank(
        self, histories: Histories, k: int, *, hide_seen: bool = True, allowed: NDArray[np.bool_] | None = None
    ) -> Rankings:
        """The k best items for each of n histories; see ``Strategy.rank``."""
        ...


@runtime_checkable
class Rater(Protocol):
    """A ranker that also foretells ratings, for MAE and RMSE."""

    def predict(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.floating]:
        """(n, m) the rating that each of n users would give to its m items; -1 is padding, NaN means: none."""
        ...
