"""Items by the dot product of their vectors with a query: all of them scored, or only those that may be the best."""

from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recloop.data.rankings import Rankings
from recloop.strategies.cells import Cells
from recloop.strategies.exact import Exact

EXACT = 50_000  # items up to which all of them are scored: that costs about a millisecond

Floats = NDArray[np.float32]


class Index(Protocol):
    """The items whose vectors have the greatest dot products with a query."""

    def __len__(self) -> int:
        """Items in it."""
        ...

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """The k best items of each query, padded where fewer are found.

        Args:
            queries: (n, d).
            k: places.
            allowed: (n_items,) bool, the items that may be found.
        """
        ...

    def scores(self, query: Floats, items: NDArray[np.integer]) -> Floats:
        """(m,) the dot products of a query (d,) with some items."""
        ...

    def add(self, vectors: Floats) -> None:
        """More items, found from now on; they get the next numbers."""
        ...


def index_of(vectors: Floats, queries: Floats | None = None, *, exact: int = EXACT) -> Index:
    """The index that suits a catalogue: ``Exact`` for up to ``exact`` items, else ``Cells``.

    ``Cells`` needs the extra ``fast``. Where it is not installed, or would find too little in all of its cells, every
    item is scored.

    Args:
        vectors: (n_items, d) float32.
        queries: (m, d) what is asked, so that a search is tried by it; items stand in for it where None.
        exact: items up to which all are scored.

    >>> index_of(np.eye(3, dtype=np.float32)).search(np.array([[0, 2, 1]], np.float32), 2).items.tolist()
    [[1, 2]]
    """
    if len(vectors) > exact and np.isfinite(vectors).all() and vectors.any() and find_spec("numba"):
        cells = Cells(vectors, queries)
        if cells.recall >= cells.wanted:
            return cells
    return Exact(vectors)


def shorter(vectors: Floats, *, exact: int = EXACT) -> Index | None:
    """The index that suits a catalogue; None where that scores every item."""
    found = index_of(vectors, exact=exact)
    return None if isinstance(found, Exact) else found
