"""Attacks on the log of the store: found, told, and kept from what learns."""

from dataclasses import dataclass

import polars as pl

from recloop.data.bursts import Burst, find_bursts
from recloop.store import Store

DAYS = 30.0  # of the log that are looked at: enough to know what is usual
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Attacks:
    """What was found in a part of the log.

    Attributes:
        bursts: the largest first.
        flagged: events that are flagged, of ``looked_at``.
        looked_at: events.
        trusted: the events that remain, as ``Store.events`` gives them.
        doubted: ids of the flagged events that name a decision: bandits do not learn from them.
    """

    bursts: tuple[Burst, ...]
    flagged: int
    looked_at: int
    trusted: pl.DataFrame
    doubted: frozenset[str]


def find_attacks(store: Store, now: float, *, days: float = DAYS) -> Attacks:
    """Look for bursts that look made in the last days of the log.

    Whoever turns events into a log to train on takes ``trusted`` in place of ``store.events``: what is flagged teaches
    nothing. The events stay in the store.

    Args:
        store: the log.
        now: seconds since 1970.
        days: how far to look back.
    """
    events = store.events(since=now - days * DAY)
    found = find_bursts(events)
    doubted = events.filter(found.flagged & pl.col("decision").is_not_null())["id"]
    return Attacks(found.bursts, found.events, events.height, found.trusted(events), frozenset(doubted.to_list()))
