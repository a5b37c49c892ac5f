"""What a readout reads of the store: each log once, however many measures ask for it."""

import math
from collections.abc import Callable
from typing import Protocol

import polars as pl

from recloop.store import Store
from recloop.store.experiments import ExperimentRecords

COLUMNS = (
    *("id", "user", "time", "experiment", "variant", "policy", "arm", "propensity", "release", "surface"),
    *("fallback", "latency", "items", "session", "forced", "allocation", "context"),
)
"""Of the decisions, what readouts read: not the sources and scores of each place, which are half of the bytes."""


class Readable(Protocol):
    """A store, or what was read of it; see ``Store`` for what each gives."""

    @property
    def experiments(self) -> ExperimentRecords:
        """The definitions."""
        ...

    def first_decision(self, experiment: str) -> float | None:
        """When an experiment served its first slate."""
        ...

    def decisions(self, *, since: float | None = None, until: float | None = None) -> pl.DataFrame:
        """Decisions of a time."""
        ...

    def events(self, *, since: float | None = None, until: float | None = None) -> pl.DataFrame:
        """Events of a time."""
        ...

    def feedback(self, *, since: float | None = None, until: float | None = None) -> pl.DataFrame:
        """Feedback of a time."""
        ...


class ReadOnce:
    """A store of which each log is read at most once, from the earliest time that somebody will ask for.

    Args:
        store: what is read.
        decisions: seconds since 1970 from which decisions and feedback are read.
        events: likewise, of events.

    Whoever asks for more than that is given it, at the price of reading again.
    """

    def __init__(self, store: Store, decisions: float, events: float) -> None:
        self._store = store
        self._from = {"decisions": decisions, "events": events, "feedback": decisions}
        self._read: dict[str, pl.DataFrame] = {}
        self._firsts: dict[str, float | None] = {}

    @property
    def experiments(self) -> ExperimentRecords:
        """The definitions."""
        return self._store.experiments

    def first_decision(self, experiment: str) -> float | None:
        """When an experiment served its first slate."""
        if experiment not in self._firsts:
            self._firsts[experiment] = self._store.first_decision(experiment)
        return self._firsts[experiment]

    def decisions(self, *, since: float | None = None, until: float | None = None) -> pl.DataFrame:
        """Decisions of a time, with ``COLUMNS``."""
        return self._of("decisions", lambda start: self._store.decisions(since=start, columns=COLUMNS), since, until)

    def events(self, *, since: float | None = None, until: float | None = None) -> pl.DataFrame:
        """Events of a time."""
        return self._of("events", lambda start: self._store.events(since=start), since, until)

    def feedback(self, *, since: float | None = None, until: float | None = None) -> pl.DataFrame:
        """Feedback of a time."""
        return self._of("feedback", lambda start: self._store.feedback(since=start), since, until)

    def _of(
        self, log: str, read: Callable[[float], pl.DataFrame], since: float | None, until: float | None
    ) -> pl.DataFrame:
        start = -math.inf if since is None else since
        if log not in self._read or start < self._from[log]:
            self._from[log] = min(start, self._from[log])
            self._read[log] = read(self._from[log])
        wanted = [pl.col("time") >= start] if start > self._from[log] else []
        wanted += [] if until is None else [pl.col("time") < until]
        return self._read[log].filter(*wanted) if wanted else self._read[log]


def read_once(store: Store | ReadOnce, decisions: float, events: float) -> ReadOnce:
    """A store, each log of which is read at most once; as it is where it is that already."""
    return store if isinstance(store, ReadOnce) else ReadOnce(store, decisions, events)
