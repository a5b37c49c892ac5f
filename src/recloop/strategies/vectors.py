"""Strategies whose scores are dot products: a history's vector with each item's."""

from abc import abstractmethod
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.progress import SILENT, Progress
from recloop.strategies.base import Strategy
from recloop.strategies.cells import QUERIES
from recloop.strategies.derived import Derived
from recloop.strategies.exact import Exact
from recloop.strategies.index import EXACT, Index, index_of
from recloop.strategies.prior import Order, answer_empty


class VectorStrategy(Strategy):
    """Base of strategies whose scores are ``queries @ vectors.T``, and the prior where the history is empty.

    Where the catalogue is large, the best items are found without scoring the others (``Index``).
    """

    _prior = np.empty(0, np.float32)  # popularity, once fitted; without an annotation, or it would be a setting
    _trials = np.empty(
        (0, 0), np.float32
    )  # the queries of some users of a large catalogue: the search is tried by them

    @abstractmethod
    def _item_vectors(self) -> NDArray[np.float32]:
        """(n_items, d): the same array as long as nothing new is learned."""

    @abstractmethod
    def _queries(self, histories: Histories) -> NDArray[np.float32]:
        """(n, d)."""

    def fit(self, dataset: Dataset, progress: Progress = SILENT) -> Self:
        """See ``Strategy.fit``."""
        super().fit(dataset, progress)
        if dataset.n_items > EXACT:
            self._trials = self._asked_by(dataset)
        return self

    def _asked_by(self, dataset: Dataset) -> NDArray[np.float32]:
        """(m, d) the queries of some users."""
        histories = dataset.histories(profiles=True)
        users = np.flatnonzero(histories.lengths)
        users = np.random.default_rng(1).permutation(users)[:QUERIES]
        return self._queries(histories.take(users))

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return answer_empty(self._queries(histories) @ self._item_vectors().T, histories, self._prior)

    def _best(self, histories: Histories, k: int, allowed: NDArray[np.bool_] | None) -> Rankings | None:
        index = self._index.of(self._item_vectors())
        if isinstance(index, Exact):  # then scores are made at once, as offline
            return None
        queries = self._queries(histories)
        if not np.isfinite(queries).all():
            return None
        ranked = index.search(queries, k, allowed)
        empty = histories.lengths == 0
        if empty.any():
            best = self._order.of(self._prior).best(k, allowed)
            ranked.items[empty], ranked.scores[empty] = best.items, best.scores
        return ranked

    @cached_property
    def _index(self) -> Derived[Index]:
        return Derived(lambda vectors: index_of(vectors, self._trials if len(self._trials) else None))

    @cached_property
    def _order(self) -> Derived[Order]:
        return Derived(Order)
