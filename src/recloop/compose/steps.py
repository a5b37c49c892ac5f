"""Which step of a policy moved each item of a slate."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WORDS = {
    "fusion": "fusion of the sources",
    "objectives": "the objectives",
    "boosts": "a rule that boosts or buries",
    "diversity": "diversity",
    "caps": "a rule that caps",
    "pins": "a rule that pins",
    "within": "what was learned of single items",
    "explore": "exploration",
}


@dataclass(frozen=True, slots=True)
class Move:
    """The place of an item after a step, from 1; None where it is not among what was looked at."""

    step: str
    place: int | None


def moves_of(steps: Sequence[tuple[str, NDArray[np.int32]]], item: int, source: str = "") -> list[Move]:
    """Where an item stood after each step.

    Args:
        steps: names and (1, m) items after each, from ``SlatePolicy.steps``.
        item: its index.
        source: the only source that is told; all where "".

    >>> order = [("ease", np.array([[7, 4]], np.int32)), ("pins", np.array([[4, 7]], np.int32))]
    >>> moves_of(order, 4)
    [Move(step='ease', place=2), Move(step='pins', place=1)]
    """
    told = []
    for name, order in steps:
        if source and name not in (*WORDS, "slate", source):
            continue
        found = np.flatnonzero(order[0] == item)
        told.append(Move(name, int(found[0]) + 1 if len(found) else None))
    return told


def mover(told: Sequence[Move]) -> Move | None:
    """The step that moved an item furthest, with the place that it had after it; None where none moved it.

    An item that comes in counts as coming from just behind the deepest place that is told of it.

    >>> mover([Move("ease", 9), Move("fusion", 8), Move("diversity", 2), Move("slate", 2)])
    Move(step='diversity', place=2)
    """
    deepest = max((move.place or 0 for move in told), default=0) + 1
    best, furthest = None, 0
    for before, after in pairwise(told):
        if after.step in WORDS and after.place is not None:
            way = abs((before.place or deepest) - after.place)
            if way > furthest:
                best, furthest = after, way
    return best
