"""Lists of candidates with what a ranker knows about each: from a base strategy, from counts, from texts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import top_k
from recloop.strategies.interactions import runs_as_one

CONTEXT = 5
HELD_OUT = 0.2  # share of a user's events that the ranker learns to foretell
MOST_HELD_OUT = 10  # of one user


@dataclass(frozen=True, eq=False)
class Lists:
    """n lists of c candidates.

    Attributes:
        items: (n, c) int32, -1 where a list is short.
        context: (n, c, ``CONTEXT``) float32: the base strategy's score, standardised within the list; its place as
            1 / log2(place + 2); log popularity; cosine of history and item; log length of the history.
        users: (n, d) float32, what the history is about.
    """

    items: NDArray[np.int32]
    context: NDArray[np.float32]
    users: NDArray[np.float32]

    def again(self, histories: Histories, vectors: NDArray[np.float32], half_life: float) -> "Lists":
        """The same lists where the items have other vectors."""
        users = profiles(histories, vectors, half_life)
        context = self.context.copy()
        context[..., 3] = _cosines(users, vectors, self.items)
        return Lists(self.items, context, users)


def _cosines(users: NDArray[np.float32], vectors: NDArray[np.float32], items: NDArray[np.int32]) -> NDArray[np.float32]:
    near: NDArray[np.float32] = np.einsum("nd,ncd->nc", users, vectors[np.maximum(items, 0)])
    return np.where(items >= 0, near, 0)


def profiles(histories: Histories, vectors: NDArray[np.float32], half_life: float) -> NDArray[np.float32]:
    """(n, d) mean vector of each history's items, later events louder, at length 1; 0 where nothing is known."""
    events = runs_as_one(histories)
    later = np.repeat(events.indptr[1:], events.lengths) - 1 - np.arange(len(events.items))
    weights = (events.weights * 0.5 ** (later / half_life)).astype(np.float32)
    taken = sparse.csr_array((weights, events.items, events.indptr), shape=(len(events), events.n_items))
    summed: NDArray[np.float32] = np.asarray(taken @ vectors, dtype=np.float32)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return (summed / np.where(length > 0, length, 1)).astype(np.float32)


def candidates(
    scores: NDArray[np.float32],
    histories: Histories,
    count: int,
    vectors: NDArray[np.float32],
    popularity: NDArray[np.float32],
    half_life: float,
) -> Lists:
    """The best ``count`` items of each row that are not in its history, with their context.

    Args:
        scores: (n, n_items) of the base strategy; changed in place.
        histories: n of them.
        count: candidates of a list.
        vectors: (n_items, d) of texts.
        popularity: (n_items,) shares of the greatest.
        half_life: see ``profiles``.
    """
    scores[histories.rows, histories.items] = -np.inf
    found = top_k(scores, min(count, scores.shape[1]))
    there = found.items >= 0
    known = np.where(there, found.scores, 0).astype(np.float64)
    number = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = known.sum(axis=1, keepdims=True) / number
    spread = np.sqrt((np.where(there, known - mean, 0) ** 2).sum(axis=1, keepdims=True) / number)
    users = profiles(histories, vectors, half_life)
    context = np.zeros((*found.items.shape, CONTEXT), np.float32)
    context[..., 0] = np.where(there, (known - mean) / np.where(spread > 0, spread, 1), 0)
    context[..., 1] = 1 / np.log2(np.arange(found.k) + 2)
    context[..., 2] = np.log(popularity[found.items] + 1e-4) / 4
    context[..., 3] = _cosines(users, vectors, found.items)
    context[..., 4] = np.log1p(histories.lengths)[:, None] / 4
    context[~there] = 0
    return Lists(found.items, context, users)


@dataclass(frozen=True, eq=False)
class Held:
    """A log parted for stacking: what the base strategy learns from, and what the ranker learns to foretell.

    Attributes:
        past: the log without the held-out events.
        histories: of the users with held-out events, from ``past``.
        rows: (m,) which of these each held-out event belongs to.
        items: (m,) its item.
    """

    past: Dataset
    histories: Histories
    rows: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def of(cls, dataset: Dataset) -> "Held | None":
        """The last fifth of each user's positive events, at most ten; None where no user has two.

        A ranker that learned from lists made by a base strategy that had seen the answers would trust it too much
        (Wolpert 1992, "Stacked generalization").
        """
        user = dataset.events["user"].to_numpy()
        positive = dataset.events["weight"].to_numpy() > 0
        counts = np.bincount(user[positive], minlength=dataset.n_users)
        held = np.where(counts >= 2, np.clip(np.floor(counts * HELD_OUT), 1, MOST_HELD_OUT), 0)
        upto = np.cumsum(positive)
        left = counts[user] - (upto - np.concatenate([[0], np.cumsum(counts)])[user])
        out = positive & (left < held[user])
        if not out.any():
            return None
        past = dataset.with_events(dataset.events.filter(~out))
        users, rows = np.unique(user[out], return_inverse=True)
        return cls(past, past.histories(users), rows, dataset.events["item"].to_numpy()[out])

    def labels(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """(n, c) 1 where the candidate is among the row's held-out items."""
        shape = (len(self.histories), self.histories.n_items)
        taken = sparse.csr_array((np.ones(len(self.rows), np.float32), (self.rows, self.items)), shape=shape)
        rows = np.repeat(np.arange(len(items)), items.shape[1])
        found = np.asarray(taken[rows, np.maximum(items, 0).ravel()]).reshape(items.shape)
        return ((found > 0) & (items >= 0)).astype(np.float32)
