"""The search of ``Cells``. Imports numba: reach it through ``recloop.data.compiled`` only."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, boolean, float32, given, int32, int64, jit, made, push
from recloop.strategies.cells import LANES, SUM

SPARE = 16  # items more than an eighth that are kept beyond those wanted
BINS = 1024  # by which scores are put in about their order

int8, int16 = types.int8, types.int16


@intrinsic  # type: ignore[untyped-decorator]
def multiply(_context: Any, codes: Any, scales: Any, _block: Any, levels: Any, _bound: Any, scores: Any) -> Any:
    """Scores of the items of a block, ``scales * (levels @ codes)``; whether any is above the bound.

    Written as vectors, for any processor: the compiler makes none of the loop. Sums are made in 16 bits.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        codes, scales, levels, scores = (
            context.make_array(signature.args[at])(context, builder, given[at]) for at in (0, 1, 3, 5)
        )
        size, real = ir.IntType(64), ir.FloatType()
        bytes_, shorts, reals = (ir.VectorType(kind, LANES) for kind in (ir.IntType(8), ir.IntType(16), real))
        nowhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

        def pointer(array: Any, place: Any, kind: Any) -> Any:
            return builder.bitcast(builder.gep(array.data, [place]), kind.as_pointer())

        def everywhere(number: Any, kind: Any) -> Any:
            unknown = ir.Constant(kind, ir.Undefined)
            one = builder.insert_element(unknown, number, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(one, unknown, nowhere)

        width = cgutils.unpack_tuple(builder, codes.shape)[1]
        first = builder.mul(given[2], ir.Constant(size, LANES))
        start = builder.mul(first, width)
        sums = cgutils.alloca_once(builder, shorts)
        builder.store(ir.Constant(shorts, [0] * LANES), sums)
        with cgutils.for_range(builder, width) as loop:
            place = builder.add(start, builder.mul(loop.index, ir.Constant(size, LANES)))
            code = builder.sext(builder.load(pointer(codes, place, bytes_), align=1), shorts)
            level = everywhere(builder.load(builder.gep(levels.data, [loop.index])), shorts)
            builder.store(builder.add(builder.load(sums), builder.mul(code, level)), sums)
        scale = builder.load(pointer(scales, first, reals), align=4)
        score = builder.fmul(builder.sitofp(builder.load(sums), reals), scale)
        builder.store(score, builder.bitcast(scores.data, reals.as_pointer()), align=4)
        above = builder.bitcast(builder.fcmp_ordered(">", score, everywhere(given[4], reals)), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", above, ir.Constant(ir.IntType(LANES), 0))

    return boolean(codes, scales, int64, levels, float32, scores), generate


@jit(types.void(given(float32), float32, made(int16)))
def leveled(query: Floats, reach: float, levels: NDArray[np.int16]) -> None:
    """A query in whole numbers of about the length ``reach``."""
    square = np.float64(0)
    for number in query:
        square += np.float64(number) * np.float64(number)
    scale = reach / np.sqrt(square) if square > 0 else 0.0
    for place in range(len(query)):
        levels[place] = np.int16(np.rint(query[place] * scale))


@jit(types.void(given(float32), made(int32)))
def roughly(scores: Floats, order: Integers) -> None:
    """The places of scores, the greatest first but for what is nearer than a BINS-th of their range."""
    low, high = scores[0], scores[0]
    for score in scores:
        low, high = min(low, score), max(high, score)
    step = np.float32(BINS - 1) / (high - low) if high > low else np.float32(0)
    count = np.zeros(BINS + 1, np.int32)
    for score in scores:
        count[np.int64((high - score) * step) + 1] += 1
    for at in range(BINS):
        count[at + 1] += count[at]
    for place in range(len(scores)):
        bin_ = np.int64((high - scores[place]) * step)
        order[count[bin_]] = place
        count[bin_] += 1


@jit(float32(given(float32), given(float32)), reorder=True)
def exact(vector: Floats, query: Floats) -> float:
    """The dot product of an item and a query."""
    total = np.float32(0)
    for place in range(len(query)):
        total += vector[place] * query[place]
    return float(total)


@jit(int64(made(int32), made(float32), int64, int32, float32))
def insert(items: Integers, scores: Floats, size: int, item: int, score: float) -> int:
    """Offer an item to a list of the best, best first; returns its size. Quick where most come in their order."""
    place = size
    if size == len(items):
        place -= 1
        if score < scores[place] or (score == scores[place] and item > items[place]):
            return size
    else:
        size += 1
    while place > 0 and (scores[place - 1] < score or (scores[place - 1] == score and items[place - 1] > item)):
        items[place], scores[place] = items[place - 1], scores[place - 1]
        place -= 1
    items[place], scores[place] = item, score
    return size


@jit(
    types.void(
        given(int8, 3), given(float32, 2), given(float32),
        given(int8, 3), given(float32, 2), given(int32), given(int32), given(float32, 2),
        given(float32, 2), float32, int64, given(boolean), made(int32, 2), made(float32, 2),
    )
)  # fmt: skip
def search(
    means: NDArray[np.int8],
    mean_scales: Floats,
    spread: Floats,
    codes: NDArray[np.int8],
    scales: Floats,
    starts: Integers,
    numbers: Integers,
    vectors: Floats,
    queries: Floats,
    reach: float,
    probes: int,
    allowed: NDArray[np.bool_],
    items: Integers,
    found: Floats,
) -> None:
    """The best items of each query, see ``Cells``; an empty ``allowed`` means all."""
    (n, k), cells = items.shape, len(spread)
    kept = min(k + k // 8 + SPARE, len(numbers))
    levels, scores = np.empty(codes.shape[1], np.int16), np.empty(LANES, np.float32)
    near, order = np.empty(len(means) * LANES, np.float32), np.empty(cells, np.int32)
    among, about = np.empty(kept, np.int32), np.empty(kept, np.float32)
    rank, sure = np.empty(kept, np.int32), np.empty(kept, np.float32)
    for row in range(n):
        leveled(queries[row], reach, levels)
        for block in range(len(means)):
            multiply(means, mean_scales, block, levels, np.float32(0), near[block * LANES : (block + 1) * LANES])
        for cell in range(cells):
            near[cell] += spread[cell]
        roughly(near[:cells], order)
        bound, count = np.float32(-np.inf), 0
        for cell in order[:probes]:
            for block in range(starts[cell], starts[cell + 1]):
                if scales[block, 0] * np.float32(SUM) < bound:
                    break  # nor does any item after these reach it
                if not multiply(codes, scales, block, levels, bound, scores):
                    continue
                for lane in range(LANES):
                    if scores[lane] > bound:
                        item = numbers[block * LANES + lane]
                        if len(allowed) == 0 or allowed[item]:
                            count = push(among, about, count, item, scores[lane])
                            if count == kept:
                                bound = about[0]
        if count:
            roughly(about[:count], rank)
        for place in range(count):
            sure[place] = exact(vectors[among[rank[place]]], queries[row])
        size = 0
        for place in range(count):
            size = insert(items[row], found[row], size, among[rank[place]], sure[place])
        items[row, size:] = -1
        found[row, size:] = -np.inf
