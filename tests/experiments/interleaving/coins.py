"""Every way in which the coins can fall: a stand-in for a generator, driven through all of its draws."""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Coins:
    """Repeats a given beginning of draws, then takes the first possibility and remembers how many there were."""

    def __init__(self, beginning: list[int]) -> None:
        self.beginning = beginning
        self.taken: list[int] = []
        self.shares: list[list[float]] = []

    def _draw(self, shares: list[float]) -> int:
        at = len(self.taken)
        chosen = self.beginning[at] if at < len(self.beginning) else next(i for i, p in enumerate(shares) if p > 0)
        self.taken.append(chosen)
        self.shares.append(shares)
        return chosen

    def integers(self, n: int) -> int:
        return self._draw([1 / n] * n)

    def choice(self, n: int, p: np.ndarray) -> int:
        return self._draw(p.tolist())

    def permutation(self, n: int) -> np.ndarray:
        ways = list(permutations(range(n)))
        return np.array(ways[self._draw([1 / len(ways)] * len(ways))])

    @property
    def probability(self) -> float:
        return float(np.prod([shares[way] for shares, way in zip(self.shares, self.taken, strict=True)]))


def every_way(make: Callable[[Coins], T]) -> Iterator[tuple[float, T]]:
    """Each outcome with the probability of the draws that lead to it."""
    beginning: list[int] = []
    while True:
        coins = Coins(beginning)
        made = make(coins)
        yield coins.probability, made
        path, shares = coins.taken, coins.shares
        while path:
            later = [way for way in range(path[-1] + 1, len(shares[-1])) if shares[-1][way] > 0]
            if later:
                beginning = [*path[:-1], later[0]]
                break
            path, shares = path[:-1], shares[:-1]
        else:
            return
