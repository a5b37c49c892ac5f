from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError, nearest
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.derived import Derived
from recloop.strategies.neighbours import KERNELS, rank_sparse
from recloop.strategies.prior import Order, fill_unreached, popularity, share

DAY = 86_400.0
DAYS = [None, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0]  # that are worth a try


class Popular(Strategy):
    """What most people took lately: the weight of the events of each item, the same for everyone or per segment.

    An event of age ``a`` days counts ``weight x 0.5 ** (a / half_life)``, and nothing beyond ``window`` days before
    the last event of the log. Items without such an event follow in the order of their popularity of all time. Where
    the log has no times, all events count alike.

    With ``segment`` each value of that attribute has its own counts, drawn towards those of everyone by ``smoothing``
    events (a Dirichlet prior); a request without the attribute gets the answer for everyone.

    >>> from recloop.strategies.popular import Popular
    >>> Popular(window=7).config()
    {'window': 7, 'half_life': None, 'segment': '', 'smoothing': 100.0}
    """

    name: ClassVar[str] = "popular"
    summary: ClassVar[str] = "what most people took lately, for everyone or per segment"

    window: float | None = setting(
        None, "count only events of the last so many days", low=1 / 24, high=36_500, search=DAYS
    )
    half_life: float | None = setting(
        None, "days after which an event counts half", low=1 / 24, high=36_500, search=DAYS
    )
    segment: str = setting("", "attribute of the user whose values get counts of their own")
    smoothing: float = setting(100.0, "events of everyone that each segment starts from", low=0, high=1e9)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        del progress  # counting is over before a bar is drawn
        events = dataset.positive
        users, items = events["user"].to_numpy(), events["item"].to_numpy()
        weights = events["weight"].to_numpy().astype(np.float64)
        if dataset.has_times:
            age = (dataset.now - events["time"].to_numpy()) / DAY
            if self.window is not None:
                weights = np.where(age <= self.window, weights, 0.0)
            if self.half_life is not None:
                weights *= 0.5 ** (age / self.half_life)
        prior = popularity(dataset)
        everyone = np.bincount(items, weights, minlength=dataset.n_items)
        self._segments: NDArray[np.str_] = np.array([], dtype=np.str_)
        tables = everyone[None, :]
        if self.segment:
            attributes = [name for name in dataset.users.columns if name != "user"]
            if self.segment not in attributes:
                raise SettingError(
                    f"strategy 'popular': the users have no attribute '{self.segment}'",
                    advice=nearest(self.segment, attributes) if attributes else "give a table of users",
                )
            column = dataset.users[self.segment].cast(str).fill_null("").to_numpy().astype(np.str_)
            self._segments, codes = np.unique(column, return_inverse=True)
            flat = codes[users] * dataset.n_items + items
            own = np.bincount(flat, weights, minlength=len(self._segments) * dataset.n_items)
            pull = self.smoothing * everyone / max(everyone.sum(), 1e-300)
            tables = np.concatenate([tables, own.reshape(len(self._segments), -1) + pull])
        self._tables = np.stack([fill_unreached(share(row), prior) for row in tables])

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return self._tables[self._rows(histories)]

    def _best(self, histories: Histories, k: int, allowed: NDArray[np.bool_] | None) -> Rankings | None:
        rows, orders = self._rows(histories), self._orders.of(self._tables)
        if len(rows) and not rows.any():  # everyone's, as for most who ask
            one = orders[0].best(k, allowed)
            return Rankings(np.repeat(one.items, len(rows), axis=0), np.repeat(one.scores, len(rows), axis=0))
        tables, places = np.unique(rows, return_inverse=True)
        best = [orders[table].best(k, allowed) for table in tables]
        if not best:
            return None
        items, scores = np.concatenate([b.items for b in best]), np.concatenate([b.scores for b in best])
        return Rankings(items[places], scores[places])

    @cached_property
    def _orders(self) -> Derived[list[Order]]:
        return Derived(lambda tables: [Order(table) for table in tables])

    def _rank_block(
        self, histories: Histories, k: int, *, hide_seen: bool, allowed: NDArray[np.bool_] | None
    ) -> Rankings:
        if compiled(KERNELS, work=len(histories) * histories.n_items) is None:
            return super()._rank_block(histories, k, hide_seen=hide_seen, allowed=allowed)
        ranked = Rankings(np.empty((len(histories), k), np.int32), np.empty((len(histories), k), np.float32))
        nothing = _nothing(histories.n_items, histories.n_items)
        rows = self._rows(histories)
        for table in np.unique(rows):
            here = np.flatnonzero(rows == table)
            part = histories.take(here)
            best = rank_sparse(
                _nothing(len(part), part.n_items), nothing, self._tables[table], k, part if hide_seen else None, allowed
            )
            ranked.items[here], ranked.scores[here] = best.items, best.scores
        return ranked

    def _rows(self, histories: Histories) -> NDArray[np.intp]:
        """(n,) the row of the table that answers each request: 0 is everyone's."""
        if not len(self._segments) or self.segment not in histories.profiles:
            return np.zeros(len(histories), dtype=np.intp)
        wanted = histories.profiles[self.segment].astype(np.str_)
        found = np.minimum(np.searchsorted(self._segments, wanted), len(self._segments) - 1)
        known = (self._segments[found] == wanted) & (wanted != "")
        return np.where(known, found + 1, 0)


def _nothing(n: int, width: int) -> sparse.csr_array:
    """(n, width) zeros."""
    return sparse.csr_array((np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(n + 1, np.int64)), (n, width))
