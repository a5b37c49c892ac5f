"""How often users come, how long their histories are, and when they leave for good: estimated from times."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.simulate.fitted.known import Known
from recloop.simulate.fitted.settings import Simulate
from recloop.simulate.visits import DAY, SESSION

VISITS, LEAVE = 0.5, 0.005  # per day; per slate: where no log tells
SILENT_DAYS = 7.0  # the least silence that counts as having left
MOST_VISITS = 48.0  # of a user a day


@dataclass(frozen=True)
class Activity:
    """How users come and go.

    Attributes:
        rates: (n_users,) visits a day.
        leave: probability of leaving for good after a slate, in the usual mood.
        lengths: (m,) events of each history of the log that has one.
        known: where each comes from.
    """

    rates: NDArray[np.float64]
    leave: float
    lengths: NDArray[np.int64]
    known: tuple[Known, ...]

    def draw_lengths(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(n,) numbers of events, at least 1, as in the log."""
        return rng.choice(self.lengths, size=n)


def fit_activity(dataset: Dataset, config: Simulate) -> Activity:
    """Visits and leaving from the times of a log; assumed where it has none or the settings say otherwise.

    A visit ends where half an hour passes without an event. A user's rate is the mean of a gamma posterior whose prior
    counts as one visit at the rate of all. Who was silent to the end of the log for longer than 95% of the pauses
    between visits, and a week at least, has left; leaving is geometric in visits, the others are censored, so that its
    maximum likelihood is leavers over visits.
    """
    histories = dataset.histories()
    lengths = histories.lengths[histories.lengths > 0]
    known = [Known("events of a history", f"mean {lengths.mean():.1f}", True, "drawn from those of the log")]
    relative = np.sqrt(np.maximum(histories.lengths, 1) / max(1.0, float(lengths.mean())))
    if dataset.has_times:
        found, chance = _by_times(histories)
        known.append(Known("visits a day", f"mean {found.mean():.3f}", True, "pauses of half an hour, gamma prior"))
        hazard = 1 - (1 - min(chance, 0.99)) ** (1 - config.more)
        known.append(Known("leaving after a slate", f"{hazard:.4f}", True, "silent to the end, over visits"))
    else:
        found, hazard = VISITS * relative / relative.mean(), LEAVE
        known.append(Known("visits a day", f"mean {VISITS}", False, "the log has no times"))
        known.append(Known("leaving after a slate", f"{LEAVE}", False, "the log has no times"))
    if config.visits is not None:
        found = found * config.visits / found.mean()
        known[1] = Known("visits a day", f"mean {config.visits}", False, "given as a setting")
    if config.leave is not None:
        hazard = config.leave
        known[2] = Known("leaving after a slate", f"{hazard}", False, "given as a setting")
    return Activity(np.clip(found, 1e-4, MOST_VISITS), hazard, lengths, tuple(known))


def _by_times(histories: Histories) -> tuple[NDArray[np.float64], float]:
    """Visits a day of each user, and the chance of leaving after a visit."""
    rows, times = histories.rows, histories.times
    gap = np.diff(times, prepend=np.nan)
    first = np.zeros(len(times), bool)
    first[histories.indptr[:-1][histories.lengths > 0]] = True
    begins = first | (gap >= SESSION)
    visits = np.bincount(rows, begins, len(histories))
    here = histories.lengths > 0
    start, end = np.full(len(histories), np.nan), np.full(len(histories), np.nan)
    start[here] = times[histories.indptr[:-1][here]]
    end[here] = times[histories.indptr[1:][here] - 1]
    pauses = gap[begins & ~first]
    limit = max(SILENT_DAYS * DAY, float(np.quantile(pauses, 0.95)) if len(pauses) else 0.0)
    last = float(np.nanmax(end))
    gone = here & (last - end > limit)
    days = np.where(here, np.where(gone, end, last) - start, 0.0) / DAY
    days = np.where(here, np.maximum(days, 1.0), 0.0)
    mean = visits.sum() / max(days.sum(), 1.0)
    return (visits + 1) / (days + 1 / mean), float(gone.sum() / max(visits.sum(), 1))
