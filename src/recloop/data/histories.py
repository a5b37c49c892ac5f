import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.kinds import RATING, Kinds
from recloop.data.vocabulary import Vocabulary
from recloop.types import Request


class Rows(NamedTuple):
    """Sparse rows: ``indptr``, ``indices`` and ``data`` of a CSR matrix, each column once in a row, in rising order."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Histories:
    """Many histories as ragged arrays: what every strategy scores from, offline and live alike.

    Row ``i`` owns ``items[indptr[i]:indptr[i+1]]``, oldest first. Unknown items are left out.

    Attributes:
        indptr: (n + 1,) int64.
        items: (nnz,) int32 item indices.
        weights: (nnz,) float32, what each event is worth (``Kinds``).
        times: (nnz,) float64 seconds, NaN where unknown.
        ratings: (nnz,) float32 stars, NaN where the event is no rating.
        now: (n,) float64 seconds, the moment of each request, NaN where unknown.
        keys: (n,) uint64, the identity of each request: the only randomness that a strategy may use.
        n_items: size of the catalogue.
        profiles: attribute → (n,) array of strings, "" where unknown.
        contexts: the same of what the request told of its moment.

    >>> h = Histories.of([[0, 2], []], n_items=3)
    >>> len(h), h.matrix().toarray().tolist()
    (2, [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    times: NDArray[np.float64]
    ratings: NDArray[np.float32]
    now: NDArray[np.float64]
    keys: NDArray[np.uint64]
    n_items: int
    profiles: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    contexts: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @classmethod
    def of(cls, histories: Sequence[Sequence[int]], n_items: int) -> "Histories":
        """Histories of item indices with weight 1 and no times."""
        lengths = np.fromiter((len(row) for row in histories), dtype=np.int64, count=len(histories))
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        items = np.fromiter((i for row in histories for i in row), dtype=np.int32, count=int(indptr[-1]))
        n = len(lengths)
        return cls(
            indptr=indptr,
            items=items,
            weights=np.ones(len(items), dtype=np.float32),
            times=np.full(len(items), np.nan),
            ratings=np.full(len(items), np.nan, dtype=np.float32),
            now=np.full(n, np.nan),
            keys=np.arange(n, dtype=np.uint64),
            n_items=n_items,
        )

    @classmethod
    def from_requests(cls, requests: Sequence[Request], items: Vocabulary, kinds: Kinds) -> "Histories":
        """Requests as arrays; unknown items, and events that weigh nothing, are left out."""
        indptr = [0]
        index: list[int] = []
        weights: list[float] = []
        times: list[float] = []
        ratings: list[float] = []
        weigh = kinds.weight
        for request in requests:
            history = request.history
            for event, place in zip(history, items.places([event.item for event in history]), strict=True):
                kind, value = event.kind, event.value
                if place >= 0 and (weight := weigh(kind, value)) > 0:
                    index.append(place)
                    weights.append(weight)
                    times.append(math.nan if event.time is None else event.time)
                    ratings.append(math.nan if kind != RATING or value is None else value)
            indptr.append(len(index))
        return cls(
            indptr=np.array(indptr, dtype=np.int64),
            items=np.array(index, dtype=np.int32),
            weights=np.array(weights, dtype=np.float32),
            times=np.array(times, dtype=np.float64),
            ratings=np.array(ratings, dtype=np.float32),
            now=np.array([np.nan if r.time is None else r.time for r in requests], dtype=np.float64),
            keys=np.array([_key(r, place) for place, r in enumerate(requests)], dtype=np.uint64),
            n_items=len(items),
            profiles=_columns([request.profile for request in requests]),
            contexts=_columns([request.context for request in requests]),
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) number of events of each row."""
        lengths: NDArray[np.int64] = self.indptr[1:] - self.indptr[:-1]
        return lengths

    @property
    def rows(self) -> NDArray[np.int64]:
        """(nnz,) the row that each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def matrix(self) -> sparse.csr_array:
        """(n, n_items) float32 sparse sums of weights."""
        matrix = sparse.csr_array((self.weights, self.items, self.indptr), shape=(len(self), self.n_items), copy=True)
        matrix.sum_duplicates()
        return matrix

    def summed(self) -> "Rows":
        """What ``matrix`` holds, as plain arrays: for few histories the matrix costs more than what is done with it."""
        if len(self) == 1:  # as a service asks
            order = self.items.argsort(kind="stable")
            items = self.items[order]
            if (items[1:] != items[:-1]).all():
                return Rows(self.indptr, items, self.weights[order])
        cells = self.rows * self.n_items + self.items
        order = np.argsort(cells, kind="stable")
        cells = cells[order]
        starts = np.flatnonzero(np.concatenate([cells[:1] == cells[:1], cells[1:] != cells[:-1]]))
        if len(starts) == len(cells):  # nobody took anything twice
            return Rows(self.indptr, self.items[order], self.weights[order])
        row, item = np.divmod(cells[starts], self.n_items)
        indptr = np.searchsorted(row, np.arange(len(self) + 1))
        return Rows(indptr, item.astype(np.int32), np.add.reduceat(self.weights[order], starts))

    def block(self, start: int, stop: int) -> "Histories":
        """Rows ``start`` to ``stop``, without copying the events."""
        stop = min(stop, len(self))
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        return Histories(
            indptr=self.indptr[start : stop + 1] - low,
            items=self.items[low:high],
            weights=self.weights[low:high],
            times=self.times[low:high],
            ratings=self.ratings[low:high],
            now=self.now[start:stop],
            keys=self.keys[start:stop],
            n_items=self.n_items,
            profiles={name: column[start:stop] for name, column in self.profiles.items()},
            contexts={name: column[start:stop] for name, column in self.contexts.items()},
        )

    def without_last(self, rows: NDArray[np.integer]) -> tuple["Histories", NDArray[np.int32]]:
        """All rows, some of them without their last event; and the items of these events.

        Args:
            rows: (m,) different rows, none of them empty.

        >>> kept, items = Histories.of([[4, 7], [5]], n_items=9).without_last(np.array([0]))
        >>> kept.lengths.tolist(), items.tolist()
        ([1, 1], [7])
        """
        last = self.indptr[rows + 1] - 1
        stay = np.ones(len(self.items), dtype=bool)
        stay[last] = False
        lengths = self.lengths.copy()
        lengths[rows] -= 1
        kept = replace(
            self,
            indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            items=self.items[stay],
            weights=self.weights[stay],
            times=self.times[stay],
            ratings=self.ratings[stay],
        )
        return kept, self.items[last]

    def take(self, rows: NDArray[np.integer]) -> "Histories":
        """The given rows, in the given order."""
        rows = np.asarray(rows, dtype=np.int64)
        lengths = self.lengths[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.indptr[rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Histories(
            indptr=indptr,
            items=self.items[source],
            weights=self.weights[source],
            times=self.times[source],
            ratings=self.ratings[source],
            now=self.now[rows],
            keys=self.keys[rows],
            n_items=self.n_items,
            profiles={name: column[rows] for name, column in self.profiles.items()},
            contexts={name: column[rows] for name, column in self.contexts.items()},
        )

    def recent(self, n: int) -> "Histories":
        """The last ``n`` events of each row."""
        if self.lengths.max(initial=0) <= n:
            return self
        lengths = np.minimum(self.lengths, n)
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.indptr[1:] - lengths - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Histories(
            indptr=indptr,
            items=self.items[source],
            weights=self.weights[source],
            times=self.times[source],
            ratings=self.ratings[source],
            now=self.now,
            keys=self.keys,
            n_items=self.n_items,
            profiles=self.profiles,
            contexts=self.contexts,
        )


def key_of(name: str) -> int:
    """The key of a request that is known by a name alone.

    >>> key_of("u1") == key_of("u1") != key_of("u2")
    True
    """
    from hashlib import blake2b

    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def _columns(told: Sequence[Mapping[str, str]]) -> dict[str, NDArray[np.object_]]:
    names = sorted({name for one in told for name in one})
    return {name: np.array([str(one.get(name, "")) for one in told], dtype=object) for name in names}


def _key(request: Request, place: int) -> int:
    return key_of(request.id or request.user or str(place))
