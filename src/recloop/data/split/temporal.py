import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recloop.data.dataset import Dataset
from recloop.data.split.base import Split, Splitter
from recloop.errors import DataError


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
