from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories

SIZES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 200, 256, 384, 512)
GAPS = 32  # classes of time between two events: the powers of two of a second, up to 68 years


@dataclass(frozen=True)
class Batch:
    """Windows of one size, filled up behind their last event.

    Attributes:
        items: (n, size) int64.
        places: (n, size) int64, counted so that the newest event of a full window has the last.
        gaps: (n, size) int64, see ``gap_classes``.
        filled: (n, size) bool, where there is an event.
    """

    items: NDArray[np.int64]
    places: NDArray[np.int64]
    gaps: NDArray[np.int64]
    filled: NDArray[np.bool_]


def gap_classes(times: NDArray[np.float64], indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    """(nnz,) the class of the time since the event before: 0 unknown or first, else 1 + floor(log2(1 + seconds)).

    >>> gap_classes(np.array([0.0, 1.0, 8.0, np.nan]), np.array([0, 4])).tolist()
    [0, 2, 4, 0]
    """
    gaps = np.empty_like(times)
    gaps[1:] = times[1:] - times[:-1]
    gaps[indptr[:-1][indptr[1:] > indptr[:-1]]] = np.nan
    known = ~np.isnan(gaps)
    classes = 1 + np.floor(np.log2(1 + np.maximum(np.where(known, gaps, 0), 0)))
    return np.where(known, np.minimum(classes, GAPS - 1), 0).astype(np.int64)


def gather(
    histories: Histories,
    gaps: NDArray[np.int64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    size: int,
    window: int,
    ahead: int = 0,
) -> Batch:
    """Windows of events as one padded batch: window i is ``lengths[i]`` events from place ``starts[i]`` of all.

    The last ``ahead`` events of a window are foretold only, and need no place.
    """
    steps = np.arange(size)
    filled = steps < lengths[:, None]
    source = np.where(filled, starts[:, None] + steps, 0)
    places = np.where(filled, np.minimum(window + ahead - lengths[:, None] + steps, window - 1), 0)
    return Batch(
        items=np.where(filled, histories.items[source], 0).astype(np.int64),
        places=places,
        gaps=np.where(filled, gaps[source], 0),
        filled=filled,
    )


class Windows:
    """The histories cut into windows for training, all events of all users, in batches of about equal work.

    A history longer than a window is cut anew in each epoch. Windows of similar length share a batch, so that little
    is filled up. How many batches there are depends on the lengths alone.

    Args:
        histories: of the training users; rows of fewer than two events teach nothing.
        window: the most events that foretell.
        tokens: events in a batch.
    """

    def __init__(self, histories: Histories, window: int, tokens: int) -> None:
        self.histories, self.window = histories, window
        self.gaps = gap_classes(histories.times, histories.indptr)
        count = -(-(histories.lengths - 1) // window)  # of the windows of each row
        self._row = np.repeat(np.arange(len(histories)), np.maximum(count, 0))
        first = np.cumsum(np.maximum(count, 0)) - np.maximum(count, 0)
        self._back = np.arange(len(self._row)) - first[self._row]  # 0 for the newest window of a row
        # events in a window: one more than foretell, because the last is only foretold
        self._lengths = np.minimum(histories.lengths[self._row], window + 1)
        sizes = [size for size in SIZES if size < window] + [window]
        self._class = np.searchsorted(sizes, self._lengths - 1)
        self._sizes = sizes
        self._per_batch = [max(1, tokens // size) for size in sizes]

    def __len__(self) -> int:
        """Batches in an epoch."""
        counts = np.bincount(self._class, minlength=len(self._sizes))
        return int(sum(-(-int(n) // per) for n, per in zip(counts, self._per_batch, strict=True)))

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """The batches of an epoch, in random order."""
        histories = self.histories
        room = histories.lengths[self._row] - self._lengths
        newest = histories.indptr[self._row] + room
        jitter = np.where(self._back > 0, rng.integers(0, self.window, size=len(self._row)), 0)
        starts = newest - np.minimum(room, np.maximum(self._back * self.window - jitter, 0))
        batches: list[tuple[int, NDArray[np.int64]]] = []
        for size, per in enumerate(self._per_batch):
            members = rng.permutation(np.flatnonzero(self._class == size))
            batches += [(size, members[low : low + per]) for low in range(0, len(members), per)]
        for place in rng.permutation(len(batches)):
            size, members = batches[place]
            lengths = self._lengths[members]
            yield gather(histories, self.gaps, starts[members], lengths, self._sizes[size] + 1, self.window, ahead=1)
