"""Slates written as lists, and the same metrics computed the slow way."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.truth import Truth
from recloop.metrics import Judged


def rankings(slates: Sequence[Sequence[int]], k: int | None = None) -> Rankings:
    width = max((len(slate) for slate in slates), default=0) if k is None else k
    items = np.full((len(slates), width), -1, dtype=np.int32)
    scores = np.full((len(slates), width), -np.inf, dtype=np.float32)
    for row, slate in enumerate(slates):
        items[row, : len(slate)] = slate
        scores[row, : len(slate)] = np.arange(len(slate), 0, -1)
    return Rankings(items, scores)


def truth(relevant: Sequence[Sequence[int]], n_items: int) -> Truth:
    rows = [row for row, items in enumerate(relevant) for _ in items]
    items = [item for entry in relevant for item in entry]
    return Truth.of(rows, items, np.ones(len(rows)), n_rows=len(relevant), n_items=n_items)


def judge(
    slates: Sequence[Sequence[int]],
    relevant: Sequence[Sequence[int]],
    n_items: int = 20,
    histories: Sequence[Sequence[int]] | None = None,
    k: int | None = None,
    **extra: Any,
) -> Judged:
    seen = Histories.of(histories if histories is not None else [[] for _ in slates], n_items=n_items)
    return Judged(rankings(slates, k), truth(relevant, n_items), seen, **extra)


def slow(name: str, slate: Sequence[int], relevant: Sequence[int], k: int) -> float:
    """One metric of one slate, straight from its definition."""
    if not relevant:
        return math.nan
    shown = list(slate)[:k]
    hits = [rank for rank, item in enumerate(shown, start=1) if item in relevant]
    precision, recall = len(hits) / k, len(hits) / len(relevant)
    best = min(len(relevant), k)
    match name:
        case "precision":
            return precision
        case "recall":
            return recall
        case "f1":
            return 2 * precision * recall / (precision + recall) if hits else 0.0
        case "hit-rate":
            return float(bool(hits))
        case "mrr":
            return 1 / hits[0] if hits else 0.0
        case "map":
            return sum(sum(other <= rank for other in hits) / rank for rank in hits) / best
        case "ndcg":
            return sum(1 / math.log2(rank + 1) for rank in hits) / sum(
                1 / math.log2(rank + 1) for rank in range(1, best + 1)
            )
    raise AssertionError(name)
