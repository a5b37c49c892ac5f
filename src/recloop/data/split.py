"""Ways to part a log into what strategies learn from and what they are judged by, each saying what leaks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.truth import Truth
from recloop.errors import DataError, MissingError, SettingError, nearest


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


@dataclass(frozen=True, kw_only=True)
class Temporal(Splitter):
    """One moment for everybody: learn before it, judge after it. The only split that could have happened live.

    Args:
        test_fraction: the share of events after the cut. Events at the same time stay together, so that the share is
            met as nearly as the times allow.
        cold_users: judge users without a history too.
    """

    name: ClassVar[str] = "temporal"
    summary: ClassVar[str] = "one moment for everybody: learn before it, judge after it"

    test_fraction: float = 0.2
    cold_users: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("test_fraction")

    def _split(self, dataset: Dataset) -> Split:
        if not dataset.has_times:
            missing = dataset.events["time"].null_count()
            raise DataError(
                f"{missing} of {dataset.n_events} events have no time",
                allowed="the split 'temporal' needs the time of every event",
                advice="map a time column, or choose the split 'leave-last-out', which needs only an order",
            )
        at = dataset.events["time"].to_numpy()
        ordered = np.sort(at)
        if ordered[0] == ordered[-1]:
            raise DataError(
                f"all {len(at)} events happen at one time, {ordered[0]:.0f}",
                allowed="the split 'temporal' needs at least two moments",
                advice="check the time column, or choose the split 'leave-last-out'",
            )
        cut = ordered[min(len(at) - 1, max(0, math.ceil(len(at) * (1 - self.test_fraction)) - 1))]
        if cut == ordered[-1]:
            cut = ordered[np.searchsorted(ordered, cut) - 1]
        past = at <= cut
        return self._made(
            dataset,
            train=past,
            history=past,
            truth=~past,
            cut=float(cut),
            need_history=not self.cold_users,
            leaks=(
                "No event after the cut is learned from.",
                "Attributes of items and users are as they stand in the files: values changed after the cut leak.",
                "The catalogue holds items that appear only after the cut; a strategy may show them.",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class LeaveLastOut(Splitter):
    """The last positive events of each user are the truth, all before them is learned from.

    Args:
        n: how many last events of each user are held out.
        skip: leave out this many last events altogether first. ``skip=1`` makes the validation split that belongs to
            the test split with ``skip=0``.
    """

    name: ClassVar[str] = "leave-last-out"
    summary: ClassVar[str] = "the last event of each user is the truth"

    n: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("n", 1)
        self._at_least("skip", 0)

    def _split(self, dataset: Dataset) -> Split:
        # a user with too few events to be judged is learned from as a whole
        counts, left = _places_from_end(dataset)
        enough = counts > self.n + self.skip
        truth = enough & (left >= self.skip) & (left < self.skip + self.n)
        past = ~enough | (left >= self.skip + self.n)
        return self._made(
            dataset,
            train=past,
            history=past & enough,
            truth=truth,
            leaks=(
                "Each user is cut at another moment: later events of other users are learned from, and trends leak.",
                "Popularity is counted over the whole log, with the future of most users in it.",
                "Events at the same time are ordered by their place in the file.",
            ),
            notes=_note(~enough & (left == 0), "users have too few events to be judged; they are learned from"),
        )


@dataclass(frozen=True, kw_only=True)
class PerUserRandom(Splitter):
    """A random share of each user's positive events is the truth.

    Args:
        test_fraction: the share of each user's events, rounded down, at least one where the user has two.
        seed: which events.
    """

    name: ClassVar[str] = "per-user-random"
    summary: ClassVar[str] = "a random share of each user's events is the truth"

    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("test_fraction")
        self._at_least("seed", 0)

    def _split(self, dataset: Dataset) -> Split:
        user = dataset.events["user"].to_numpy()
        positive = dataset.events["weight"].to_numpy() > 0
        draw = np.random.default_rng(self.seed).random(len(user))
        counts = np.bincount(user[positive], minlength=dataset.n_users)
        held = np.where(counts >= 2, np.maximum(1, np.floor(counts * self.test_fraction)), 0)
        order = np.lexsort((draw, ~positive, user))
        starts = np.searchsorted(user, np.arange(dataset.n_users))
        place = np.empty(len(user), dtype=np.int64)
        place[order] = np.arange(len(user)) - starts[user]
        truth = positive & (place < held[user])
        return self._made(
            dataset,
            train=~truth,
            history=~truth,
            truth=truth,
            leaks=(
                "Later events of the same user and of everybody else are learned from: the future leaks in full.",
                "Figures are higher than anything that will be seen live.",
                "Near-duplicates (the same session, the next episode) stand on both sides.",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ColdUser(Splitter):
    """A random share of the users is never learned from; they are judged by the last part of their own events.

    Args:
        user_fraction: the share of users held out.
        test_fraction: the share of a held-out user's events that is truth, rounded down, at least one.
        history: at most this many of the user's last events are known at the request; None means all, 0 a visitor
            about whom nothing is known.
        seed: which users.
    """

    name: ClassVar[str] = "cold-user"
    summary: ClassVar[str] = "users that were never learned from"

    user_fraction: float = 0.1
    test_fraction: float = 0.2
    history: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("user_fraction")
        self._share("test_fraction")
        self._at_least("seed", 0)
        if self.history is not None:
            self._at_least("history", 0)

    def _split(self, dataset: Dataset) -> Split:
        user = dataset.events["user"].to_numpy()
        counts, left = _places_from_end(dataset)
        held = np.maximum(1, np.floor(counts * self.test_fraction))
        least = 1 if self.history == 0 else 2
        able = np.unique(user[counts >= least])
        chosen = np.zeros(dataset.n_users, dtype=bool)
        n_chosen = max(1, round(len(able) * self.user_fraction))
        chosen[np.random.default_rng(self.seed).permutation(able)[:n_chosen]] = True
        cold = chosen[user]
        past = cold & (left >= held)
        if self.history is not None:
            past &= left < held + self.history
        return self._made(
            dataset,
            train=~cold,
            history=past,
            truth=cold & (left < held),
            need_history=self.history != 0,
            leaks=(
                "Nothing of the judged users is learned from.",
                "Later events of other users are learned from, and trends leak.",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ColdItem(Splitter):
    """A random share of the items is never learned from; only these may be shown, and only these are truth.

    Args:
        item_fraction: the share of items held out.
        seed: which items.
    """

    name: ClassVar[str] = "cold-item"
    summary: ClassVar[str] = "items that were never learned from"

    item_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("item_fraction")
        self._at_least("seed", 0)

    def _split(self, dataset: Dataset) -> Split:
        item = dataset.events["item"].to_numpy()
        positive = dataset.events["weight"].to_numpy() > 0
        touched = np.unique(item[positive])
        chosen = np.zeros(dataset.n_items, dtype=bool)
        n_chosen = max(1, round(len(touched) * self.item_fraction))
        chosen[np.random.default_rng(self.seed).permutation(touched)[:n_chosen]] = True
        cold = chosen[item]
        return self._made(
            dataset,
            train=~cold,
            history=~cold,
            truth=cold,
            allowed=chosen,
            leaks=(
                "Nothing that happened to the judged items is learned from; their attributes and texts are known.",
                "Histories hold events after the ones to be foretold, so that the taste of a later day leaks.",
                "Only the held-out items compete: figures do not compare with those of other splits.",
            ),
        )


SPLITTERS: Mapping[str, type[Splitter]] = {
    splitter.name: splitter for splitter in (Temporal, LeaveLastOut, PerUserRandom, ColdUser, ColdItem)
}


def splitter(name: str, **settings: Any) -> Splitter:
    """The splitter of that name, with its settings checked.

    Raises:
        MissingError: no split has that name; the nearest is offered.
        SettingError: a setting is unknown or out of range.

    >>> splitter("temporal", test_fraction=0.1).test_fraction
    0.1
    """
    if name not in SPLITTERS:
        raise MissingError(f"there is no split '{name}'", advice=nearest(name, SPLITTERS))
    known = {field.name for field in fields(SPLITTERS[name])}
    for unknown in sorted(set(settings) - known):
        raise SettingError(f"split '{name}' has no setting '{unknown}'", advice=nearest(unknown, known))
    return SPLITTERS[name](**settings)


def split(dataset: Dataset, name: str = "temporal", **settings: Any) -> Split:
    """Part a log into what is learned from and what is judged by.

    Args:
        dataset: the whole log.
        name: ``temporal``, ``leave-last-out``, ``per-user-random``, ``cold-user`` or ``cold-item``.
        settings: of that splitter.

    Raises:
        MissingError: no split has that name.
        SettingError: a setting is unknown or out of range.
        DataError: the log cannot be split this way, or nobody is left to be judged.

    >>> log = pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "y", "y", "x"], "time": [1.0, 4.0, 2.0, 3.0]})
    >>> made = split(Dataset.of(log), "temporal", test_fraction=0.25)
    >>> made.cut, made.train.n_events, len(made), made.truth.items.tolist()
    (3.0, 3, 1, [1])
    """
    return splitter(name, **settings)(dataset)


def k_core(dataset: Dataset, min_user: int, min_item: int) -> tuple[Dataset, tuple[str, ...]]:
    """The largest part of the log in which each user and item with events has at least so many positive ones.

    Events of weight 0 go with their user or item.
    """
    if min_user <= 1 and min_item <= 1:
        return dataset, ()
    events = dataset.events
    while True:
        positive = pl.col("weight") > 0
        kept = events.filter((positive.sum().over("user") >= min_user) & (positive.sum().over("item") >= min_item))
        if kept.height == events.height:
            break
        events = kept
    gone = dataset.n_events - events.height
    if events.is_empty():
        raise DataError(
            f"no event is left of {dataset.n_events}",
            allowed=f"each user needs {min_user} and each item {min_item} positive events",
            advice="lower min_user_events or min_item_events",
        )
    rule = f"users with fewer than {min_user} or items with fewer than {min_item} positive events"
    notes = (f"{gone} of {dataset.n_events} events were left out: {rule}",) if gone else ()
    return dataset.with_events(events), notes


def _places_from_end(dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per event: how many positive events its user has, and how many of them come later (events are sorted)."""
    user = dataset.events["user"].to_numpy()
    positive = dataset.events["weight"].to_numpy() > 0
    counts = np.bincount(user[positive], minlength=dataset.n_users)
    upto = np.cumsum(positive)
    before = np.concatenate([[0], np.cumsum(counts)])[user]
    return counts[user], counts[user] - (upto - before)


def _note(mask: NDArray[np.bool_], sentence: str) -> tuple[str, ...]:
    count = int(mask.sum())
    return (f"{count} {sentence}",) if count else ()
