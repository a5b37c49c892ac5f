"""Strategies whose answers to the same requests are asked for again and again: made once, and kept."""

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.split import Split
from recloop.progress import Progress
from recloop.strategies import Strategy


class Remembered(Strategy):
    """The best items that a strategy gave to the requests of a split; it knows no other request and no other item.

    A search tries hundreds of policies over the same strategies: each scores once.
    """

    name: ClassVar[str] = "remembered"
    summary: ClassVar[str] = "answers of another strategy"

    found: Rankings | None = None
    keys: NDArray[np.uint64] | None = None

    @classmethod
    def of(cls, strategy: Strategy, split: Split, depth: int) -> Self:
        """The answers of a fitted strategy.

        Args:
            strategy: fitted on ``split.train``.
            split: the requests.
            depth: items that are kept of each.
        """
        made = cls()
        made.items, made.kinds = strategy.items, strategy.kinds
        found = strategy.rank(split.histories, depth, hide_seen=split.hide_seen, allowed=split.allowed)
        order = np.argsort(split.histories.keys)
        made.keys = split.histories.keys[order]
        made.found = Rankings(found.items[order], found.scores[order])
        return made

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        """Nothing is learned: see ``of``."""

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        assert self.keys is not None
        assert self.found is not None
        place = np.searchsorted(self.keys, histories.keys)
        items, scores = self.found.items[place], self.found.scores[place]
        answer = np.full((len(histories), histories.n_items), -np.inf, np.float32)
        rows, columns = np.nonzero(items >= 0)
        answer[rows, items[rows, columns]] = scores[rows, columns]
        return answer
