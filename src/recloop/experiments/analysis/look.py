"""Whether the tables have what the plan names, told from their columns alone."""

from collections.abc import Mapping

from recloop.errors import DataError, SettingError, nearest
from recloop.experiments.analysis.layout import Layout
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.quantity import FromColumn, FromEvents
from recloop.experiments.analysis.source import Kind, Source
from recloop.experiments.analysis.units import Shape

NUMBERS = "one number per user: 0 where nothing happened"


def look(source: Source, plan: AnalysisPlan) -> Shape:
    """The shape of the data.

    Raises:
        SettingError: a column that the plan names is not there; the nearest is offered.
        DataError: a column of numbers or times holds something else.
    """
    exposures = source.columns("exposures")
    events = source.columns("events") if "events" in source.tables else None
    names, numbers = plan.columns, Layout.of(plan).numbers
    sums = [one for one in numbers if isinstance(one, FromEvents)]
    if sums and events is None:
        raise SettingError(
            f"the plan counts events of kind '{sums[0].sum.kind}', and there are no events", advice="name them: events"
        )
    plan.column(names.variant, exposures, "exposures")
    for name in plan.segments:
        plan.column(name, exposures, "exposures")
    for one in numbers:
        if isinstance(one, FromColumn):
            plan.column(one.name, exposures, "exposures")
            _need(one.name, exposures, ("number", "boolean"), f"a metric or covariate reads {NUMBERS}")
    user = _named(names.user, "user", exposures, needed=events is not None)
    time = _named(names.time, "time", exposures, needed=events is not None or bool(plan.start or plan.stop))
    if time:
        _time(time, exposures)
    if events is not None:
        for name in (user or "user", time or "time", names.kind):
            plan.column(name, events, "events")
        _time(time or "time", events)
        if any(one.sum.of == "sum" for one in sums):
            plan.column(names.value, events, "events")
            _need(names.value, events, ("number", "boolean"), "a sum over events reads numbers")
    return Shape(exposures, events, user, time)


def _named(given: str | None, usual: str, columns: Mapping[str, Kind], *, needed: bool) -> str | None:
    """The column that the plan names, or the usual one where it is there or needed."""
    name = given or usual
    if name in columns:
        return name
    if given or needed:
        raise SettingError(f"the exposures have no column '{name}'", advice=nearest(name, columns))
    return None


def _time(name: str, columns: Mapping[str, Kind]) -> None:
    _need(name, columns, ("time", "number"), "a time is a timestamp, or seconds since 1970 in UTC")


def _need(name: str, columns: Mapping[str, Kind], kinds: tuple[Kind, ...], rule: str) -> None:
    if columns[name] not in kinds:
        raise DataError(f"column '{name}' holds {_words(columns[name])}", allowed=rule)


def _words(kind: Kind) -> str:
    return {"text": "text", "time": "times", "number": "numbers", "boolean": "true and false"}.get(
        kind, "lists or bytes"
    )
