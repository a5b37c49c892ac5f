"""Users, or items, that were never learned from."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recloop.data.dataset import Dataset
from recloop.data.split.base import Split, Splitter
from recloop.data.split.places import places_from_end


@dataclass(frozen=True, kw_only=True)
class ColdUser(Splitter):
    """A random share of the users is never learned from; they are judged by the last part of their own events.

    Args:
        user_fraction: the share of users held out.
        test_fraction: the share of a held-out user's events that is truth, rounded down, at least one.
        history: at most this many of the user's last events are known at the request; None means all, 0 a visitor
            about whom nothing is known.
        seed: which users.
    """

    name: ClassVar[str] = "cold-user"
    summary: ClassVar[str] = "users that were never learned from"

    user_fraction: float = 0.1
    test_fraction: float = 0.2
    history: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("user_fraction")
        self._share("test_fraction")
        self._at_least("seed", 0)
        if self.history is not None:
            self._at_least("history", 0)

    def _split(self, dataset: Dataset) -> Split:
        user = dataset.events["user"].to_numpy()
        counts, left = places_from_end(dataset)
        held = np.maximum(1, np.floor(counts * self.test_fraction))
        least = 1 if self.history == 0 else 2
        able = np.unique(user[counts >= least])
        chosen = np.zeros(dataset.n_users, dtype=bool)
        n_chosen = max(1, round(len(able) * self.user_fraction))
        chosen[np.random.default_rng(self.seed).permutation(able)[:n_chosen]] = True
        cold = chosen[user]
        past = cold & (left >= held)
        if self.history is not None:
            past &= left < held + self.history
        return self._made(
            dataset,
            train=~cold,
            history=past,
            truth=cold & (left < held),
            need_history=self.history != 0,
            leaks=(
                "Nothing of the judged users is learned from.",
                "Later events of other users are learned from, and trends leak.",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ColdItem(Splitter):
    """A random share of the items is never learned from; only these may be shown, and only these are truth.

    Args:
        item_fraction: the share of items held out.
        seed: which items.
    """

    name: ClassVar[str] = "cold-item"
    summary: ClassVar[str] = "items that were never learned from"

    item_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("item_fraction")
        self._at_least("seed", 0)

    def _split(self, dataset: Dataset) -> Split:
        item = dataset.events["item"].to_numpy()
        positive = dataset.events["weight"].to_numpy() > 0
        touched = np.unique(item[positive])
        chosen = np.zeros(dataset.n_items, dtype=bool)
        n_chosen = max(1, round(len(touched) * self.item_fraction))
        chosen[np.random.default_rng(self.seed).permutation(touched)[:n_chosen]] = True
        cold = chosen[item]
        return self._made(
            dataset,
            train=~cold,
            history=~cold,
            truth=cold,
            allowed=chosen,
            leaks=(
                "Nothing that happened to the judged items is learned from; their attributes and texts are known.",
                "Histories hold events after the ones to be foretold, so that the taste of a later day leaks.",
                "Only the held-out items compete: figures do not compare with those of other splits.",
            ),
        )
