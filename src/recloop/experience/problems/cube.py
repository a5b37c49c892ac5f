"""All slices of up to three dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from recloop.experience.problems.coded import INTERVENTIONS, OTHER, Coded, Dimension


@dataclass(frozen=True, slots=True)
class Cuboid:
    """The slices of one combination of dimensions.

    Attributes:
        slices: attribute → value of each.
        codes: (n,) the slice of each row; ``len(slices)`` for rows of slices that are too small.
        rows: (S,) rows of each.
    """

    slices: tuple[dict[str, str], ...]
    codes: NDArray[np.int32]
    rows: NDArray[np.int64]


def cuboids(coded: Coded, depth: int, share: float, least: int) -> list[Cuboid]:
    """Every combination of up to ``depth`` dimensions, with the slices that hold ``share`` of the rows.

    A slice that holds the same rows as one of fewer dimensions is left out: it says the same in more words. Dimensions
    in ``INTERVENTIONS`` are combined with one other at most.

    Args:
        coded: the rows.
        depth: most dimensions of a slice.
        share: smallest part of all rows.
        least: fewest rows.
    """
    fewest = max(share * coded.user.size, least)
    found: list[Cuboid] = []
    sizes: dict[frozenset[tuple[str, str]], int] = {frozenset(): coded.user.size}
    for n in range(1, depth + 1):
        for dims in combinations(coded.dimensions, n):
            acts = sum(one.name in INTERVENTIONS for one in dims)
            if acts > 1 or (acts and n > 2):  # what somebody changed is a cause; it needs no fine slices
                continue
            flat = np.zeros(coded.user.size, np.int64)
            for one in dims:
                flat = flat * len(one.values) + one.codes
            counts = np.bincount(flat)
            kept, slices = [], []
            for place in np.flatnonzero(counts >= fewest).tolist():
                where = _where(dims, place)
                count = int(counts[place])
                key = frozenset(where.items())
                parents = [sizes.get(key - {pair}) for pair in key]
                if OTHER in where.values() or any(parent == count for parent in parents):
                    continue
                sizes[key] = count
                kept.append(place)
                slices.append(where)
            if not kept:
                continue
            table = np.full(counts.size, len(kept), np.int32)
            table[kept] = np.arange(len(kept))
            found.append(Cuboid(tuple(slices), table[flat], counts[kept]))
    return found


def _where(dims: Sequence[Dimension], place: int) -> dict[str, str]:
    where: dict[str, str] = {}
    for one in reversed(dims):
        place, rest = divmod(place, len(one.values))
        where[one.name] = one.values[rest]
    return dict(sorted(where.items()))
