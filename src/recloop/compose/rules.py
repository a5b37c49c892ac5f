from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.steering import Steering
from recloop.data.compiled import often
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, along
from recloop.errors import SettingError

Items = Sequence[int] | NDArray[np.integer]
KERNELS = "recloop.compose.kernels"


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be shown to whom, as data. Applied to scores before the best are taken, so no slate gets shorter.

    Attributes:
        hide_seen: leave out the items of each history.
        allowed: (n_items,) bool, what is available at all; None means everything.
        exclude: per request, item indices never to show; None means none.
        candidates: per request, the only item indices that may be shown, or None for no limit.
        steering: what the wishes of each request leave out, and pull up or down; None means nothing.
        taken: (n, t) item indices that stand elsewhere already, -1 for none; None means nothing.
        hidden: (n, n_items) bool, what else is hidden from whom; None means nothing.
        effects: whether a policy is to measure what its business rules did; it shows nothing else for it.

    Indices below 0 (unknown items) are ignored.

    >>> rules = Rules(exclude=[[2]], candidates=[[0, 2, 3]])
    >>> scores = np.zeros((1, 5), np.float32)
    >>> rules.apply(scores, Histories.of([[0]], n_items=5))
    >>> scores.tolist()
    [[-inf, -inf, -inf, 0.0, -inf]]
    """

    hide_seen: bool = True
    allowed: NDArray[np.bool_] | None = None
    exclude: Sequence[Items] | None = None
    candidates: Sequence[Items | None] | None = None
    steering: Steering | None = None
    taken: NDArray[np.int32] | None = None
    hidden: NDArray[np.bool_] | None = None
    effects: bool = False

    def check(self, n: int, n_items: int) -> None:
        """Raise SettingError where the rules do not fit n requests over n_items items."""
        for name, rows in (("exclude", self.exclude), ("candidates", self.candidates)):
            if rows is not None and len(rows) != n:
                raise SettingError(f"'{name}' has {len(rows)} rows", allowed=f"one per request is needed: {n}")
        if self.steering is not None and len(self.steering) != n:
            raise SettingError(f"'steering' has {len(self.steering)} rows", allowed=f"one per request is needed: {n}")
        if self.allowed is not None and self.allowed.shape != (n_items,):
            raise SettingError(
                f"'allowed' has the shape {self.allowed.shape}", allowed=f"one entry per item is needed: ({n_items},)"
            )

    def block(self, start: int, stop: int) -> "Rules":
        """The rules of requests ``start`` to ``stop``."""
        return Rules(
            self.hide_seen,
            self.allowed,
            None if self.exclude is None else self.exclude[start:stop],
            None if self.candidates is None else self.candidates[start:stop],
            None if self.steering is None else self.steering.take(slice(start, stop)),
            None if self.taken is None else self.taken[start:stop],
            None if self.hidden is None else self.hidden[start:stop],
            self.effects,
        )

    def take(self, rows: NDArray[np.integer]) -> "Rules":
        """The rules of the given requests."""
        return Rules(
            self.hide_seen,
            self.allowed,
            None if self.exclude is None else [self.exclude[row] for row in rows],
            None if self.candidates is None else [self.candidates[row] for row in rows],
            None if self.steering is None else self.steering.take(rows),
            None if self.taken is None else self.taken[rows],
            None if self.hidden is None else self.hidden[rows],
            self.effects,
        )

    def apply(self, scores: NDArray[np.float32], histories: Histories) -> None:
        """Steer the scores (n, n_items), and set those of what may not be shown to -inf, in place."""
        self._hide(scores, histories)
        if self.steering is not None:
            self.steering.apply(scores)

    def spare(self, histories: Histories) -> int | None:
        """How many more items than wanted must be found so that enough are left once ``kept`` took its share.

        None where that does not help: another order is wished for, or what may be shown is a list.
        """
        if self.candidates is not None or self.steering is not None or self.hidden is not None:
            return None
        hidden = histories.lengths if self.hide_seen else np.zeros(len(histories), np.int64)
        if self.exclude is not None:
            hidden = hidden + np.array([len(row) for row in self.exclude], dtype=np.int64)
        if self.taken is not None:
            hidden = hidden + np.count_nonzero(self.taken >= 0, axis=1)
        return int(hidden.max(initial=0))

    def kept(self, found: Rankings, histories: Histories, k: int) -> Rankings:
        """The k best of what was found among the allowed items, without what is hidden."""
        if self.exclude is None and self.taken is None and (kernels := often(KERNELS, found.items.size)):
            shape = len(found), min(k, found.k)
            left = Rankings(np.empty(shape, np.int32), np.empty(shape, np.float32))
            starts, known = (histories.indptr, histories.items) if self.hide_seen else _nothing(len(found))
            kernels.kept(
                np.ascontiguousarray(found.items, np.int32), np.ascontiguousarray(found.scores, np.float32),
                np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(known, np.int32), left.items, left.scores,
            )  # fmt: skip
            return left
        out = (found.items < 0) | self._refused(found.items, histories)
        items, scores = moved_up(out, (found.items, -1), (found.scores, -np.inf))
        return Rankings(items[:, :k], scores[:, :k])

    def permits(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:
        """(n, m) which of these items may be shown; padding may not.

        >>> Rules(exclude=[[2]]).permits(np.array([[0, 1, 2, -1]], np.int32), Histories.of([[0]], n_items=3)).tolist()
        [[False, True, False, False]]
        """
        safe = np.maximum(items, 0)
        out = (items < 0) | self._refused(items, histories)
        rows = np.arange(len(items))[:, None]
        if self.allowed is not None:
            out |= ~self.allowed[safe]
        if self.hidden is not None:
            out |= self.hidden[rows, safe]
        if self.steering is not None:
            steered = self.steering.rows >= 0
            if steered.any():
                out[steered] |= ~self.steering.shown[self.steering.rows[steered, None], safe[steered]]
        if self.candidates is not None:
            limited = np.array([row is not None for row in self.candidates], dtype=bool)
            known = _pairs([() if row is None else row for row in self.candidates])
            out |= limited[:, None] & ~within(items, known, histories.n_items)
        return ~out

    def _refused(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:
        """(n, m) which items are of the history, excluded or taken."""
        rows, known = (histories.rows, histories.items) if self.hide_seen else _pairs([()])
        for also in (self.exclude, self.taken):
            if also is not None:
                more = _pairs(also)
                rows, known = np.concatenate([rows, more[0]]), np.concatenate([known, more[1]])
        return within(items, (rows, known), histories.n_items)

    def _hide(self, scores: NDArray[np.float32], histories: Histories) -> None:
        if self.candidates is not None:
            limited = np.array([row is not None for row in self.candidates], dtype=bool)
            rows, items = _pairs([() if row is None else row for row in self.candidates])
            kept = scores[rows, items]
            scores[limited] = -np.inf
            scores[rows, items] = kept
        if self.allowed is not None:
            scores[:, ~self.allowed] = -np.inf
        if self.hide_seen:
            scores[histories.rows, histories.items] = -np.inf
        if self.exclude is not None:
            scores[_pairs(self.exclude)] = -np.inf
        if self.taken is not None:
            scores[_pairs(self.taken)] = -np.inf
        if self.hidden is not None:
            scores[self.hidden] = -np.inf


def moved_up(out: NDArray[np.bool_], *columns: tuple[NDArray[Any], float]) -> list[NDArray[Any]]:
    """Arrays (n, m) without the places that are out; what follows moves up, and the end is filled.

    >>> moved_up(np.array([[True, False]]), (np.array([[3, 4]]), -1))[0].tolist()
    [[4, -1]]
    """
    order = np.argsort(out, axis=1, kind="stable")
    lost = along(out, order)
    return [np.where(lost, np.asarray(fill, own.dtype), along(own, order)) for own, fill in columns]


def within(
    items: NDArray[np.int32], pairs: tuple[NDArray[np.integer], NDArray[np.integer]], n_items: int
) -> NDArray[np.bool_]:
    """(n, m) which items stand beside their own row in the pairs (row, item).

    >>> pairs = np.array([0, 1]), np.array([4, 3])
    >>> within(np.array([[3, 4], [3, 4]], np.int32), pairs, 9).tolist()
    [[False, True], [True, False]]
    """
    if not len(pairs[1]):
        return np.zeros(items.shape, bool)
    known = np.sort(pairs[0] * n_items + pairs[1])
    cells = np.arange(len(items))[:, None] * n_items + items
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, cells), len(known) - 1)] == cells
    return found


def _nothing(n: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where the items of n histories start that hold none, and these items."""
    return np.zeros(n + 1, np.int64), np.empty(0, np.int32)


def _pairs(rows: Sequence[Items] | NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and item of each entry, unknown items left out."""
    if isinstance(rows, np.ndarray) and rows.ndim > 1:
        place, column = np.nonzero(rows >= 0)
        return place, rows[place, column].astype(np.int64)
    lengths = [len(row) for row in rows]
    place = np.repeat(np.arange(len(rows), dtype=np.int64), lengths)
    items = np.concatenate([np.empty(0, np.int64), *(np.asarray(row, dtype=np.int64) for row in rows)])
    known = items >= 0
    return place[known], items[known]
