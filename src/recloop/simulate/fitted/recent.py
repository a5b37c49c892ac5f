from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories


@dataclass
class Recent:
    """The last events of many users, as rings: what a service would read from its store.

    Attributes:
        items: (n, depth) int32; weights: (n, depth) float32; times: (n, depth) float64. Event number j of a user lies
            at j modulo depth.
        counts: (n,) int64, events so far.

    >>> recent = Recent.fresh(2, depth=2)
    >>> recent.push(np.array([1, 1, 1]), np.array([7, 8, 9]), 1.0, np.zeros(3))
    >>> recent.histories(np.array([0, 1]), np.zeros(2), np.zeros(2, np.uint64), 10).items.tolist()
    [8, 9]
    """

    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    times: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def fresh(cls, n: int, *, depth: int) -> "Recent":
        """Nobody has done anything."""
        shape = (n, depth)
        return cls(np.full(shape, -1, np.int32), np.zeros(shape, np.float32), np.zeros(shape), np.zeros(n, np.int64))

    @classmethod
    def of(cls, histories: Histories, *, depth: int, more: int = 0) -> "Recent":
        """From histories, with ``more`` users at the end who have none."""
        made = cls.fresh(len(histories) + more, depth=depth)
        last = histories.recent(depth)
        made.push(last.rows, last.items, last.weights, last.times)
        return made

    def push(
        self,
        users: NDArray[np.integer],
        items: NDArray[np.integer],
        weights: NDArray[np.float32] | float,
        times: NDArray[np.float64],
    ) -> None:
        """Events in the order of time, at most ``depth`` of one user; users stand together."""
        if not len(users):
            return
        starts = np.flatnonzero(np.diff(users, prepend=-1) != 0)
        sizes = np.diff(starts, append=len(users))
        rank = np.arange(len(users)) - np.repeat(starts, sizes)
        at = users, (self.counts[users] + rank) % self.items.shape[1]
        self.items[at], self.weights[at], self.times[at] = items, weights, times
        self.counts[users[starts]] += sizes

    def last(self, users: NDArray[np.integer]) -> NDArray[np.int64]:
        """(n,) the last item of each, -1 for none."""
        counts = self.counts[users]
        found = self.items[users, (counts - 1) % self.items.shape[1]]
        return np.where(counts > 0, found, -1).astype(np.int64)

    def histories(
        self, users: NDArray[np.integer], now: NDArray[np.float64], keys: NDArray[np.uint64], n_items: int
    ) -> Histories:
        """The last events of these users, oldest first."""
        depth = self.items.shape[1]
        lengths = np.minimum(self.counts[users], depth)
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(np.arange(len(users)), lengths)
        number = np.arange(indptr[-1]) - indptr[rows] + (self.counts[users] - lengths)[rows]
        at = users[rows], number % depth
        return Histories(
            indptr=indptr,
            items=self.items[at],
            weights=self.weights[at],
            times=self.times[at],
            ratings=np.full(len(rows), np.nan, np.float32),
            now=now,
            keys=keys,
            n_items=n_items,
        )

    def copy(self) -> "Recent":
        """Another one with the same content."""
        return Recent(self.items.copy(), self.weights.copy(), self.times.copy(), self.counts.copy())
