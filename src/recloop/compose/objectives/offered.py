"""What a policy may choose from: the candidates of a block of requests, and what each source said of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories
from recloop.data.rankings import Rankings


@dataclass(frozen=True, eq=False)
class Offered:
    """The candidates of n requests.

    Attributes:
        histories: n of them.
        items: (n, m) int32, best fused score first; -1 is padding.
        scores: (n, m) fused scores; -inf in padding.
        sources: name of a source → its ranking (n, depth) of the same requests.
        k: places of a slate.
    """

    histories: Histories
    items: NDArray[np.int32]
    scores: NDArray[np.floating]
    sources: Mapping[str, Rankings]
    k: int

    @property
    def held(self) -> NDArray[np.bool_]:
        """(n, m) where there is a candidate."""
        return self.items >= 0

    def of_items(self, table: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n, m) what a table (n_items,) says of the candidates; NaN in padding."""
        return np.where(self.held, table[np.maximum(self.items, 0)].astype(np.float64), np.nan)

    def places(self, source: str) -> NDArray[np.int64]:
        """(n, m) the place, from 0, that a source gave to each candidate; -1 where it did not name it."""
        ranking = self.sources[source]
        return aligned(ranking.items, self.items, self.histories.n_items)

    def block(self, start: int, stop: int) -> "Offered":
        """Requests ``start`` to ``stop``."""
        return Offered(
            histories=self.histories.block(start, stop),
            items=self.items[start:stop],
            scores=self.scores[start:stop],
            sources={
                name: Rankings(ranking.items[start:stop], ranking.scores[start:stop])
                for name, ranking in self.sources.items()
            },
            k=self.k,
        )


def aligned(named: NDArray[np.int32], wanted: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    """(n, m) the column of ``named`` (n, w) that holds each of ``wanted`` (n, m); -1 where none does.

    >>> aligned(np.array([[4, 2, 7]], np.int32), np.array([[7, 3, -1]], np.int32), 9).tolist()
    [[2, -1, -1]]
    """
    if not named.size or not wanted.size:
        return np.full(wanted.shape, -1, np.int64)
    width = named.shape[1]
    rows = np.arange(len(named), dtype=np.int64)[:, None] * n_items
    codes = np.where(named >= 0, rows + named, -1).ravel()
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    asked = np.where(wanted >= 0, rows + wanted, -2)
    place = np.minimum(np.searchsorted(ordered, asked), len(ordered) - 1)
    return np.where(ordered[place] == asked, order[place] % width, -1)
