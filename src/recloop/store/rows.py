"""Values to rows and rows to frames: the only place that knows the order of the columns."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl
from sqlalchemy import JSON, Connection, Select, bindparam, func, select

from recloop.errors import SettingError
from recloop.store.backend import Row
from recloop.types import Decision, Event, Feedback

CHUNK = 50_000  # rows held as Python objects at a time

_json = msgspec.json.Encoder()

_LISTS: dict[str, pl.DataType] = {
    "items": pl.List(pl.String()),
    "sources": pl.List(pl.String()),
    "scores": pl.List(pl.Float64()),
}
_NUMBERS = {"value", "time", "received", "propensity", "latency"}
_FLAGS = {"forced"}
_COUNTS = _FLAGS | {"seq"}


def event_rows(events: Sequence[Event], received: float, new_id: Callable[[], str]) -> list[Row]:
    """One row per event. An event without an id gets one, without a time the time at which it was received."""
    return [
        (
            new_id() if event.id is None else event.id,
            event.user,
            event.item,
            event.kind,
            event.value,
            received if event.time is None else _finite(event.time, "the time of an event"),
            received,
            event.decision,
        )
        for event in events
    ]


def decision_rows(decisions: Sequence[Decision]) -> list[Row]:
    """One row per decision; its items as JSON arrays."""
    return [
        (
            decision.id,
            decision.user,
            _finite(decision.time, "the time of a decision"),
            decision.experiment,
            decision.variant,
            decision.policy,
            decision.arm,
            decision.propensity,
            decision.release,
            decision.surface,
            decision.fallback,
            decision.latency,
            _json.encode([entry.item for entry in decision.items]).decode(),
            _json.encode([entry.source for entry in decision.items]).decode(),
            _json.encode([entry.score for entry in decision.items]).decode(),
            decision.session,
            int(decision.forced),
            *(_object(held) for held in (decision.allocation, decision.context, decision.details)),
        )
        for decision in decisions
    ]


def _object(held: Mapping[str, Any]) -> str:
    return _json.encode(held).decode() if held else ""


def feedback_rows(feedback: Sequence[Feedback], received: float, new_id: Callable[[], str]) -> list[Row]:
    """One row per rating, survey answer or comment."""
    return [
        (
            new_id() if said.id is None else said.id,
            said.user,
            said.kind,
            received if said.time is None else _finite(said.time, "the time of feedback"),
            said.value,
            said.text,
            said.item,
            said.decision,
        )
        for said in feedback
    ]


def frame(connection: Connection, query: Select[Any]) -> pl.DataFrame:
    """What a query finds, column by column and a chunk of rows at a time."""
    names = [column.name for column in query.selected_columns]
    schema: dict[str, pl.DataType] = {
        name: pl.Float64() if name in _NUMBERS else pl.Int64() if name in _COUNTS else pl.String() for name in names
    }
    parts = [pl.DataFrame(schema=schema)]
    for rows in _chunks(connection, query):
        columns = zip(*rows, strict=True)
        parts.append(pl.DataFrame([pl.Series(n, c, dtype=schema[n]) for n, c in zip(names, columns, strict=True)]))
    lists = [pl.col(name).str.json_decode(dtype) for name, dtype in _LISTS.items() if name in schema]
    flags = [pl.col(name).cast(pl.Boolean) for name in names if name in _FLAGS]
    return pl.concat(parts).with_columns(*lists, *flags)


def listed(connection: Connection, values: Sequence[str]) -> Select[Any]:
    """Values as the rows of a query, one parameter for all of them: databases take some ten thousand at most."""
    rows = func.json_each if connection.dialect.name == "sqlite" else func.json_array_elements_text
    return select(rows(bindparam(None, list(values), JSON)).table_valued("value").c.value)


def _chunks(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Sequence[Any]]]:
    if connection.dialect.name != "sqlite":  # whose driver would else hold the whole answer
        yield from connection.execution_options(stream_results=True).execute(query).partitions(CHUNK)
        return
    cursor = connection.execute(query).cursor
    assert cursor is not None
    while rows := cursor.fetchmany(CHUNK):
        yield rows


def _finite(time: float, what: str) -> float:
    if not math.isfinite(time):
        raise SettingError(f"{what} is {time}", allowed="a time is seconds since 1970 in UTC")
    return time
