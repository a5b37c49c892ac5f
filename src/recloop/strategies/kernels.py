"""Compiled loops of the strategies. Imports numba: reach it through ``recloop.data.compiled`` only."""

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import (
    CHUNK,
    Floats,
    Integers,
    boolean,
    enters,
    finish,
    float32,
    given,
    int32,
    int64,
    jit,
    made,
    push,
)

Places = NDArray[np.int64]
TRACKED = 8  # rows that touch less than 1/TRACKED of all items list what they touch instead of sweeping the whole row


@jit(
    types.void(
        *(given(int64), given(int32), given(float32)),
        *(given(int64), given(int32), given(float32)),
        *(given(int64), given(int32), given(boolean), given(float32), given(int32)),
        *(made(int32, 2), made(float32, 2)),
    )
)
def rank_sparse(
    row_starts: Places,
    row_items: Integers,
    row_weights: Floats,
    table_starts: Places,
    table_items: Integers,
    table_weights: Floats,
    seen_starts: Places,
    seen_items: Integers,
    allowed: NDArray[np.bool_],
    fill: Floats,
    fill_order: Integers,
    items: Integers,
    found: Floats,
) -> None:
    """The best of each row of ``rows @ table``, zeros replaced by ``fill``, seen and forbidden items left out."""
    n, k = items.shape
    width = len(fill)
    sums = np.zeros(width, np.float32)
    touched = np.empty(width, np.int32)
    for row in range(n):
        best, values = items[row], found[row]
        size = 0
        work = 0
        for place in range(row_starts[row], row_starts[row + 1]):
            work += table_starts[row_items[place] + 1] - table_starts[row_items[place]]
        tracked = work < width // TRACKED
        n_touched = 0
        if tracked:
            for place in range(row_starts[row], row_starts[row + 1]):
                source, weight = row_items[place], row_weights[place]
                for entry in range(table_starts[source], table_starts[source + 1]):
                    item = table_items[entry]
                    if sums[item] == 0:
                        touched[n_touched] = item  # twice where a sum went back to zero: cleared below
                        n_touched += 1
                    sums[item] += weight * table_weights[entry]
        else:
            for place in range(row_starts[row], row_starts[row + 1]):
                source, weight = row_items[place], row_weights[place]
                for entry in range(table_starts[source], table_starts[source + 1]):
                    sums[table_items[entry]] += weight * table_weights[entry]
        for place in range(seen_starts[row], seen_starts[row + 1]):
            sums[seen_items[place]] = np.nan  # above nothing and equal to nothing
        bound = np.float32(-np.inf)
        for start in range(0, n_touched if tracked else width, CHUNK):
            stop = min(start + CHUNK, n_touched if tracked else width)
            if not tracked and stop - start == CHUNK and not enters(sums[start:stop], bound):
                continue
            for number in range(start, stop):
                item = touched[number] if tracked else number
                score = sums[item]
                if score >= bound and score != 0 and allowed[item]:
                    size = push(best, values, size, item, score)
                    if tracked:
                        sums[item] = np.nan  # taken: a second entry in the list is passed over
                    if size == k:
                        bound = values[0]
        unreached = 0
        for number in range(width):
            item = fill_order[number]
            if unreached == k or (size == k and fill[item] < values[0]):
                break
            if sums[item] == 0 and allowed[item]:
                size = push(best, values, size, item, fill[item])
                unreached += 1
        if tracked:
            for number in range(n_touched):
                sums[touched[number]] = 0
            for place in range(seen_starts[row], seen_starts[row + 1]):
                sums[seen_items[place]] = 0
        else:
            sums[:] = 0
        finish(best, values, size)


@jit(
    types.void(
        *(given(int64), given(int32), given(float32)),
        *(given(int64), given(int32), given(float32)),
        *(given(float32), float32, made(int32, 2), made(float32, 2)),
    )
)
def nearest(
    item_starts: Places,
    item_users: Integers,
    item_weights: Floats,
    user_starts: Places,
    user_items: Integers,
    user_weights: Floats,
    norms: Floats,
    shrinkage: float,
    items: Integers,
    found: Floats,
) -> None:
    """The items of greatest cosine of each item, from both orientations of the users x items matrix."""
    n, k = items.shape
    sums = np.zeros(n, np.float32)
    for row in range(n):
        best, values = items[row], found[row]
        for place in range(item_starts[row], item_starts[row + 1]):
            user, weight = item_users[place], item_weights[place]
            for entry in range(user_starts[user], user_starts[user + 1]):
                sums[user_items[entry]] += weight * user_weights[entry]
        sums[row] = 0
        for item in range(n):
            sums[item] /= norms[row] * norms[item] + shrinkage
        size = 0
        bound = np.float32(0)
        for start in range(0, n, CHUNK):
            stop = min(start + CHUNK, n)
            if stop - start == CHUNK and not enters(sums[start:stop], bound):
                continue
            for item in range(start, stop):
                if sums[item] > bound:
                    size = push(best, values, size, item, sums[item])
                    if size == k:
                        bound = values[0]
        sums[:] = 0
        finish(best, values, size)


@jit(
    types.void(
        *(given(int64), given(int32), given(float32)),
        *(given(float32, 2), given(float32), given(float32), int64, float32, made(float32, 2)),
    ),
    reorder=True,
)
def descend(
    starts: Places,
    indices: Integers,
    weights: Floats,
    vectors: Floats,
    spectrum: Floats,
    ridges: Floats,
    steps: int,
    tolerance: float,
    solved: Floats,
) -> None:
    """Preconditioned conjugate gradients for each row, from what ``solved`` holds; see ``factors.descend``."""
    n, d = solved.shape
    diagonal = np.empty(d, np.float32)
    residual = np.empty(d, np.float32)
    scale = np.empty(d, np.float32)
    direction = np.empty(d, np.float32)
    image = np.empty(d, np.float32)
    for row in range(n):
        first, last = starts[row], starts[row + 1]
        if first == last:
            solved[row] = 0
            continue
        x = solved[row]
        size = np.float32(0)  # of the right-hand side, in the norm of the preconditioner
        for f in range(d):
            diagonal[f] = spectrum[f] + ridges[row]
            residual[f] = -diagonal[f] * x[f]
            scale[f] = diagonal[f]
            image[f] = 0
        for place in range(first, last):
            y, weight = vectors[indices[place]], weights[place]
            dot = np.float32(0)
            for f in range(d):
                dot += y[f] * x[f]
            gap = weight * (np.float32(1) - dot)
            for f in range(d):
                residual[f] += gap * y[f]
                image[f] += weight * y[f]
                scale[f] += weight * y[f] * y[f]
        rz = np.float32(0)
        for f in range(d):
            size += image[f] * image[f] / scale[f]
            direction[f] = residual[f] / scale[f]
            rz += residual[f] * direction[f]
        for _ in range(steps):
            if rz <= tolerance * size:
                break
            for f in range(d):
                image[f] = diagonal[f] * direction[f]
            for place in range(first, last):
                y = vectors[indices[place]]
                dot = np.float32(0)
                for f in range(d):
                    dot += y[f] * direction[f]
                dot *= weights[place]
                for f in range(d):
                    image[f] += dot * y[f]
            curve = np.float32(0)
            for f in range(d):
                curve += direction[f] * image[f]
            length = rz / curve
            before = rz
            rz = np.float32(0)
            for f in range(d):
                x[f] += length * direction[f]
                residual[f] -= length * image[f]
                rz += residual[f] * residual[f] / scale[f]
            turn = rz / before
            for f in range(d):
                direction[f] = residual[f] / scale[f] + turn * direction[f]
