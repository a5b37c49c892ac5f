"""What the network reads, gathered by a compiled loop. Imports numba: reach it through ``recloop.data.compiled``."""

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, float32, given, int32, int64, jit, made
from recloop.strategies.sequence.windows import GAPS

float64 = types.float64
LAST = GAPS - 1


@jit(
    types.void(
        given(int64), given(int64), given(int32), given(float64),
        given(float32, 2), given(float32, 2), given(float32, 2), made(float32, 3),
    )
)  # fmt: skip
def embedded(
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    items: Integers,
    times: NDArray[np.float64],
    vectors: Floats,
    places: Floats,
    gaps: Floats,
    x: Floats,
) -> None:
    """Each event's item, place counted from the newest, and time since the event before; see ``windows``.

    Args:
        starts: (n,) the first event of each history.
        lengths: (n,) events of each.
        items: of all events.
        times: likewise.
        vectors: (n_items, width).
        places: (window, width).
        gaps: (GAPS, width), or none.
        x: (n, longest, width), zeros behind the last event of a row.
    """
    n, width, window = len(starts), x.shape[2], len(places)
    for row in range(n):
        for step in range(lengths[row]):
            event = starts[row] + step
            own, place = vectors[items[event]], places[window - lengths[row] + step]
            for f in range(width):
                x[row, step, f] = own[f] + place[f]
            if len(gaps):
                gap = times[event] - times[event - 1] if step else np.nan
                since = 0 if np.isnan(gap) else min(1 + math.floor(math.log2(1 + max(gap, 0.0))), LAST)
                for f in range(width):
                    x[row, step, f] += gaps[since, f]
