"""The compiled loop of ``elastic_net``. Imports numba: reach it through ``recloop.data.compiled`` only."""

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, float32, given, int32, int64, jit, made

START = 64  # candidates that a column begins with; each round at most doubles them


@jit(
    types.void(
        *(given(float32, 2), given(float32), given(float32)),
        *(float32, float32, int64, float32, made(float32)),
    ),
    reorder=True,
)
def settle(
    gram: Floats,
    residual: Floats,
    diagonal: Floats,
    l1: float,
    l2: float,
    sweeps: int,
    tolerance: float,
    weights: Floats,
) -> None:
    """Coordinate descent on a small dense Gram matrix until no weight changes by more than the tolerance."""
    left = residual.copy()
    for _ in range(sweeps):
        greatest = np.float32(0)
        for i in range(len(weights)):
            wanted = max((left[i] + diagonal[i] * weights[i] - l1) / (diagonal[i] + l2), np.float32(0))
            change = np.float32(wanted - weights[i])
            if change != 0:
                weights[i] = wanted
                left -= gram[i] * change
                greatest = max(greatest, abs(change))
        if greatest <= tolerance:
            break


@jit(
    types.void(
        *(given(int64), given(int32), given(float32), given(float32)),
        *(int64, float32, float32, int64, float32, made(float32, 2)),
    ),
    reorder=True,
)
def elastic_net(
    starts: NDArray[np.int64],
    items: Integers,
    products: Floats,
    diagonal: Floats,
    first: int,
    l1: float,
    l2: float,
    sweeps: int,
    tolerance: float,
    weights: Floats,
) -> None:
    """Columns one by one, each by an active set.

    Coordinate descent runs on the small Gram matrix of the items that are in. When it rests, those outside whose
    gradient is above ``l1`` come in, the greatest first; without any the column is done. An item that comes in never
    leaves, so that this ends.
    """
    n = len(diagonal)
    residual = np.empty(n, np.float32)  # of all items: g_ij - sum_k g_ik w_k
    place = np.full(n, -1, np.int32)  # of an item in the active set
    active = np.empty(n, np.int32)
    for row in range(len(weights)):
        column = first + row
        size, known = 0, 0
        small = np.zeros((0, 0), np.float32)
        inside = np.zeros(0, np.float32)
        while True:
            residual[:] = 0
            for entry in range(starts[column], starts[column + 1]):
                residual[items[entry]] = products[entry]
            for number in range(size):
                if inside[number] > 0:
                    item = active[number]
                    for entry in range(starts[item], starts[item + 1]):
                        residual[items[entry]] -= products[entry] * inside[number]
            residual[column] = 0
            violators = np.empty(n, np.int32)
            found = 0
            for entry in range(starts[column], starts[column + 1]):
                item = items[entry]
                if place[item] < 0 and residual[item] > l1 + tolerance * diagonal[item] and products[entry] > l1:
                    violators[found] = item
                    found += 1
            if found == 0:
                break
            room = max(START, size)
            if found > room:
                order = np.argsort(-residual[violators[:found]], kind="mergesort")[:room]
                violators[:room] = violators[:found][order]
                found = room
            for number in range(found):
                active[size] = violators[number]
                place[violators[number]] = size
                size += 1
            grown = np.zeros((size, size), np.float32)
            grown[:known, :known] = small
            for number in range(known, size):
                item = active[number]
                for entry in range(starts[item], starts[item + 1]):
                    other = place[items[entry]]
                    if other >= 0:
                        grown[number, other] = products[entry]
                        grown[other, number] = products[entry]
            small = grown
            before = inside
            inside = np.zeros(size, np.float32)
            inside[:known] = before
            known = size
            chosen = active[:size]
            settle(small, residual[chosen], diagonal[chosen], l1, l2, sweeps, tolerance, inside)
        for number in range(size):
            weights[row, active[number]] = inside[number]
            place[active[number]] = -1
