"""Bursts of interactions that look made: many new users on one item, or one user beyond all others."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.special import pdtrc

WIDTHS = (3_600.0, 86_400.0)  # seconds: an hour for a rush, a day for a trickle
YOUNG = 86_400.0  # seconds after the first event of a user in which it is new
FEWEST = 10  # new users on one item that are looked at
TIMES = 2.0  # as many as expected are no reason for doubt
SHIFTS = (0.0, 0.5)  # of a width: hours and days are looked at from the full and from the half on, so that none cuts
ALPHA = 0.01  # chance of one false alarm among all items and hours of a log
USERS = 20  # users that are needed to know what is usual
PER_HOUR = 60  # events of one user in an hour that are looked at
SPREAD = 6.0  # robust standard deviations of the logarithm above the usual peak


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst.

    Attributes:
        kind: ``item`` where new users gather on it, ``user`` where one does too much.
        who: the item or the user, as the log names it.
        start, end: seconds; the hour or day in which it is seen.
        events: that are flagged because of it.
        users: how many took part.
        expected: new users on the item, or events of the user in an hour, that would have been no surprise.
    """

    kind: Literal["item", "user"]
    who: Any
    start: float
    end: float
    events: int
    users: int
    expected: float


@dataclass(frozen=True)
class Bursts:
    """What was found in a log.

    Attributes:
        bursts: the largest first.
        flagged: (n_events,) whether each event belongs to one, in the order of the log.
    """

    bursts: tuple[Burst, ...]
    flagged: pl.Series

    @cached_property
    def events(self) -> int:
        """How many events are flagged."""
        return int(self.flagged.sum())

    def trusted(self, events: pl.DataFrame) -> pl.DataFrame:
        """The log without what is flagged."""
        return events.filter(~self.flagged)


def find_bursts(events: pl.DataFrame) -> Bursts:
    """Find push and shilling attacks: bursts that established users have no part in.

    **Items.** Within an hour, and within a day (from each full and each half one on), the new users of an item are
    compared with what its established users do at that time. An item that is promoted, or a day on which everybody
    buys, draws both; accounts made to push an item come alone. Of ``Y`` events of new users on other items,
    ``Y s / (1 - s)`` are expected on this one, where ``s`` is its share of events among established users at that time
    (an upper bound) or at all other times, whichever is larger. A burst has ten new users or more, and more than chance
    would give once in a hundred logs if twice as many were expected (Poisson, Bonferroni). Flagged is all that those
    users did on their first day: the items beside which they pushed theirs are part of the attack.

    **Users.** A user with more than 60 events within an hour, and more than six robust standard deviations above the
    usual peak of a user (median and MAD of the logarithm), is flagged for that hour.

    A campaign that brings strangers to one item looks the same, since it is the same to the log.

    Args:
        events: ``user``, ``item`` and ``time`` (seconds); without times nothing is found.

    >>> quiet = pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "time": [1.0, 2.0]})
    >>> find_bursts(quiet).bursts, find_bursts(quiet).flagged.to_list()
    ((), [False, False])
    """
    nothing = Bursts((), pl.repeat(value=False, n=events.height, dtype=pl.Boolean, eager=True).alias("flagged"))
    if not events.height or events["time"].null_count() or not events["time"].is_finite().all():
        return nothing
    log = events.select("user", "item", "time").with_columns(
        young=pl.col("time") - pl.col("time").min().over("user") < YOUNG
    )
    found: list[Burst] = []
    flags = nothing.flagged
    for look, widths in ((_users, WIDTHS[:1]), (_items, WIDTHS)):
        for width in widths:
            seen = [look(log, width, shift * width) for shift in SHIFTS]
            for one in sorted((one for bursts, _ in seen for one in bursts), key=lambda one: -one.events):
                if not any(_overlap(one, other) for other in found):
                    found.append(one)
            for _, flag in seen:
                flags = flags | flag
    return Bursts(tuple(sorted(found, key=lambda one: -one.events)), flags.alias("flagged")) if found else nothing


def _items(log: pl.DataFrame, width: float, shift: float) -> tuple[list[Burst], pl.Series]:
    binned = log.with_columns(bin=_bin(width, shift))
    cells = binned.group_by("bin", "item").agg(
        new=pl.col("young").sum().cast(pl.Float64), old=(~pl.col("young")).sum().cast(pl.Float64)
    )
    bins = cells.group_by("bin").agg(new_all=pl.col("new").sum(), old_all=pl.col("old").sum())
    items = log.group_by("item").agg(of_item=pl.len().cast(pl.Float64))
    doubt = cells.filter(pl.col("new") >= FEWEST).join(bins, on="bin").join(items, on="item")
    all_of, at_bin = pl.col("new") + pl.col("old"), pl.col("new_all") + pl.col("old_all")
    elsewhen = (pl.col("of_item") - all_of) / (log.height - at_bin).clip(1.0)
    upper = (pl.col("old") + 3.0 + 2.0 * pl.col("old").sqrt()) / (pl.col("old_all") + 1.0)
    share = pl.max_horizontal(upper, elsewhen).clip(0.0, 0.999)
    others = pl.col("new_all") - pl.col("new")
    doubt = doubt.with_columns(expected=(others + 1.0) * share / (1.0 - share))
    doubt = doubt.filter(pl.col("new") > TIMES * pl.col("expected"))
    took_part = binned.filter("young").join(doubt.select("bin", "item"), on=["bin", "item"], how="semi")
    counts = took_part.group_by("bin", "item").agg(events=pl.len(), users=pl.col("user").n_unique())
    doubt = doubt.join(counts, on=["bin", "item"]).filter(pl.col("users") >= FEWEST)
    tail = pdtrc(doubt["users"].to_numpy() - 1.0, TIMES * doubt["expected"].to_numpy())
    doubt = doubt.filter(pl.Series(tail < ALPHA / (len(SHIFTS) * cells.height)))
    took_part = took_part.join(doubt.select("bin", "item"), on=["bin", "item"], how="semi")
    flags = log.select(pl.col("young") & pl.col("user").is_in(took_part["user"].unique().implode()))["young"]
    rows = doubt.sort("bin", "item").iter_rows(named=True)
    found = [
        Burst(
            "item",
            row["item"],
            row["bin"] * width - shift,
            (row["bin"] + 1) * width - shift,
            row["events"],
            row["users"],
            round(row["expected"], 2),
        )
        for row in rows
    ]
    return found, flags


def _bin(width: float, shift: float) -> pl.Expr:
    return ((pl.col("time") + shift) / width).floor().cast(pl.Int64)


def _users(log: pl.DataFrame, width: float, shift: float) -> tuple[list[Burst], pl.Series]:
    hours = log.select("user", bin=_bin(width, shift))
    counts = hours.group_by("user", "bin").len()
    peaks = np.log(counts.group_by("user").agg(pl.max("len"))["len"].to_numpy().astype(np.float64))
    if len(peaks) < USERS:
        return [], pl.repeat(value=False, n=log.height, dtype=pl.Boolean, eager=True)
    middle = float(np.median(peaks))
    spread = max(1.4826 * float(np.median(np.abs(peaks - middle))), 0.2)
    most = max(float(PER_HOUR), float(np.exp(min(middle + SPREAD * spread, 700.0))))
    fast = counts.filter(pl.col("len") > most).with_columns(fast=True)
    flags = hours.join(fast, on=["user", "bin"], how="left", maintain_order="left")["fast"].fill_null(value=False)
    found = [
        Burst("user", user, bin_ * width - shift, (bin_ + 1) * width - shift, events, 1, round(most, 2))
        for user, bin_, events in fast.select("user", "bin", "len").sort("bin", "user").iter_rows()
    ]
    return found, flags


def _overlap(one: Burst, other: Burst) -> bool:
    """Whether a burst was told already: in an hour of its day, or from the other half on."""
    return (one.kind, one.who) == (other.kind, other.who) and one.start < other.end and other.start < one.end
