"""What every diversifier begins with: relevance on one scale, and the walk from place to place."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.data.rankings import Rankings
from recloop.errors import SettingError

BLOCK_BYTES = 2 * 2**20  # of what one step reads: it stays in the cache of a core

Floats = NDArray[np.float32]
Taken = NDArray[np.int64] | int
"""The candidates just taken, as indices into the flattened (n, m); of one request a plain number, which is quicker."""
Step = Callable[[Any, Floats], None]
"""From those ``Taken`` to what each candidate is worth now, written in place."""


def unit(vectors: Floats) -> Floats:
    """The vectors (n, d) brought to length 1; a zero vector stays zero.

    >>> unit(np.array([[3, 4], [0, 0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Floats = (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return directions


def relevance(rankings: Rankings) -> Floats:
    """(n, m) the scores of each row brought to [0, 1] over its candidates: 1 where all are equal, -inf in padding.

    >>> relevance(Rankings(np.array([[4, 2, 7, -1]], np.int32), np.array([[3, 2, 1, -np.inf]], np.float32))).tolist()
    [[1.0, 0.5, 0.0, -inf]]
    """
    scores = rankings.scores
    if rankings.items.min(initial=0) >= 0:
        low = scores.min(axis=1, keepdims=True, initial=np.inf)
        above = scores - low
        spread = above.max(axis=1, keepdims=True, initial=0.0)
        if spread.min(initial=1) > 0:
            return np.asarray(above / spread, np.float32)
    held = rankings.items >= 0
    low = np.where(held, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    above = np.where(held, scores, -np.inf) - np.where(np.isfinite(low), low, np.float32(0))
    spread = above.max(axis=1, keepdims=True, initial=0.0)
    flat = ~(spread > 0)
    above = np.where(flat & held, np.float32(1), above) / np.where(flat, np.float32(1), spread)
    return np.asarray(above, np.float32)


def gathered(values: Floats, rankings: Rankings) -> Floats:
    """(n, m, d) the row of ``values`` of each candidate; some row in padding.

    >>> gathered(np.array([[1.0], [2.0]], np.float32), Rankings(np.array([[1, -1]], np.int32), None)).tolist()
    [[[2.0], [2.0]]]
    """
    return values.take(rankings.items, axis=0)


def share(strength: float, name: str = "strength") -> float:
    """The number, where it lies in [0, 1].

    Raises:
        SettingError: it does not.

    >>> share(0.3)
    0.3
    """
    if not 0.0 <= strength <= 1.0:
        raise SettingError(f"{name} is {strength}", allowed="it must be a number between 0 and 1")
    return strength


def walk(base: Floats, k: int, step: Step, first: Floats | None = None) -> NDArray[np.int64]:
    """Place after place, the candidate with the greatest ``base`` plus what ``step`` says; ties go to the left.

    Args:
        base: (n, m) finite, -inf in padding; it is written to.
        k: places of the slate.
        step: see ``Step``; what it writes must be finite.
        first: (n, m) what is added for the first place; nothing where None.

    Returns:
        (n, k) int64 columns; -1 where a row has no candidate left.

    >>> walk(np.array([[1.0, 3.0, 2.0]], np.float32), 4, lambda taken, worth: worth.fill(0)).tolist()
    [[1, 2, 0, -1]]
    """
    n, m = base.shape
    taken = np.full((n, k), -1, dtype=np.int64)
    if not base.size:
        return taken
    lacking = base.min() == -np.inf
    left = np.count_nonzero(base > -np.inf, axis=1) if lacking else m
    worth = np.empty_like(base)
    gain = base.copy() if first is None else base + first
    places = min(k, m)
    if n == 1:
        taken[0, :places] = _alone(base, gain, worth, places, step)
    else:
        offsets, flat = np.arange(0, n * m, m), base.reshape(-1)
        for place in range(places):
            best = gain.argmax(axis=1)
            taken[:, place] = best
            if place + 1 == places:
                break
            best = best + offsets
            flat[best] = -np.inf
            step(best, worth)
            np.add(base, worth, out=gain)
    if lacking:
        taken[np.arange(k) >= np.reshape(left, (-1, 1))] = -1
    return taken


def _alone(base: Floats, gain: Floats, worth: Floats, places: int, step: Step) -> list[int]:
    row, line, taken = base[0], gain[0], []
    for place in range(places):
        best = int(line.argmax())
        taken.append(best)
        if place + 1 < places:
            row[best] = -np.inf
            step(best, worth)
            np.add(base, worth, out=gain)
    return taken


def in_blocks(
    rankings: Rankings, row_bytes: int, work: Callable[[Rankings, slice], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """What ``work`` makes of the rows, so many at a time that each step reads them from the cache.

    >>> four = Rankings(np.zeros((4, 1), np.int32), np.zeros((4, 1), np.float32))
    >>> in_blocks(four, BLOCK_BYTES // 2, lambda part, _rows: np.full((len(part), 1), len(part))).ravel().tolist()
    [2, 2, 2, 2]
    """
    n, size = len(rankings), max(1, BLOCK_BYTES // max(1, row_bytes))
    if n <= size:
        return work(rankings, slice(None))
    parts = [slice(at, at + size) for at in range(0, n, size)]
    return np.concatenate([work(Rankings(rankings.items[part], rankings.scores[part]), part) for part in parts])
