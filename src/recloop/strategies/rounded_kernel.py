"""The search of ``Rounded``. Imports numba: reach it through ``recloop.data.compiled`` only."""

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, boolean, finish, float32, given, int32, jit, made, push
from recloop.strategies.rounded import PIECE

CHUNK = 32  # items after which it is asked whether any of them may be among the best
TOGETHER = 512  # items whose codes stay in the nearest memory while each query is held against them

int8, int16 = types.int8, types.int16


@jit(types.void(given(int8, 3), given(int16, 2), made(int32)))
def multiply(codes: NDArray[np.int8], levels: NDArray[np.int16], sums: Integers) -> None:
    """The dot product of each item, in 32 bits throughout: then the compiler multiplies 16 numbers at once."""
    for item in range(codes.shape[0]):
        total = np.int32(0)
        for piece in range(codes.shape[1]):
            for place in range(PIECE):
                product = np.int32(np.int32(codes[item, piece, place]) * np.int32(levels[piece, place]))
                total = np.int32(total + product)
        sums[item] = total


@jit(boolean(given(int32), given(float32), given(float32), float32, float32, float32))
def reached(sums: Integers, scales: Floats, margins: Floats, step: float, length: float, bound: float) -> np.bool_:
    """Whether the most that any of these scores can be is not below the bound; counted, without a branch."""
    above = np.int32(0)
    for place in range(len(sums)):
        most = np.float32(sums[place]) * scales[place] * step + length * margins[place]
        above += np.int32(1) if most >= bound else np.int32(0)
    return above > 0


@jit(float32(given(float32), given(float32)), reorder=True)
def exact(vector: Floats, query: Floats) -> float:
    """The dot product of an item and a query."""
    total = np.float32(0)
    for place in range(len(query)):
        total += vector[place] * query[place]
    return float(total)


@jit(
    types.void(
        given(int8, 3), given(float32), given(float32), given(float32), given(int32), given(float32, 2),
        given(int16, 3), given(float32), given(float32), given(float32, 2),
        given(boolean), made(int32, 2), made(float32, 2),
    )
)  # fmt: skip
def search(
    codes: NDArray[np.int8],
    scales: Floats,
    margins: Floats,
    norms: Floats,
    order: Integers,
    vectors: Floats,
    levels: NDArray[np.int16],
    steps: Floats,
    lengths: Floats,
    queries: Floats,
    allowed: NDArray[np.bool_],
    items: Integers,
    found: Floats,
) -> None:
    """The best items of each query, see ``Rounded``; an empty ``allowed`` means all.

    An item is a candidate while the most that its score can be is not below the k-th greatest of what scores are at
    least; these are kept in the heap of the answer, which is then made anew of the exact scores of the candidates.
    """
    n_items, (n, k) = len(codes), items.shape
    size, count = np.zeros(n, np.int64), np.zeros(n, np.int64)
    least = np.full(n, -np.inf, np.float32)
    among, most = np.empty((n, n_items), np.int32), np.empty((n, n_items), np.float32)
    sums = np.empty(TOGETHER, np.int32)
    for block in range(0, n_items, TOGETHER):
        here = min(TOGETHER, n_items - block)
        scale, margin = scales[block : block + here], margins[block : block + here]
        for row in range(n):
            step, length, bound = steps[row], lengths[row], least[row]
            if length * norms[block] < bound:
                continue  # nor does any shorter vector reach it
            multiply(codes[block : block + here], levels[row], sums)
            for start in range(0, here, CHUNK):
                stop = min(start + CHUNK, here)
                if not reached(sums[start:stop], scale[start:stop], margin[start:stop], step, length, bound):
                    continue
                for place in range(start, stop):
                    score, off = np.float32(sums[place]) * scale[place] * step, length * margin[place]
                    item = order[block + place]
                    if score + off >= bound and (len(allowed) == 0 or allowed[item]):
                        among[row, count[row]], most[row, count[row]] = item, score + off
                        count[row] += 1
                        size[row] = push(items[row], found[row], size[row], item, score - off)
                        if size[row] == k:
                            bound = found[row, 0]
            least[row] = bound
    for row in range(n):
        kept = 0
        for place in range(count[row]):
            if most[row, place] >= least[row]:
                item = among[row, place]
                kept = push(items[row], found[row], kept, item, exact(vectors[item], queries[row]))
        finish(items[row], found[row], kept)
