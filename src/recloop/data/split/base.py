"""What a split is, and what every way to make one shares."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.split.core import k_core
from recloop.data.truth import Truth
from recloop.errors import DataError, SettingError


@dataclass(frozen=True)
class Split:
    """A log parted for evaluation.

    Attributes:
        name: which splitter made it.
        train: what strategies learn from; the same catalogue and users as the whole.
        histories: one row per judged user, what is known at the moment of the request.
        truth: one row per judged user, what they did afterwards (distinct items of positive events).
        users: (n,) int32 user index of each row.
        allowed: (n_items,) bool, the items that may be shown at all; None means all.
        hide_seen: whether items of the history are neither shown nor counted as truth.
        leaks: sentences that say what the training knows and would not know live.
        cut: the moment (seconds) that parts training from truth, None where the split is not by time.
        notes: sentences that say whom or what the split leaves out, with numbers.
    """

    name: str
    train: Dataset
    histories: Histories
    truth: Truth
    users: NDArray[np.int32]
    allowed: NDArray[np.bool_] | None
    hide_seen: bool
    leaks: tuple[str, ...]
    cut: float | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.histories)


@dataclass(frozen=True, kw_only=True)
class Splitter(ABC):
    """A way to split. Its fields are its settings.

    Args:
        hide_seen: neither show nor judge items that are already in the history.
        min_user_events: leave out users with fewer positive events, before the split.
        min_item_events: leave out events on items with fewer positive events, before the split. Both together are
            applied until both hold (the k-core).
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    hide_seen: bool = True
    min_user_events: int = 0
    min_item_events: int = 0

    def __post_init__(self) -> None:
        self._at_least("min_user_events", 0)
        self._at_least("min_item_events", 0)

    @abstractmethod
    def _split(self, dataset: Dataset) -> Split:
        """The split of a log that has been filtered."""

    def __call__(self, dataset: Dataset) -> Split:
        """Split a log.

        Raises:
            DataError: the log cannot be split this way, or nobody is left to be judged.
        """
        core, notes = k_core(dataset, self.min_user_events, self.min_item_events)
        made = self._split(core)
        if not len(made):
            raise DataError(
                f"the split '{self.name}' leaves no user to judge, of {dataset.n_users} users and "
                f"{dataset.n_events} events",
                allowed="a judged user needs a history and at least one new item after it",
                advice="take more data, another split, or lower min_user_events and min_item_events",
            )
        return replace(made, notes=notes + made.notes)

    def _at_least(self, setting: str, low: int) -> None:
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise SettingError(
                f"split '{self.name}': {setting} is {value!r}", allowed=f"it must be a whole number, at least {low}"
            )

    def _share(self, setting: str) -> None:
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise SettingError(
                f"split '{self.name}': {setting} is {value!r}",
                allowed="it must be a number between 0 and 1",
                advice="0.2 keeps a fifth for the test",
            )

    def _made(
        self,
        dataset: Dataset,
        *,
        train: NDArray[np.bool_],
        history: NDArray[np.bool_],
        truth: NDArray[np.bool_],
        leaks: tuple[str, ...],
        notes: tuple[str, ...] = (),
        allowed: NDArray[np.bool_] | None = None,
        cut: float | None = None,
        need_history: bool = True,
    ) -> Split:
        """The split from masks over the events; whoever has no truth left is left out."""
        user, item = dataset.events["user"].to_numpy(), dataset.events["item"].to_numpy()
        positive = dataset.events["weight"].to_numpy() > 0
        past, future = history & positive, truth & positive
        pair = user.astype(np.int64) * dataset.n_items + item
        if self.hide_seen:
            # Polars' hash set: np.isin would sort the whole log
            future[future] = ~pl.Series(pair[future]).is_in(pl.Series(pair[past]).implode()).to_numpy()
            repeats = int((truth & positive).sum() - future.sum())
            if repeats:
                notes = (*notes, f"{repeats} held-out events are on items already in the history and are not judged")
        neither = int((~train & ~history & ~truth).sum())
        if neither:
            notes = (*notes, f"{neither} events are neither learned from, nor known at the request, nor judged")
        judged = np.zeros(dataset.n_users, dtype=bool)
        judged[user[future]] = True
        if need_history:
            known = np.zeros(dataset.n_users, dtype=bool)
            known[user[past]] = True
            cold = int((judged & ~known).sum())
            if cold:
                notes = (*notes, f"{cold} users have no event before their truth and are not judged")
            judged &= known
        users = np.flatnonzero(judged).astype(np.int32)
        future &= judged[user]
        row = np.cumsum(judged) - 1
        # the moment of the request: the cut, or the first event that is held out (events are sorted)
        first = np.unique(user[future], return_index=True)[1]
        now = dataset.events["time"].fill_null(float("nan")).to_numpy()[future][first]
        whole = dataset.with_events(dataset.events.filter(pl.Series(past)))
        return Split(
            name=self.name,
            train=dataset.with_events(dataset.events.filter(pl.Series(train))),
            histories=replace(
                whole.histories(users, profiles=True), now=now if cut is None else np.full(len(users), cut)
            ),
            truth=Truth.of(
                row[user[future]],
                item[future],
                dataset.events["weight"].to_numpy()[future],
                n_rows=len(users),
                n_items=dataset.n_items,
            ),
            users=users,
            allowed=allowed,
            hide_seen=self.hide_seen,
            leaks=leaks,
            cut=cut,
            notes=notes,
        )
