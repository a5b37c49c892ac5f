"""Users that may be no people."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from recloop.data.checks.finding import Section, count, warning
from recloop.data.dataset import Dataset

HEAVY_SHARE = 0.01  # a user with this share of all events, and ten times the mean, is looked at
HEAVY_TIMES = 10
PER_MINUTE = 60  # one event each second for a whole minute is beyond people
ROUND_THE_CLOCK = 23  # different hours of one day
SHOWN = 20


def bots(data: Dataset) -> Section:
    """Users with too much, too fast, or without sleep."""
    counts = np.bincount(data.events["user"].to_numpy(), minlength=data.n_users)
    shares = counts / data.n_events
    mean = 1 / max(1, int((counts > 0).sum()))
    suspects: dict[int, list[str]] = {}
    heavy = np.flatnonzero(shares >= max(HEAVY_SHARE, HEAVY_TIMES * mean))
    for user in heavy[np.argsort(-shares[heavy], kind="stable")]:
        suspects.setdefault(int(user), []).append(f"{shares[user]:.1%} of all events")
    for user, reason in _superhuman(data):
        suspects.setdefault(user, []).append(reason)
    events = int(counts[list(suspects)].sum())
    figures = {
        "suspects": [
            {"user": data.user_ids[user][:64], "events": int(counts[user]), "reasons": reasons}
            for user, reasons in list(suspects.items())[:SHOWN]
        ],
        "users": len(suspects),
        "events": events,
    }
    if not suspects:
        return {"bots": figures}, []
    first = next(iter(suspects.values()))
    sentence = (
        f"{count(len(suspects), 'user')} with {events / data.n_events:.1%} of the events may be no people; "
        f"the first: {', '.join(first)}. Leave them out, or see that the figures do not hang on them."
    )
    return {"bots": figures}, [warning("bots", sentence)]


def _superhuman(data: Dataset) -> Iterator[tuple[int, str]]:
    """Users that do more in a minute than hands can, or never sleep."""
    if not data.has_times or data.events["time"].n_unique() < 2:
        return
    events = data.events.select("user", minute=(pl.col("time") / 60).floor())
    fast = (
        events.group_by("user", "minute").len().group_by("user").agg(pl.max("len")).filter(pl.col("len") >= PER_MINUTE)
    )
    for user, most in fast.sort("len", "user", descending=[True, False]).head(SHOWN).iter_rows():
        yield int(user), f"{most:,} events in one minute"
    hour = (pl.col("minute") / 60).floor()
    awake = (
        events.with_columns(day=(pl.col("minute") / 1440).floor(), hour=hour)
        .group_by("user", "day")
        .agg(pl.col("hour").n_unique())
        .filter(pl.col("hour") >= ROUND_THE_CLOCK)
    )
    nights = awake.group_by("user").len().sort("len", "user", descending=[True, False])
    for user, days in nights.head(SHOWN).iter_rows():
        yield int(user), f"awake round the clock on {count(days, 'day')}"
