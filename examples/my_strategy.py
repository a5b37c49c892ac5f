"""A strategy of one's own: items that belong together because the same users take them, discounted by popularity."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies import Strategy, setting


class Together(Strategy):
    """Co-occurrence counts divided by popularity to a power: scores are ``history x table``."""

    name: ClassVar[str] = "together"
    summary: ClassVar[str] = "taken by the same users, discounted by popularity"

    discount: float = setting(0.5, "0 leans to what is popular, 1 to what is rare", low=0, high=1)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:  # noqa: ARG002
        matrix = dataset.matrix()
        together = (matrix.T @ matrix).toarray()
        self._table = together / np.maximum(together.diagonal(), 1) ** self.discount

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return histories.matrix() @ self._table
