from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.steering import Steering
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError

Items = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be shown to whom, as data. Applied to scores before the best are taken, so no slate gets shorter.

    Attributes:
        hide_seen: leave out the items of each history.
        allowed: (n_items,) bool, what is available at all; None means everything.
        exclude: per request, item indices never to show; None means none.
        candidates: per request, the only item indices that may be shown, or None for no limit.
        steering: what the wishes of each request leave out, and pull up or down; None means nothing.

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
        )

    def take(self, rows: NDArray[np.integer]) -> "Rules":
        """The rules of the given requests."""
        return Rules(
            self.hide_seen,
            self.allowed,
            None if self.exclude is None else [self.exclude[row] for row in rows],
            None if self.candidates is None else [self.candidates[row] for row in rows],
            None if self.steering is None else self.steering.take(rows),
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
        if self.candidates is not None or self.steering is not None:
            return None
        hidden = histories.lengths if self.hide_seen else np.zeros(len(histories), np.int64)
        if self.exclude is not None:
            hidden = hidden + np.array([len(row) for row in self.exclude], dtype=np.int64)
        return int(hidden.max(initial=0))

    def kept(self, found: Rankings, histories: Histories, k: int) -> Rankings:
        """The k best of what was found among the allowed items, without what is hidden."""
        rows, items = (histories.rows, histories.items) if self.hide_seen else _pairs([()])
        if self.exclude is not None:
            also = _pairs(self.exclude)
            rows, items = np.concatenate([rows, also[0]]), np.concatenate([items, also[1]])
        out = found.items < 0
        if len(items):
            hidden = np.sort(rows * histories.n_items + items)
            cells = np.arange(len(found))[:, None] * histories.n_items + found.items
            out |= hidden[np.minimum(np.searchsorted(hidden, cells), len(hidden) - 1)] == cells
        order = np.argsort(out, axis=1, kind="stable")[:, :k]
        lost = np.take_along_axis(out, order, axis=1)
        return Rankings(
            np.where(lost, np.int32(-1), np.take_along_axis(found.items, order, axis=1)),
            np.where(lost, np.float32(-np.inf), np.take_along_axis(found.scores, order, axis=1)),
        )

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


def _pairs(rows: Sequence[Items]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and item of each entry, unknown items left out."""
    lengths = [len(row) for row in rows]
    place = np.repeat(np.arange(len(rows), dtype=np.int64), lengths)
    items = np.concatenate([np.empty(0, np.int64), *(np.asarray(row, dtype=np.int64) for row in rows)])
    known = items >= 0
    return place[known], items[known]
