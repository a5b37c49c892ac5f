from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import setting
from recloop.strategies.interactions import runs_as_one
from recloop.strategies.neighbours import NeighbourStrategy
from recloop.strategies.prior import popularity

DAY = 86_400.0


class Transitions(NeighbourStrategy):
    """What people took soon after the last items of this history: decayed item-to-item counts.

    In training each pair "a, then b" at distance d <= ``window`` in one history adds weight(b)/d to T[a, b], halved
    per ``half_life`` days of age where that is set and known; one item several times in a row counts once. Columns
    are divided by the square root of their sum, which lies between raw counts (too fond of what is popular) and
    probabilities (too fond of what is rare). A history scores the sum over its last ``recent`` items of
    ``decay`` ** (place from the end) x T[item].

    >>> from recloop.strategies.transitions import Transitions
    >>> Transitions(window=3).window
    3
    """

    name: ClassVar[str] = "transitions"
    summary: ClassVar[str] = "what people take soon after the last items: item-to-item counts"

    window: int = setting(5, "how many places apart two items of a history may be", low=1, high=100, search=(1, 20))
    recent: int = setting(5, "how many of the last items of a history speak", low=1, high=100, search=(1, 20))
    decay: float = setting(
        0.6, "what each item further back counts of the one after it", low=0, high=1, search=(0.1, 1.0)
    )
    half_life: float | None = setting(
        None, "days after which a transition counts half", low=1 / 24, high=36_500, search=[None, 7.0, 30.0, 180.0]
    )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        histories = runs_as_one(dataset.histories())
        rows, items, n = histories.rows, histories.items, dataset.n_items
        weights = histories.weights.astype(np.float64)
        if self.half_life is not None and dataset.has_times:
            weights *= 0.5 ** ((dataset.now - histories.times) / (DAY * self.half_life))
        counts = sparse.csr_array((n, n), dtype=np.float64)
        with progress.task("transitions", total=self.window) as advance:
            for distance in range(1, self.window + 1):
                before, after = items[:-distance], items[distance:]
                pair = (rows[:-distance] == rows[distance:]) & (before != after)
                values = weights[distance:][pair] / distance
                counts = counts + sparse.csr_array((values, (before[pair], after[pair])), shape=(n, n))
                advance(1)
        into: NDArray[np.float64] = np.asarray(counts.sum(axis=0)).ravel()
        counts.data /= np.sqrt(into[counts.indices])
        counts.sort_indices()
        self._keep(counts.astype(np.float32), popularity(dataset))

    def _voices(self, histories: Histories) -> sparse.csr_array:
        last = runs_as_one(histories).recent(self.recent)
        back = np.repeat(last.indptr[1:], last.lengths) - 1 - np.arange(len(last.items))
        loud = (last.weights * self.decay**back).astype(np.float32)
        return sparse.csr_array((loud, last.items, last.indptr), shape=(len(last), last.n_items))
