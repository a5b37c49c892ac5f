import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from recloop.errors import ConflictError, MissingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database

DRAFT, RUNNING, STOPPED = "draft", "running", "stopped"
DECIDED = "decide experiment"


class ExperimentRecord(NamedTuple):
    """An experiment as it is kept: its definition as JSON values, its state, and when that changed."""

    name: str
    definition: dict[str, Any]
    state: str
    created: float
    started: float | None
    stopped: float | None


class ExperimentRecords:
    """Experiments by name; each goes from draft to running to stopped, and never back."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def add(self, name: str, definition: Mapping[str, Any], *, actor: str = "") -> ExperimentRecord:
        """Keep a new experiment as a draft.

        Raises:
            ConflictError: the name is taken.
        """

        def work(connection: Connection) -> ExperimentRecord:
            if name in self._names(connection):
                raise ConflictError(f"there is an experiment '{name}' already", advice="choose another name")
            record = ExperimentRecord(name, dict(definition), DRAFT, self._database.clock(), None, None)
            values = record._asdict() | {"definition": json.dumps(record.definition)}
            connection.execute(insert(tables.experiments).values(values))
            self._audit.record(connection, actor, "create experiment", name)
            return record

        return self._database.write(work)

    def start(self, name: str, *, actor: str = "") -> ExperimentRecord:
        """A draft starts to run.

        Raises:
            ConflictError: it is not a draft.
            MissingError: there is none of that name.
        """
        return self._move(name, DRAFT, RUNNING, "started", actor)

    def stop(self, name: str, *, actor: str = "") -> ExperimentRecord:
        """A running experiment stops.

        Raises:
            ConflictError: it does not run.
            MissingError: there is none of that name.
        """
        return self._move(name, RUNNING, STOPPED, "stopped", actor)

    def decide(self, name: str, entry: Mapping[str, Any], *, stop: bool, actor: str = "") -> ExperimentRecord:
        """Keep a line of the decision log and, with ``stop``, end the experiment: both, or neither.

        Ending one that has stopped already changes nothing more, so that a decision may be repeated.

        Args:
            name: of the experiment.
            entry: JSON values of the line.
            stop: whether it ends.
            actor: who or what decided.

        Raises:
            ConflictError: it is a draft.
            MissingError: there is none of that name.
        """

        def work(connection: Connection) -> ExperimentRecord:
            record = self._get(connection, name)
            if record.state == DRAFT:
                raise ConflictError(f"experiment '{name}' is a draft", advice="start it before there is a decision")
            self._audit.record(connection, actor, DECIDED, name, json.dumps(dict(entry), allow_nan=False))
            return self._moved(connection, record, STOPPED, "stopped", actor) if stop else record

        return self._database.write(work)

    def decisions(self, name: str) -> list[dict[str, Any]]:
        """The decision log of one experiment, oldest first."""
        return [json.loads(line.detail) for line in self._audit.about(DECIDED, name)]

    def get(self, name: str) -> ExperimentRecord:
        """One experiment.

        Raises:
            MissingError: there is none of that name; the nearest is offered.
        """
        with self._database.reading() as connection:
            return self._get(connection, name)

    def all(self) -> list[ExperimentRecord]:
        """Every experiment, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(tables.experiments).order_by(tables.experiments.c.created))
            return [_record(row) for row in rows]

    def _move(self, name: str, before: str, after: str, column: str, actor: str) -> ExperimentRecord:
        def work(connection: Connection) -> ExperimentRecord:
            record = self._get(connection, name)
            if record.state != before:
                raise ConflictError(
                    f"experiment '{name}' is {record.state}", allowed=f"only one that is {before} can become {after}"
                )
            return self._moved(connection, record, after, column, actor)

        return self._database.write(work)

    def _moved(
        self, connection: Connection, record: ExperimentRecord, after: str, column: str, actor: str
    ) -> ExperimentRecord:
        if record.state == after:
            return record
        change: dict[str, Any] = {"state": after, column: self._database.clock()}
        connection.execute(update(tables.experiments).where(tables.experiments.c.name == record.name).values(change))
        self._audit.record(connection, actor, f"experiment {after}", record.name)
        return record._replace(**change)

    def _get(self, connection: Connection, name: str) -> ExperimentRecord:
        row = connection.execute(select(tables.experiments).where(tables.experiments.c.name == name)).first()
        if row is None:
            raise MissingError(f"there is no experiment '{name}'", advice=nearest(name, self._names(connection)))
        return _record(row)

    @staticmethod
    def _names(connection: Connection) -> list[str]:
        return list(connection.execute(select(tables.experiments.c.name)).scalars())


def _record(row: Any) -> ExperimentRecord:
    return ExperimentRecord(row.name, json.loads(row.definition), row.state, row.created, row.started, row.stopped)
