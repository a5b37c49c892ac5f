import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import polars as pl
from sqlalchemy import Connection, Select, Table, func, select, update

from recloop.store import tables
from recloop.store.accounts import Accounts
from recloop.store.archive import Archive
from recloop.store.audit import Audit
from recloop.store.backend import Appended, Rows
from recloop.store.copying import copy_to_file, fill_from_file
from recloop.store.database import Database
from recloop.store.erasure import Erasure
from recloop.store.experiments import ExperimentRecords
from recloop.store.ids import new_id
from recloop.store.keys import Keys
from recloop.store.outcomes import Outcomes
from recloop.store.overrides import Overrides
from recloop.store.policy_states import PolicyStates
from recloop.store.releases import ReleaseRecords
from recloop.store.reviews import Reviews
from recloop.store.rows import decision_rows, event_rows, feedback_rows, frame, listed
from recloop.types import Decision, Event, Feedback


class Store:
    """What must survive, in SQLite or PostgreSQL. What a call has answered is on disk; the same id counts once.

    Many threads may call it. Writes of many callers are committed together by one thread (``Writer``); reads see what
    was committed and never wait for a write.

    Attributes:
        experiments: definitions and their states (``ExperimentRecords``).
        releases: which there are, and which one is active (``ReleaseRecords``).
        keys: API keys (``Keys``).
        audit: who changed what (``Audit``).
        erasure: takes one user out of the log (``Erasure``).
        policy_states: what policies have learned (``PolicyStates``).
        archive: closed days of the log, as files (``Archive``); what is read is read from there too.
        outcomes: what came of decisions, and what policies learn from it (``Outcomes``).
        overrides: what people put over the policies (``Overrides``).
        reviews: findings that people look after (``Reviews``).
        accounts: who may log in to the dashboard (``Accounts``).

    Args:
        url: ``sqlite:///file.db`` or the path of the file, made when it is not there; or
            ``postgresql://user@host/database``, which several processes on several machines may share.
        clock: seconds since 1970, for what comes without a time.
        ids: makes the id of an event or feedback that comes without one.
        timeout: seconds to wait while another process holds the database.
        archive: folder of the archived days; where None the one that the URL names (``?archive=/mnt/days``), else
            beside the file (``shop.db``: ``shop.archive``). PostgreSQL has none unless it is named, and all that read
            closed days must see it.

    Raises:
        StoreError: the database cannot be opened, is not a store, or was made by a newer recloop.

    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "shop.db")
    >>> store.append_events([Event("u1", "i7", "click", 5.0, id="e1"), Event("u1", "i8", "click", 6.0, id="e1")])
    Appended(accepted=1, duplicates=1)
    >>> store.histories(["u1"], 10)[0][0].item, store.events().height
    ('i7', 1)
    >>> store.close()
    """

    def __init__(
        self,
        url: str | Path,
        *,
        clock: Callable[[], float] = time.time,
        ids: Callable[[], str] = new_id,
        timeout: float = 5.0,
        archive: Path | None = None,
    ) -> None:
        self._database = Database(url, clock, timeout)
        self._clock = clock
        self._ids = ids
        self.name = self._database.name
        self.audit = Audit(self._database)
        self.experiments = ExperimentRecords(self._database, self.audit)
        self.releases = ReleaseRecords(self._database, self.audit)
        self.keys = Keys(self._database, self.audit)
        self.policy_states = PolicyStates(self._database)
        self.outcomes = Outcomes(self._database)
        self.overrides = Overrides(self._database, self.audit)
        self.reviews = Reviews(self._database, self.audit)
        self.accounts = Accounts(self._database, self.audit)
        self.erasure = Erasure(self._database, self.audit)
        self.archive = Archive(self._database, self.audit, archive or self._database.backend.archive)

    # ---- the log

    def append_events(self, events: Sequence[Event]) -> Appended:
        """Keep events; durable when this returns."""
        return self.submit_events(events).result()

    def append_decisions(self, decisions: Sequence[Decision]) -> Appended:
        """Keep decisions; durable when this returns."""
        return self.submit_decisions(decisions).result()

    def append_feedback(self, feedback: Sequence[Feedback]) -> Appended:
        """Keep ratings, survey answers and comments; durable when this returns."""
        return self.submit_feedback(feedback).result()

    def submit_events(self, events: Sequence[Event]) -> "Future[Appended]":
        """As ``append_events``, without waiting: the future is resolved once the events are on disk."""
        return self._database.append(Rows(tables.events, event_rows(events, self._clock(), self._ids)))

    def submit_decisions(self, decisions: Sequence[Decision]) -> "Future[Appended]":
        """As ``append_decisions``, without waiting."""
        return self._database.append(Rows(tables.decisions, decision_rows(decisions)))

    def submit_feedback(self, feedback: Sequence[Feedback]) -> "Future[Appended]":
        """As ``append_feedback``, without waiting."""
        return self._database.append(Rows(tables.feedback, feedback_rows(feedback, self._clock(), self._ids)))

    # ---- reading

    def events(
        self, *, user: str | None = None, since: float | None = None, until: float | None = None
    ) -> pl.DataFrame:
        """Events in order of arrival: ``id, user, item, kind, value, time, received, decision``.

        Args:
            user: only this user's.
            since: only from this time on, seconds.
            until: only before this time.
        """
        return self._read(tables.events, user=user, since=since, until=until)

    def decisions(
        self,
        *,
        experiment: str | None = None,
        user: str | None = None,
        since: float | None = None,
        until: float | None = None,
        columns: Sequence[str] = (),
    ) -> pl.DataFrame:
        """Decisions in order of arrival; ``items, sources, scores`` are lists of one length, best first,
        ``allocation`` (arm → probability), ``context`` and ``details`` JSON texts, empty where there is nothing.

        Args:
            experiment: only of this one.
            user: only this user's.
            since: only from this time on, seconds.
            until: only before this time.
            columns: those that are read; all of them where empty.
        """
        return self._read(tables.decisions, columns, experiment=experiment, user=user, since=since, until=until)

    def feedback(
        self, *, user: str | None = None, since: float | None = None, until: float | None = None
    ) -> pl.DataFrame:
        """Feedback in order of arrival: ``id, user, kind, time, value, text, item, decision``."""
        return self._read(tables.feedback, user=user, since=since, until=until)

    def texts(self, feedback: Sequence[str]) -> list[str]:
        """What users wrote, by the ids of feedback, in that order; without what is archived or erased."""
        t = tables.feedback.c
        with self._database.reading() as connection:
            query = select(t.id, t.text).where(t.id.in_(listed(connection, feedback)))
            found = {row[0]: str(row[1]) for row in connection.execute(query)}
        return [found[name] for name in feedback if name in found]

    def histories(self, users: Sequence[str], limit: int) -> list[list[Event]]:
        """The last ``limit`` events of each user, oldest first; empty for a user that is not known.

        Of events that were archived the last 200 of a user are found.
        """
        with self._database.backend.explained():
            found = self._database.backend.histories(users, limit)
        return [[Event(*row[:7]) for row in reversed(rows)] for rows in found]

    def last_arrival(self) -> int:
        """The number of the event that came last, 0 where there is none. Numbers ascend in order of arrival."""
        with self._database.reading() as connection:
            return int(connection.execute(select(func.max(tables.events.c.seq))).scalar_one() or 0)

    def first_decision(self, experiment: str) -> float | None:
        """When the first decision of an experiment was made, by the clock of its request; None where there is none."""
        found = self.decisions(experiment=experiment, columns=("time",))["time"].min()
        return float(found) if isinstance(found, int | float) else None

    def last_decision(self) -> float | None:
        """When the decision was made that came last, seconds since 1970; None where none is left in the database."""
        t = tables.decisions.c
        with self._database.reading() as connection:
            found = connection.execute(select(t.time).order_by(t.seq.desc()).limit(1)).scalar_one_or_none()
        return None if found is None else float(found)

    def arrivals(self, after: int, limit: int) -> list[tuple[int, Event]]:
        """The first ``limit`` events with a number above ``after``, and their numbers, in order of arrival."""
        with self._database.backend.explained():
            rows = self._database.backend.arrivals(after, limit)
        return [(row[0], Event(*row[1:])) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many events, decisions and feedback there are, archived ones among them."""
        return {status.log: status.hot + status.archived for status in self.archive.status()}

    def probe(self) -> "Future[None]":
        """Resolved once something was really written: the file is there, not locked, not read-only, not full."""

        def work(connection: Connection) -> None:
            connection.execute(update(tables.schema).values(version=tables.schema.c.version))

        return self._database.submit(work)

    def copy_to(self, file: Path) -> None:
        """A copy as it is at one moment, as an SQLite file, while others go on to write; without the archive's files.

        Raises:
            StoreError: it cannot be read or written.
        """
        copy_to_file(self._database, file)

    def fill_from(self, file: Path) -> None:
        """Take over all that an SQLite store holds, of this schema; this one must be empty.

        Raises:
            ConflictError: it is not.
        """
        fill_from_file(self._database, file)

    # ---- life

    @property
    def remote(self) -> bool:
        """Whether another process keeps it, which may take its time."""
        return self._database.backend.remote

    @property
    def pending(self) -> int:
        """Rows that wait to be written."""
        return self._database.pending

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- below

    def _read(
        self,
        table: Table,
        columns: Sequence[str] = (),
        *,
        since: float | None,
        until: float | None,
        **equal: str | None,
    ) -> pl.DataFrame:
        chosen = [table.c[name] for name in ("seq", *columns)] if columns else [*table.c]
        query: Select[Any] = select(*chosen).order_by(table.c.seq)
        for name, wanted in equal.items():
            query = query if wanted is None else query.where(table.c[name] == wanted)
        query = query if since is None else query.where(table.c.time >= since)
        query = query if until is None else query.where(table.c.time < until)

        def hot() -> pl.DataFrame:
            with self._database.reading() as connection:
                return frame(connection, query)

        return self.archive.joined(table.name, hot, columns, since=since, until=until, **equal)
