"""How many days it takes until so many users have come."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError

WEEK = 7
LONGEST = 3650  # days


def users_by_day(new_users: Sequence[float], days: int) -> NDArray[np.float64]:
    """(days,) users that have come at the end of each day.

    The users of a day are those who were not there on an earlier one: many at first, since the regulars come, and then
    fewer. Days beyond those that are known bring as many as the mean of the last week known. Since the curve still
    falls, that is somewhat too many; a longer history mends it.

    Args:
        new_users: on each day from the start, of a history or as expected.
        days: how many.

    >>> users_by_day([100.0, 60.0], 4).tolist()
    [100.0, 160.0, 240.0, 320.0]
    """
    known = np.asarray(new_users, dtype=np.float64)
    if not known.size or not np.isfinite(known).all() or known.min() < 0:
        raise SettingError(f"new users by day are {list(new_users)[:5]}", allowed="at least one number, none below 0")
    if not 1 <= days <= LONGEST:
        raise SettingError(f"{days} days", allowed=f"1 to {LONGEST}")
    rest = np.full(max(days - known.size, 0), known[-WEEK:].mean())
    return np.concatenate([known[:days], rest]).cumsum()


def days_needed(users: float, new_users: Sequence[float], *, traffic: float = 1.0) -> float:
    """Days until so many users are in, where a share of those who come takes part; infinite where never.

    >>> days_needed(1000, [100.0], traffic=0.5)
    20.0
    """
    if not 0 < traffic <= 1:
        raise SettingError(f"traffic is {traffic}", allowed="a share above 0 and at most 1")
    come = users_by_day(new_users, LONGEST) * traffic
    day = int(np.searchsorted(come, users * (1 - 1e-12)))
    return float(day + 1) if day < LONGEST else math.inf
