from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recloop.data.compiled import often
from recloop.data.rankings import Rankings, along, top_k
from recloop.errors import SettingError

KERNELS = "recloop.compose.kernels"
PLAIN = 8  # summands from which NumPy adds in another order than one after the other


@dataclass(frozen=True, slots=True)
class Fused:
    """One ranking made of several.

    Attributes:
        rankings: (n, k), best first.
        sources: (n, k) int16, the place of the ranking that gave each item most of its score; -1 in padding.
    """

    rankings: Rankings
    sources: NDArray[np.int16]


def shares(m: int, weights: Sequence[float] | None) -> NDArray[np.float64]:
    """(m,) the weights of m rankings brought to the sum 1; equal where None.

    Raises:
        SettingError: the weights are negative, sum to zero or are not one per ranking, or there is no ranking.

    >>> shares(2, [3, 1]).tolist()
    [0.75, 0.25]
    """
    if not m:
        raise SettingError("there is no ranking to fuse", allowed="at least one is needed")
    given = np.ones(m) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(given) != m:
        raise SettingError(f"{len(given)} weights were given for {m} rankings", allowed="one each")
    if not np.isfinite(given).all() or (given < 0).any() or given.sum() == 0:
        raise SettingError(
            f"the weights are {given.tolist()}",
            allowed="weights are numbers of at least 0, of which at least one is above 0",
            advice="leave them out to weigh all alike",
        )
    normal: NDArray[np.float64] = given / given.sum()
    return normal


def summed(rankings: Sequence[Rankings], gifts: NDArray[np.float64], k: int, *, times_held: bool = False) -> Fused:
    """Sums what each ranking gives to the same item of the same request, without a loop over requests.

    Args:
        rankings: m rankings of the same n requests; none holds an item twice.
        gifts: (n, places of all rankings together) what each place gives; or (1, ...), the same for every request.
        k: places of the answer.
        times_held: multiply each sum by the share of the rankings that hold the item.

    >>> one = Rankings(np.array([[4, 2]], np.int32), np.ones((1, 2), np.float32))
    >>> summed([one, one], np.array([[1.0, 3.0, 2.0, 0.0]]), 2).rankings.items.tolist()
    [[2, 4]]
    """
    n, places = len(rankings[0]), tuple(r.k for r in rankings)
    width = sum(places)
    if n == 0 or width == 0:
        empty = Rankings(np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32))
        return Fused(empty, np.full((n, k), -1, np.int16))
    items = np.concatenate([r.items for r in rankings], axis=1, out=np.empty((n, width), np.int32))
    source = _sources(places)
    if len(rankings) < PLAIN and (kernels := often(KERNELS, items.size)):
        fused = Fused(Rankings(np.empty((n, k), np.int32), np.empty((n, k), np.float32)), np.empty((n, k), np.int16))
        kernels.summed(
            items, gifts, source, len(rankings), times_held, fused.rankings.items, fused.rankings.scores, fused.sources
        )
        return fused
    order = np.argsort(items, axis=1, kind="stable")  # equal items of a row stand together, in the order of the sources
    items = along(items, order)
    given_in_order = along(np.broadcast_to(gifts, items.shape), order).ravel()
    new = np.ones((n, width), dtype=bool)
    new[:, 1:] = items[:, 1:] != items[:, :-1]
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, n * width))
    best = np.repeat(np.maximum.reduceat(given_in_order, starts), lengths)
    giver = np.where(given_in_order == best, source[order].ravel(), np.int16(len(rankings)))

    held = items.ravel()[starts] >= 0
    total = np.add.reduceat(given_in_order, starts)[held]
    if times_held:
        total = total * (lengths[held] / len(rankings))
    scores = np.full((n, width), -np.inf, dtype=np.float32)
    scores.ravel()[starts[held]] = total
    sources = np.full((n, width), -1, dtype=np.int16)
    sources.ravel()[starts] = np.minimum.reduceat(giver, starts)

    best_of_all = top_k(scores, k)
    filled = best_of_all.items >= 0
    column = np.where(filled, best_of_all.items, 0)
    return Fused(
        Rankings(np.where(filled, along(items, column), -1).astype(np.int32), best_of_all.scores),
        np.where(filled, along(sources, column), -1).astype(np.int16),
    )


@lru_cache(64)
def _sources(places: tuple[int, ...]) -> NDArray[np.int16]:
    """The ranking that each of all places belongs to."""
    owners = np.repeat(np.arange(len(places), dtype=np.int16), places)
    owners.flags.writeable = False  # it is handed out again
    return owners
