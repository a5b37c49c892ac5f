import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from recloop.errors import ConflictError, MissingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database

DRAFT, RUNNING, STOPPED = "draft", "running", "stopped"
_ADVICE = {
    DRAFT: "start it first",
    RUNNING: "it runs already",
    STOPPED: "revise it: its next version begins as a draft",
}
DECIDED = "decide experiment"


class ExperimentRecord(NamedTuple):
    """An experiment as it is kept: its definition as JSON values, its state, and when that changed.

    ``name`` is the id that decisions carry; a later version of an experiment is a record of its own. ``step`` is where
    it stands on its ramp, from 0, and ``stepped`` when that step began.
    """

    name: str
    definition: dict[str, Any]
    state: str
    created: float
    started: float | None
    stopped: float | None
    step: int = 0
    stepped: float | None = None


_Change = Callable[[Connection, ExperimentRecord, float], dict[str, Any]]


class ExperimentRecords:
    """Experiments by name; each goes from draft to running to stopped, and never back."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def add(
        self, name: str, definition: Mapping[str, Any], *, actor: str = "", action: str = "create", detail: str = ""
    ) -> ExperimentRecord:
        """Keep a new experiment as a draft. ``action`` and ``detail`` say in the audit line what it came from.

        Raises:
            ConflictError: the name is taken.
        """

        def work(connection: Connection) -> ExperimentRecord:
            if name in self._names(connection):
                raise ConflictError(f"there is an experiment '{name}' already", advice="choose another name")
            record = ExperimentRecord(name, dict(definition), DRAFT, self._database.clock(), None, None)
            values = record._asdict() | {"definition": json.dumps(record.definition)}
            connection.execute(insert(tables.experiments).values(values))
            self._audit.record(connection, actor, f"{action} experiment", name, detail)
            return record

        return self._database.write(work)

    def start(
        self,
        name: str,
        settle: Callable[[dict[str, Any], list[dict[str, Any]]], dict[str, Any]] | None = None,
        *,
        actor: str = "",
    ) -> ExperimentRecord:
        """A draft starts to run.

        Args:
            name: of the draft.
            settle: from its definition and those of the running ones to the definition that it runs with; may raise.
                It is called inside the transaction, so that two starts at once see each other.
            actor: who asks.

        Raises:
            ConflictError: it is not a draft.
            MissingError: there is none of that name.
        """

        def change(connection: Connection, record: ExperimentRecord, now: float) -> dict[str, Any]:
            rows = connection.execute(select(tables.experiments).where(tables.experiments.c.state == RUNNING))
            running = [_record(row).definition for row in rows]
            definition = settle(record.definition, running) if settle else record.definition
            return {"definition": definition, "started": now, "step": 0, "stepped": now}

        return self._move(name, DRAFT, RUNNING, change, actor)

    def stop(self, name: str, *, actor: str = "", detail: str = "") -> ExperimentRecord:
        """A running experiment stops; ``detail`` says why.

        Raises:
            ConflictError: it does not run.
            MissingError: there is none of that name.
        """
        return self._move(name, RUNNING, STOPPED, lambda _connection, _record, now: {"stopped": now}, actor, detail)

    def widen(self, name: str, step: int, *, actor: str = "", detail: str = "") -> ExperimentRecord:
        """A running experiment goes on from ``step`` of its ramp to the next.

        Raises:
            ConflictError: it does not run, or stands on another step: somebody else was faster.
            MissingError: there is none of that name.
        """

        def change(_connection: Connection, record: ExperimentRecord, now: float) -> dict[str, Any]:
            if record.step != step:
                raise ConflictError(f"experiment '{name}' is on step {record.step + 1} already")
            return {"step": step + 1, "stepped": now}

        return self._move(name, RUNNING, RUNNING, change, actor, detail, action="widen experiment")

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
            if not stop or record.state == STOPPED:
                return record
            change = {"stopped": self._database.clock()}
            return self._become(connection, record, STOPPED, change, actor, "experiment stopped", "")

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

    def _move(
        self, name: str, before: str, after: str, change: _Change, actor: str, detail: str = "", action: str = ""
    ) -> ExperimentRecord:
        def work(connection: Connection) -> ExperimentRecord:
            record = self._get(connection, name)
            if record.state != before:
                raise ConflictError(
                    f"experiment '{name}' is {record.state}",
                    allowed=f"only one that is {before} can become {after}",
                    advice=_ADVICE[record.state],
                )
            changed = change(connection, record, self._database.clock())
            return self._become(connection, record, after, changed, actor, action or f"experiment {after}", detail)

        return self._database.write(work)

    def _become(
        self,
        connection: Connection,
        record: ExperimentRecord,
        state: str,
        change: Mapping[str, Any],
        actor: str,
        action: str,
        detail: str,
    ) -> ExperimentRecord:
        changed = record._replace(state=state, **change)
        row = changed._asdict() | {"definition": json.dumps(changed.definition)}
        connection.execute(update(tables.experiments).where(tables.experiments.c.name == record.name).values(row))
        self._audit.record(connection, actor, action, record.name, detail)
        return changed

    def _get(self, connection: Connection, name: str) -> ExperimentRecord:
        row = connection.execute(select(tables.experiments).where(tables.experiments.c.name == name)).first()
        if row is None:
            raise MissingError(f"there is no experiment '{name}'", advice=nearest(name, self._names(connection)))
        return _record(row)

    @staticmethod
    def _names(connection: Connection) -> list[str]:
        return list(connection.execute(select(tables.experiments.c.name)).scalars())


def _record(row: Any) -> ExperimentRecord:
    return ExperimentRecord(
        row.name, json.loads(row.definition), row.state, row.created, row.started, row.stopped, row.step, row.stepped
    )
