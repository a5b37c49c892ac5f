from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.compose.diversity.walking import Floats
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError

MOST = 128


@dataclass(frozen=True, eq=False)
class Categories:
    """Which categories each item is of, as shares: what coverage and calibration count.

    Attributes:
        shares: (n_items, c) float32: one over the number of an item's categories for each of them, p(g|i); 0 elsewhere.
        names: of the c categories: the ``MOST`` most frequent ones where there are more.

    >>> held = sparse.csr_array(np.array([[1, 1], [0, 1], [0, 0]], np.float32))
    >>> Categories.of(held, ("drama", "war")).shares.tolist()
    [[0.5, 0.5], [0.0, 1.0], [0.0, 0.0]]
    """

    shares: Floats
    names: tuple[str, ...]

    @classmethod
    def of(cls, held: sparse.csr_array, names: tuple[str, ...]) -> Self:
        """The categories of a catalogue.

        Args:
            held: (n_items, c) 1 where an item is of a category.
            names: of the categories.

        Raises:
            SettingError: there is no category.
        """
        if not names:
            raise SettingError(
                "no item of the catalogue has a category, which the policy needs",
                advice="give the catalogue a column 'category'",
            )
        counts = np.asarray(held.sum(axis=0)).ravel()
        kept = np.sort(np.argsort(-counts, kind="stable")[:MOST])
        dense = np.asarray(held[:, kept].todense(), np.float32)
        many = dense.sum(axis=1, keepdims=True)
        return cls(np.asarray(dense / np.where(many > 0, many, 1), np.float32), tuple(names[place] for place in kept))

    def taste(self, histories: Histories) -> Floats:
        """(n, c) p(g|u): the categories of each history, by the weights of its events; 0 throughout where it has none.

        Steck, "Calibrated recommendations", RecSys 2018, equation 2.
        """
        found = np.asarray(histories.matrix() @ self.shares, np.float32)
        total = found.sum(axis=1, keepdims=True)
        return np.asarray(found / np.where(total > 0, total, np.float32(1)), np.float32)

    def among(self, rankings: Rankings) -> Floats:
        """(n, c) the categories of the candidates, each candidate alike."""
        held = rankings.items >= 0
        found = (self.shares[np.where(held, rankings.items, 0)] * held[:, :, None]).sum(axis=1, dtype=np.float32)
        total = found.sum(axis=1, keepdims=True)
        return np.asarray(found / np.where(total > 0, total, np.float32(1)), np.float32)

    def wanted(self, histories: Histories, rankings: Rankings) -> Floats:
        """(n, c) what to cover: the taste, or where there is none what the candidates are of."""
        taste = self.taste(histories)
        blank = ~taste.any(axis=1)
        if blank.any():
            taste[blank] = self.among(Rankings(rankings.items[blank], rankings.scores[blank]))
        return taste


def checked(wanted: NDArray[np.floating], rankings: Rankings, shares: Floats) -> Floats:
    """The distributions over categories, where they fit.

    Raises:
        SettingError: one is negative or NaN, or the shapes do not fit.
    """
    given = np.asarray(wanted, np.float32)
    if given.shape != (len(rankings), shares.shape[1]) or not given.min(initial=0) >= 0:
        raise SettingError(
            f"what to cover has the shape {given.shape}, or holds what is no share",
            allowed=f"shares of at least 0 are needed for {len(rankings)} requests and {shares.shape[1]} categories",
        )
    return given
