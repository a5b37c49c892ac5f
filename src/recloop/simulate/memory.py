from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEUTRAL = 0.5


@dataclass(slots=True)
class Memory:
    """What users carry from one slate to the next. It changes; everything else in the world stands still.

    Attributes:
        shown: (n_users, depth) int32, the items seen last, -1 where none; what lies further back is forgotten.
        owned: (n_users, n_owned) int32, the items bought last.
        satisfaction: (n_users,) in [0, 1], moving mean over slates.
        gone: (n_users,) bool, who has left for good.

    >>> memory = Memory.fresh(2)
    >>> memory.show(np.array([1]), np.array([[7, 8]]))
    >>> memory.repeats(np.array([0, 1]), np.array([[7, 9], [7, 9]])).tolist()
    [[0, 0], [1, 0]]
    """

    shown: NDArray[np.int32]
    owned: NDArray[np.int32]
    satisfaction: NDArray[np.float32]
    gone: NDArray[np.bool_]

    @classmethod
    def fresh(cls, users: int, *, depth: int = 60, owned: int = 16) -> "Memory":
        """The memory of users to whom nothing has happened."""
        return cls(
            shown=np.full((users, depth), -1, dtype=np.int32),
            owned=np.full((users, owned), -1, dtype=np.int32),
            satisfaction=np.full(users, NEUTRAL, dtype=np.float32),
            gone=np.zeros(users, dtype=bool),
        )

    def copy(self) -> "Memory":
        """Another memory with the same content, to try something out."""
        return Memory(self.shown.copy(), self.owned.copy(), self.satisfaction.copy(), self.gone.copy())

    def repeats(self, users: NDArray[np.integer], slates: NDArray[np.integer]) -> NDArray[np.int64]:
        """(n, k) how often each item was seen lately."""
        return _count(self.shown[users], slates)

    def owns(self, users: NDArray[np.integer], slates: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(n, k) whether each item was bought lately."""
        return _count(self.owned[users], slates) > 0

    def show(self, users: NDArray[np.integer], slates: NDArray[np.integer]) -> None:
        """Each user (at most once in ``users``) has seen these items; -1 is no item."""
        self.shown[users] = _push(self.shown[users], slates)

    def buy(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> None:
        """Each user (at most once in ``users``) has bought these items; -1 is no item."""
        self.owned[users] = _push(self.owned[users], items)

    def feel(self, users: NDArray[np.integer], satisfaction: NDArray[np.floating], *, weight: float = 0.3) -> None:
        """Each user (at most once in ``users``) was so satisfied with a slate."""
        self.satisfaction[users] += weight * (satisfaction - self.satisfaction[users])


def _count(rows: NDArray[np.int32], slates: NDArray[np.integer]) -> NDArray[np.int64]:
    found = np.zeros(slates.shape, dtype=np.int64)
    for place in range(slates.shape[1]):  # over the places of a slate: users x places x depth at once is too much
        item = slates[:, place, None]
        found[:, place] = np.count_nonzero((rows == item) & (item >= 0), axis=1)
    return found


def _push(rows: NDArray[np.int32], items: NDArray[np.integer]) -> NDArray[np.int32]:
    """The rows with the items in front, holes last, cut to their length."""
    joined = np.concatenate([items.astype(np.int32), rows], axis=1)
    order = np.argsort(joined < 0, axis=1, kind="stable")[:, : rows.shape[1]]
    return np.take_along_axis(joined, order, axis=1)
