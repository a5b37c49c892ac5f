"""Histories as strategies want them where one item comes many times: strongest event per pair, runs as one."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.histories import Histories


def strongest(histories: Histories) -> sparse.csr_array:
    """(n, n_items) float32 sparse: the greatest weight among the events of each row with each item.

    Ten views of one item are one taste, not ten; a purchase beats them all.

    >>> strongest(Histories.of([[1, 1, 0], [2]], n_items=3)).toarray().tolist()
    [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    shape = (len(histories), histories.n_items)
    matrix = histories.matrix()
    if matrix.nnz == len(histories.items):  # nothing repeats
        return matrix
    rows, items, weights = histories.rows, histories.items, histories.weights
    order = np.lexsort((weights, items, rows))
    rows, items, weights = rows[order], items[order], weights[order]
    last = np.ones(len(rows), dtype=bool)
    last[:-1] = (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[last], minlength=len(histories)))])
    return sparse.csr_array((weights[last], items[last], indptr), shape=shape)


def latest(
    rows: NDArray[np.integer], items: NDArray[np.integer], values: NDArray[np.floating], shape: tuple[int, int]
) -> sparse.csr_array:
    """(n, n_items) float32 sparse, columns sorted: the last value of each pair of row and item.

    A film that was rated twice has the later rating.

    >>> latest(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([2.0, 5.0, 3.0]), (2, 2)).toarray().tolist()
    [[0.0, 5.0], [3.0, 0.0]]
    """
    pair = rows.astype(np.int64) * shape[1] + items
    order = np.argsort(pair, kind="stable")
    last = np.ones(len(order), dtype=bool)
    last[:-1] = pair[order[1:]] != pair[order[:-1]]
    order = order[last]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[order], minlength=shape[0]))])
    return sparse.csr_array((values[order].astype(np.float32), items[order], indptr), shape=shape)


def runs_as_one(histories: Histories) -> Histories:
    """Histories in which an item that comes several times in a row (viewed, clicked, bought) comes once.

    The last event of the run stays, with the greatest weight of the run.

    >>> runs_as_one(Histories.of([[1, 1, 0, 1], [1]], n_items=2)).items.tolist()
    [1, 0, 1, 1]
    """
    rows, items = histories.rows, histories.items
    last = np.ones(len(items), dtype=bool)
    last[:-1] = (items[1:] != items[:-1]) | (rows[1:] != rows[:-1])
    if last.all():
        return histories
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = np.bincount(rows[last], minlength=len(histories))
    return Histories(
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=items[last],
        weights=np.maximum.reduceat(histories.weights, starts),
        times=histories.times[last],
        ratings=histories.ratings[last],
        now=histories.now,
        keys=histories.keys,
        n_items=histories.n_items,
        profiles=histories.profiles,
        contexts=histories.contexts,
    )
