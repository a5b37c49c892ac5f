from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


class Trie:
    """The names that exist, as a tree: what may follow a beginning of a name.

    A node of depth l stands for the items that share l codes; the root has depth 0, and a node of the last depth is one
    item.

    Args:
        ids: (n_items, depth), all different.
        listed: (n_items,) bool, the items that are in the tree.

    Attributes:
        items: (m,) the item of each node of the last depth.
        sizes: codes of each level.

    >>> trie = Trie(np.array([[0, 1], [2, 0], [0, 2]]), np.ones(3, bool))
    >>> trie.children(0, np.array([0])).tolist(), trie.children(1, np.array([0, 1])).tolist()
    ([[0, -1, 1]], [[-1, 0, 1], [2, -1, -1]])
    >>> trie.items.tolist()
    [0, 2, 1]
    """

    def __init__(self, ids: NDArray[np.integer], listed: NDArray[np.bool_]) -> None:
        n_items, depth = ids.shape
        self.sizes = tuple(int(size) + 1 for size in ids.max(axis=0, initial=0))
        members = np.flatnonzero(listed)
        self.items = members[np.lexsort(ids[members].T[::-1])]
        ranked = ids[self.items]
        other = np.ones((len(ranked), depth), dtype=bool)  # from the item before, in so many codes and one
        other[1:] = np.logical_or.accumulate(ranked[1:] != ranked[:-1], axis=1)
        starts = [np.zeros(min(1, len(ranked)), np.int64)] + [np.flatnonzero(column) for column in other.T]
        self._codes = [ranked[start, level] for level, start in enumerate(starts[1:])]
        self._first = [np.searchsorted(below, np.append(here, len(ranked))) for here, below in pairwise(starts)]
        # the nodes that lead to each item, without itself; -1 for items that are not in the tree
        self.path = np.full((n_items, depth), -1, np.int64)
        self.path[self.items, 0] = 0
        self.path[self.items, 1:] = np.cumsum(other[:, :-1], axis=0) - 1

    def __len__(self) -> int:
        """Items in the tree."""
        return len(self.items)

    def children(self, depth: int, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n, codes of the level) the node of the next depth that each code leads to, -1 where there is none.

        Args:
            depth: of the nodes.
            nodes: (n,).
        """
        low = self._first[depth][nodes]
        counts = self._first[depth][nodes + 1] - low
        rows = np.repeat(np.arange(len(nodes)), counts)
        below = np.arange(len(rows)) + np.repeat(low - np.cumsum(counts) + counts, counts)
        found = np.full((len(nodes), self.sizes[depth]), -1, np.int64)
        found[rows, self._codes[depth][below]] = below
        return found
