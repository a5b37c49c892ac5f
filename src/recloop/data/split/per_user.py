from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recloop.data.dataset import Dataset
from recloop.data.split.base import Split, Splitter


@dataclass(frozen=True, kw_only=True)
class PerUserRandom(Splitter):
    """A random share of each user's positive events is the truth.

    Args:
        test_fraction: the share of each user's events, rounded down, at least one where the user has two.
        seed: which events.
    """

    name: ClassVar[str] = "per-user-random"
    summary: ClassVar[str] = "a random share of each user's events is the truth"

    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("test_fraction")
        self._at_least("seed", 0)

    def _split(self, dataset: Dataset) -> Split:
        user = dataset.events["user"].to_numpy()
        positive = dataset.events["weight"].to_numpy() > 0
        draw = np.random.default_rng(self.seed).random(len(user))
        counts = np.bincount(user[positive], minlength=dataset.n_users)
        held = np.where(counts >= 2, np.maximum(1, np.floor(counts * self.test_fraction)), 0)
        order = np.lexsort((draw, ~positive, user))
        starts = np.searchsorted(user, np.arange(dataset.n_users))
        place = np.empty(len(user), dtype=np.int64)
        place[order] = np.arange(len(user)) - starts[user]
        truth = positive & (place < held[user])
        return self._made(
            dataset,
            train=~truth,
            history=~truth,
            truth=truth,
            leaks=(
                "Later events of the same user and of everybody else are learned from: the future leaks in full.",
                "Figures are higher than anything that will be seen live.",
                "Near-duplicates (the same session, the next episode) stand on both sides.",
            ),
        )
