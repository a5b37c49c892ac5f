"""Compiled loops over candidates. Imports numba: reach it through ``recloop.data.compiled`` only."""

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, boolean, finish, float32, given, int32, int64, jit, made, push

void, int16, float64 = types.void, types.int16, types.float64
UNLIKE = np.float32(-2)  # below every cosine: to nothing that was taken


@jit(void(given(int32, 2), given(float32, 2), given(int64), given(int32), made(int32, 2), made(float32, 2)))
def kept(
    items: Integers, scores: Floats, starts: NDArray[np.int64], known: Integers, left: Integers, best: Floats
) -> None:
    """The first items of each row that are not among its known ones; padding stays out."""
    n, places = left.shape
    for row in range(n):
        own = np.sort(known[starts[row] : starts[row + 1]])
        size = 0
        for place in range(items.shape[1]):
            item = items[row, place]
            if size == places:
                break
            if item < 0:
                continue
            at = np.searchsorted(own, item)
            if at == len(own) or own[at] != item:
                left[row, size], best[row, size] = item, scores[row, place]
                size += 1
        left[row, size:] = -1
        best[row, size:] = -np.inf


@jit(
    void(
        given(int32, 2), given(float64, 2), given(int16), int64, boolean,
        made(int32, 2), made(float32, 2), made(int16, 2),
    )
)  # fmt: skip
def summed(
    items: Integers,
    gifts: NDArray[np.float64],
    sources: NDArray[np.int16],
    rankings: int,
    times_held: bool,
    best: Integers,
    scores: Floats,
    givers: NDArray[np.int16],
) -> None:
    """Sums the gifts to equal items of a row, see ``fused.summed``; items are looked up by hash."""
    n, width = items.shape
    own = 1 if len(gifts) > 1 else 0
    room = 2
    while room < 2 * width:
        room *= 2
    slots = np.empty(room, np.int32)
    found, giver, count = np.empty(width, np.int32), np.empty(width, np.int16), np.empty(width, np.int64)
    total, most = np.empty(width), np.empty(width)
    for row in range(n):
        slots[:] = -1
        different = 0
        for place in range(width):
            item, gift = items[row, place], gifts[own * row, place]
            if item < 0:
                continue
            at = item & (room - 1)
            while slots[at] >= 0 and found[slots[at]] != item:
                at = (at + 1) & (room - 1)
            one = slots[at]
            if one < 0:
                slots[at] = different
                found[different], giver[different], count[different] = item, sources[place], 1
                total[different] = most[different] = gift
                different += 1
                continue
            total[one] += gift
            count[one] += 1
            if gift > most[one]:
                most[one], giver[one] = gift, sources[place]
        size = 0
        for one in range(different):
            score = np.float32(total[one] * (count[one] / rankings) if times_held else total[one])
            if score > -np.inf:
                size = push(best[row], scores[row], size, found[one], float(score))
        finish(best[row], scores[row], size)
        for place in range(best.shape[1]):
            if place >= size:
                givers[row, place] = -1
                continue
            at = best[row, place] & (room - 1)
            while found[slots[at]] != best[row, place]:
                at = (at + 1) & (room - 1)
            givers[row, place] = giver[slots[at]]


@jit(void(made(float32, 2), given(float32, 3), float32, made(int64, 2)), reorder=True)
def diversified(base: Floats, directions: Floats, weight: float, taken: NDArray[np.int64]) -> None:
    """Maximal marginal relevance, see ``likeness``; ``base`` is written to, ``taken`` holds -1 everywhere."""
    (n, m), (_, k), d = base.shape, taken.shape, directions.shape[2]
    closest = np.empty(m, np.float32)
    for row in range(n):
        near = directions[row]
        closest[:] = 0  # the first place looks at relevance alone
        for step in range(min(k, m)):
            best, most = -1, np.float32(-np.inf)
            for place in range(m):
                worth = base[row, place] + weight * closest[place]
                if worth > most:
                    best, most = place, worth
            if best < 0:
                break
            taken[row, step] = best
            base[row, best] = -np.inf
            if step == 0:
                closest[:] = UNLIKE
            for place in range(m):
                if base[row, place] > -np.inf:
                    alike = np.float32(0)
                    for f in range(d):
                        alike += near[place, f] * near[best, f]
                    closest[place] = max(closest[place], alike)
