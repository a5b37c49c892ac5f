from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.simulate.population import Population

DAY = 86_400.0
SESSION = 1800.0  # seconds; visits nearer to each other are one


@dataclass(frozen=True, slots=True)
class Visits:
    """When users come, in the order of time.

    Attributes:
        user: (n,) int64.
        time: (n,) float64 seconds.
        day: (n,) int64, days since the start.
        nth: (n,) int64, the visit of this user, from 0: the key of the visit's luck.
    """

    user: NDArray[np.int64]
    time: NDArray[np.float64]
    day: NDArray[np.int64]
    nth: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)


def visits(people: Population, start: float, days: int, rng: np.random.Generator) -> Visits:
    """The sessions that users would have over ``days`` days from ``start`` if nobody left.

    Their number is Poisson by the user's activity, more at weekends; the hour is near the user's own.
    """
    weekday = (int(start // DAY) + 3 + np.arange(days)) % 7  # 1970 began on a Thursday
    weekend = np.where(weekday[None, :] >= 5, people.weekend[:, None], 1.0)
    counts = rng.poisson(people.activity[:, None] * weekend)
    place = np.repeat(np.arange(counts.size), counts.ravel())
    user, day = place // max(days, 1), place % max(days, 1)
    hour = (people.hours[user] + rng.normal(0, 2.2, size=len(user))) % 24
    time = np.round(start + day * DAY + hour * 3600)
    keep = time >= people.joined[user]
    user, day, time = user[keep], day[keep], time[keep]
    order = np.lexsort((time, user))
    user, day, time = user[order], day[order], time[order]
    apart = np.ones(len(user), dtype=bool)
    apart[1:] = (np.diff(user) > 0) | (np.diff(time) >= SESSION)
    user, day, time = user[apart], day[apart], time[apart]
    nth = np.arange(len(user)) - np.searchsorted(user, user)
    order = np.argsort(time, kind="stable")
    return Visits(user=user[order], time=time[order], day=day[order], nth=nth[order])


def rounds(users: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Rows parted so that each part holds each user at most once, in order.

    >>> [part.tolist() for part in rounds(np.array([7, 3, 7]))]
    [[0, 1], [2]]
    """
    order = np.argsort(users, kind="stable")
    ranked = users[order]
    turn = np.empty(len(users), dtype=np.int64)
    turn[order] = np.arange(len(users)) - np.searchsorted(ranked, ranked)
    return [np.flatnonzero(turn == place) for place in range(int(turn.max(initial=-1)) + 1)]
