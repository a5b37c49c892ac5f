"""Slates of several places: drawing distinct items with known chances, and exploring a few places only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.bandits.outcomes import Places
from recloop.bandits.state import Array
from recloop.errors import SettingError


def draw_distinct(share: Array, uniform: Array) -> tuple[Places, Array]:
    """One item for each place, none twice, and the chance that each had when its place was filled.

    Places are filled from the first to the last, each by its own chances over what is left. The chance of the whole
    slate is the product of the row, exactly. With the same chances at every place this is the Plackett-Luce model.

    Args:
        share: (n, places, items) the chances of each place.
        uniform: (n, places) in [0, 1).

    Returns:
        Items (n, places), and chances (n, places).

    Raises:
        SettingError: there are more places than items.

    >>> share = np.array([[[0.5, 0.5, 0.0], [0.5, 0.25, 0.25]]])
    >>> items, chances = draw_distinct(share, np.array([[0.1, 0.6]]))
    >>> items.tolist(), chances.tolist()  # item 0 is gone, so the other two have even chances
    ([[0, 2]], [[0.5, 0.5]])
    """
    n, places, items = share.shape
    if places > items:
        raise SettingError(f"{places} places are to be filled from {items} items", allowed="at most as many places")
    rows = np.arange(n)
    left = np.ones((n, items))
    chosen, chances = np.empty((n, places), np.intp), np.empty((n, places))
    for place in range(places):
        weight = share[:, place] * left
        total = weight.sum(axis=1, keepdims=True)
        # where nothing that is left had a chance, all that is left has the same
        weight = np.where(total > 0, weight, left)
        weight /= weight.sum(axis=1, keepdims=True)
        bounds = np.cumsum(weight, axis=1)
        pick = (uniform[:, place, None] * bounds[:, -1:] >= bounds).sum(axis=1)
        chosen[:, place], chances[:, place] = pick, weight[rows, pick]
        left[rows, pick] = 0.0
    return chosen, chances


@dataclass(frozen=True, slots=True)
class Explored:
    """Slates of which some places were given to chance.

    Attributes:
        items: (n, k).
        explored: (n, k) bool, which places show an item that the ranking would not have shown there.
        propensities: (n, k) the chance of what each place shows, given the places before it.
    """

    items: NDArray[np.integer]
    explored: NDArray[np.bool_]
    propensities: Array


def explore_places(
    ranked: NDArray[np.integer], k: int, *, share: float, most: int, uniform: Array, first: int = 0
) -> Explored:
    """Slates in which a few places may show an item from below the slate: never a whole page at random.

    Of the places from ``first`` on, one after the other, each is explored with chance ``share`` until ``most`` were. An
    explored place gets one of the items below the slate that are not shown yet, each with the same chance; the item
    that would have stood there is left out. Where there is none below, nothing is explored.

    Args:
        ranked: (n, k + pool) items, best first; -1 where there are no more.
        k: places of a slate.
        share: chance of each place, below 1.
        most: places of a slate that are explored, at most.
        uniform: (n, k, 2) in [0, 1): whether, and with what.
        first: the first place that may be explored; those before it always show the best.

    >>> ranked = np.array([[5, 3, 8, 1, 2]])
    >>> uniform = np.array([[[0.9, 0.0], [0.05, 0.6], [0.05, 0.1]]])
    >>> found = explore_places(ranked, 3, share=0.1, most=1, uniform=uniform)
    >>> found.items.tolist(), found.propensities.round(3).tolist()  # place 2 shows the second of 2 items: .1 / 2
    ([[5, 2, 8]], [[0.9, 0.05, 1.0]])
    """
    n, width = ranked.shape
    if not 0 <= share < 1 or not 0 <= most <= k or width < k:
        raise SettingError(
            f"share is {share}, most is {most}, and {width} items are ranked for {k} places",
            allowed="a share of at least 0 and below 1, at most k places, and at least k items",
        )
    items, chances = ranked[:, :k].copy(), np.ones((n, k))
    explored = np.zeros((n, k), dtype=bool)
    pool = ranked[:, k:]
    free = pool >= 0
    rows = np.arange(n)
    for place in range(first, k):
        left = free.sum(axis=1)
        open_to = (explored.sum(axis=1) < most) & (left > 0) & (items[:, place] >= 0)
        go = open_to & (uniform[:, place, 0] < share)
        chances[:, place] = np.where(open_to, np.where(go, share / np.maximum(left, 1), 1 - share), 1.0)
        if go.any():
            wanted = np.floor(uniform[:, place, 1] * left)
            at = (np.cumsum(free, axis=1) <= wanted[:, None]).sum(axis=1)
            at = np.minimum(at, max(pool.shape[1] - 1, 0))
            items[go, place] = pool[rows[go], at[go]]
            free[rows[go], at[go]] = False
            explored[go, place] = True
    return Explored(items, explored, chances)
