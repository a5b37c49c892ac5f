"""Logged slates as steps of a decision process: what was known before each, what was taken, what came of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.slates import SlateLog
from recloop.errors import DataError

DAY = 86_400.0


@dataclass(frozen=True)
class Steps:
    """The slates of a log by user and time, each a step.

    Attributes:
        log: n slates.
        before: (n,) what each user had done before the slate, the last events of it.
        after: (n,) the same right after the slate.
        ended: (n,) bool, the user never came back.
        follows: (n,) int64, the row of the user's next slate, -1 for the last.
    """

    log: SlateLog
    before: Histories
    after: Histories
    ended: NDArray[np.bool_]
    follows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.log)

    @property
    def rewards(self) -> NDArray[np.float64]:
        """(n,) what each slate earned."""
        return np.asarray(self.log.rewards.sum(axis=1, dtype=np.float64))

    def returns(self, discount: float) -> NDArray[np.float64]:
        """(n,) rewards of this slate and of the user's later ones, each worth ``discount`` of the one before."""
        total = self.rewards
        # by how many slates follow: users side by side
        left = np.zeros(len(self), np.int64)
        starts = np.flatnonzero(np.diff(self.log.users, prepend=-1) != 0)
        sizes = np.diff(starts, append=len(self))
        left = np.repeat(sizes, sizes) - 1 - (np.arange(len(self)) - np.repeat(starts, sizes))
        for still in range(1, int(left.max(initial=0)) + 1):
            rows = np.flatnonzero(left == still)
            total[rows] += discount * total[rows + 1]
        return total


def steps_of(dataset: Dataset, strategy: str, *, window: int, away: float, most: int | None = None) -> Steps:
    """The steps in the slates of a dataset.

    Args:
        dataset: with slates, and times in both logs.
        strategy: who asks, for the error.
        window: events of a history that are looked at.
        away: days without a slate, to the end of the log, after which a user is taken to have left for good.
        most: slates, the last ones of the log's users; all where None.

    Raises:
        DataError: there are no slates, or no times.
    """
    log = dataset.slates
    if log is None or not len(log):
        raise DataError(
            f"strategy '{strategy}' learns from slates that were shown, and this data has none",
            allowed="it needs a log of slates: slate, user, item, position, click, time and, if known, reward",
            advice='name it in the plan: [data] slates = "slates.parquet"',
        )
    if np.isnan(log.times).any() or not dataset.has_times:
        which = "log of slates" if np.isnan(log.times).any() else "event log"
        raise DataError(
            f"strategy '{strategy}' learns from what was known before each slate, and the {which} lacks times",
            advice="give both logs a column 'time'",
        )
    if most is not None and len(log) > most:  # whole users, so that no life is cut at its beginning
        first = int(log.users[len(log) - most])
        log = log.take(log.users > first) if (log.users > first).any() else log
    last = np.diff(log.users, append=-1) != 0
    end = float(log.times.max())
    follows = np.where(last, -1, np.arange(1, len(log) + 1))
    before = _until(dataset, log.users, log.times, window)
    # right after: at the next slate; or with all that is known of the user
    moments = np.where(last, np.inf, log.times[np.maximum(follows, 0)])
    after = _until(dataset, log.users, moments, window)
    return Steps(log, before, after, last & (end - log.times > away * DAY), follows)


def _until(dataset: Dataset, users: NDArray[np.int32], moments: NDArray[np.float64], window: int) -> Histories:
    """The last events of each user before each moment."""
    whole = dataset.histories()
    start = float(whole.times.min(initial=0.0))
    span = max(1.0, float(whole.times.max(initial=1.0)) - start + 2.0)
    keys = whole.rows * span + (whole.times - start)
    wanted = users * span + np.clip(moments - start, 0.0, span - 1.0)
    ends = np.searchsorted(keys, wanted, side="left")
    ends = np.clip(ends, whole.indptr[users], whole.indptr[users + 1])
    lengths = np.minimum(ends - whole.indptr[users], window)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    source = np.repeat(ends - lengths - indptr[:-1], lengths) + np.arange(indptr[-1])
    return Histories(
        indptr=indptr,
        items=whole.items[source],
        weights=whole.weights[source],
        times=whole.times[source],
        ratings=whole.ratings[source],
        now=np.where(np.isfinite(moments), moments, np.nan),
        keys=np.arange(len(users), dtype=np.uint64),
        n_items=whole.n_items,
    )
