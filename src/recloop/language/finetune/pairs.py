"""Pairs of texts that belong together: what a contrastive training learns from."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import TEXT_COLUMNS, Dataset
from recloop.errors import DataError

HELD_OUT = 0.1  # share of users, or of items, whose pairs are kept for validation


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of items, each with a weight.

    Attributes:
        left, right: (n,) int32 item indices. Equal where an item is a pair with itself.
        weights: (n,) float64, how often each is drawn; sums to 1.
        frequency: (n_items,) float64, how often each item is drawn as ``right``; sums to 1.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    weights: NDArray[np.float64]
    frequency: NDArray[np.float64]

    @classmethod
    def of(cls, left: NDArray[np.int32], right: NDArray[np.int32], n_items: int) -> "Pairs":
        """Pairs drawn the more seldom the more pairs their items are in, so that best-sellers do not fill every batch.

        The weight is 1 / sqrt(count(left) count(right)): between all pairs alike and all items alike.
        """
        if not len(left):
            return cls(left, right, np.empty(0), np.zeros(n_items))
        ones = np.bincount(left, minlength=n_items), np.bincount(right, minlength=n_items)
        weights = 1 / np.sqrt(ones[0][left] * ones[1][right].astype(np.float64))
        weights /= weights.sum()
        frequency = np.bincount(right, weights, minlength=n_items).astype(np.float64)
        return cls(left, right, weights, frequency)

    def __len__(self) -> int:
        return len(self.left)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(n,) indices of pairs, by weight."""
        return np.searchsorted(np.cumsum(self.weights), rng.random(n) * (1 - 1e-12)).clip(max=len(self) - 1)


def co_consumed(dataset: Dataset, filled: NDArray[np.bool_], window: int, seed: int) -> tuple[Pairs, Pairs]:
    """Pairs of different items that one user took at most ``window`` events apart, for training and for validation.

    A tenth of the users, chosen by ``seed``, is kept for validation.

    Args:
        dataset: the log.
        filled: (n_items,) bool, which items have text; others make no pair.
        window: see above.
        seed: which users validate.
    """
    histories = dataset.histories()
    items, rows = histories.items, histories.rows
    lefts, rights, owners = [], [], []
    for apart in range(1, min(window, max(1, len(items) - 1)) + 1):
        left, right = items[:-apart], items[apart:]
        kept = (rows[:-apart] == rows[apart:]) & (left != right) & filled[left] & filled[right]
        lefts += [left[kept], right[kept]]
        rights += [right[kept], left[kept]]
        owners += [rows[:-apart][kept]] * 2
    left, right, owner = (np.concatenate(parts) for parts in (lefts, rights, owners))
    validates = np.random.default_rng(seed).random(len(histories)) < HELD_OUT
    held = validates[owner]
    n = dataset.n_items
    return Pairs.of(left[~held], right[~held], n), Pairs.of(left[held], right[held], n)


def itself(filled: NDArray[np.bool_], seed: int) -> tuple[Pairs, Pairs]:
    """Each item with itself; a tenth of the items validates."""
    items = np.flatnonzero(filled).astype(np.int32)
    held = np.random.default_rng(seed).random(len(items)) < HELD_OUT
    return (
        Pairs.of(items[~held], items[~held], len(filled)),
        Pairs.of(items[held], items[held], len(filled)),
    )


def field_texts(dataset: Dataset) -> list[list[str]]:
    """The filled text fields of each item, in the order in which ``Dataset.item_texts`` joins them."""
    columns = [name for name in TEXT_COLUMNS if name in dataset.items.columns]
    if not columns:
        return [[] for _ in range(dataset.n_items)]
    rows = dataset.items.select(pl.col(name).cast(pl.String).fill_null("") for name in columns).rows()
    return [[text for text in row if text.strip()] for row in rows]


def enough(pairs: Pairs, stage: str) -> None:
    """Raise where a stage has nothing to learn from.

    Raises:
        DataError: there are fewer than two pairs.
    """
    if len(pairs) < 2:
        reasons = {
            "simcse": "fewer than two items have a text",
            "fields": "fewer than two items have a title and another text",
            "co-consumed": "no user took two different items that have texts",
        }
        raise DataError(
            f"the stage '{stage}' has nothing to learn from: {reasons[stage]}",
            advice="leave the stage out, or give a catalogue with texts",
        )
