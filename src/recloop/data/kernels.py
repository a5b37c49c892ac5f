"""Compiled loops over scores. Imports numba: reach it through ``recloop.data.compiled`` only."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Integers = NDArray[np.int32]
Floats = NDArray[np.float32]

int32, int64, float32, boolean = types.int32, types.int64, types.float32, types.boolean
CHUNK = 32


def given(kind: Any, dimensions: int = 1) -> Any:
    """The type of an argument that is only read; a writable array may be passed, too."""
    return types.Array(kind, dimensions, "C", readonly=True)


def made(kind: Any, dimensions: int = 1) -> Any:
    """The type of an argument that is written."""
    return types.Array(kind, dimensions, "C")


def jit(*signature: Any, reorder: bool = False) -> Callable[[F], F]:
    """Compile for this signature, without the interpreter lock; kept on disk where there is a place to write.

    ``reorder`` lets sums be made in any order, for speed; without it they are those of the plain loop, bit for bit.
    """

    def compile_(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if reorder:
            options["fastmath"] = {"reassoc", "contract", "nsz", "arcp"}
        try:
            return cast("F", numba.njit(*signature, cache=True, **options)(function))
        except RuntimeError:  # neither the package's folder nor the user's cache can be written
            return cast("F", numba.njit(*signature, **options)(function))

    return compile_


@jit()
def enters(chunk: Floats, bound: np.float32) -> np.bool_:
    """Whether any of CHUNK scores is above the bound: counted without a branch, which the compiler makes vectors of."""
    above = np.int32(0)
    for place in range(CHUNK):
        above += np.int32(1) if chunk[place] > bound else np.int32(0)
    return above > 0


@jit()
def push(items: Integers, scores: Floats, size: int, item: int, score: float) -> int:
    """Offer an item to a heap of the best ``len(items)``, the worst on top; returns the heap's size.

    Of two items with the same score the one with the lower index is the better.
    """
    k = len(items)
    if size < k:
        place = size
        while place > 0:
            parent = (place - 1) // 2
            if scores[parent] < score or (scores[parent] == score and items[parent] > item):
                break
            items[place], scores[place] = items[parent], scores[parent]
            place = parent
        items[place], scores[place] = item, score
        return size + 1
    if score < scores[0] or (score == scores[0] and item > items[0]):
        return size
    sink(items, scores, size, item, score)
    return size


@jit()
def sink(items: Integers, scores: Floats, size: int, item: int, score: float) -> None:
    """Put an item in place of the heap's top, and restore the heap."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (
            scores[other] < scores[child] or (scores[other] == scores[child] and items[other] > items[child])
        ):
            child = other
        if scores[child] > score or (scores[child] == score and items[child] < item):
            break
        items[place], scores[place] = items[child], scores[child]
        place = child
    items[place], scores[place] = item, score


@jit()
def finish(items: Integers, scores: Floats, size: int) -> None:
    """Turn a heap into a list, best first, padded with item -1 and score -inf."""
    for last in range(size - 1, 0, -1):
        item, score = items[last], scores[last]
        items[last], scores[last] = items[0], scores[0]
        sink(items, scores, last, item, score)
    items[size:] = -1
    scores[size:] = -np.inf


@jit(types.void(given(float32, 2), made(int32, 2), made(float32, 2)))
def top_k(scores: Floats, items: Integers, found: Floats) -> None:
    """The best of each row of ``scores`` into ``items`` and ``found``; -inf and NaN never enter."""
    n, width = scores.shape
    for row in range(n):
        size = 0
        bound = np.float32(-np.inf)
        for start in range(0, width, CHUNK):
            stop = min(start + CHUNK, width)
            if stop - start == CHUNK and not enters(scores[row, start:stop], bound):
                continue
            for item in range(start, stop):
                if scores[row, item] > bound:
                    size = push(items[row], found[row], size, item, scores[row, item])
                    if size == items.shape[1]:
                        bound = found[row, 0]
        finish(items[row], found[row], size)
