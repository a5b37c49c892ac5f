"""The query that makes one row per user, whatever the data look like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recloop.experiments.analysis.plan import DAY, AnalysisPlan, seconds
from recloop.experiments.analysis.quantity import FromColumn, FromEvents, Number
from recloop.experiments.analysis.source import Kind, literal, quoted


@dataclass(frozen=True, slots=True)
class Units:
    """SQL of one row per user.

    Attributes:
        ahead: common table expressions, with their WITH; empty where there are none.
        body: what stands behind FROM; its columns are ``variant``, ``several`` (1 where a user saw several variants;
            only with events), ``day`` (where times are known), ``s0`` … (segments) and ``q0`` … (numbers).
        keys: the columns that make the cells.
    """

    ahead: str
    body: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the tables hold, by their columns; ``events`` is None where there is one row per user."""

    exposures: Mapping[str, Kind]
    events: Mapping[str, Kind] | None
    user: str | None
    time: str | None

    def moment(self, alias: str = "") -> str:
        """The time of an exposure in seconds since 1970, as SQL."""
        assert self.time is not None
        return epoch(self.time, self.exposures, alias)


def epoch(column: str, kinds: Mapping[str, Kind], alias: str = "") -> str:
    """A time in seconds since 1970, as SQL."""
    name = f"{alias}.{quoted(column)}" if alias else quoted(column)
    seconds_ = f"EXTRACT(EPOCH FROM {name})" if kinds[column] == "time" else name
    return f"CAST({seconds_} AS DOUBLE PRECISION)"


def number(column: str, kinds: Mapping[str, Kind], alias: str = "") -> str:
    """A column as a double, as SQL."""
    name = f"{alias}.{quoted(column)}" if alias else quoted(column)
    if kinds[column] == "boolean":
        return f"CASE WHEN {name} THEN {literal(1)} WHEN NOT {name} THEN {literal(0)} END"
    return f"CAST({name} AS DOUBLE PRECISION)"


def arm(column: str, kinds: Mapping[str, Kind]) -> str:
    """The variant as SQL; true and false as text, since not every engine orders them."""
    name = quoted(column)
    return f"CASE WHEN {name} THEN 'true' WHEN NOT {name} THEN 'false' END" if kinds[column] == "boolean" else name


def in_time(plan: AnalysisPlan, moment: str) -> str:
    """The condition that an exposure lies inside the experiment; empty where the plan sets no dates."""
    parts = [f"{moment} >= {literal(seconds(plan.start))}"] if plan.start else []
    parts += [f"{moment} < {literal(seconds(plan.stop))}"] if plan.stop else []
    return " AND ".join(parts)


def rows_of_users(
    plan: AnalysisPlan, shape: Shape, tables: Mapping[str, str], numbers: Sequence[Number], conditions: Sequence[str]
) -> Units:
    """From a table with one row per user; ``conditions`` say which rows count."""
    day = [f"FLOOR({shape.moment()} / {literal(DAY)}) AS day"] if shape.time else []
    chosen = [
        f"{quoted(plan.columns.variant)} AS variant",
        *day,
        *(f"{quoted(name)} AS s{place}" for place, name in enumerate(plan.segments)),
        *(
            f"{number(one.name, shape.exposures)} AS q{place}"
            for place, one in enumerate(numbers)
            if isinstance(one, FromColumn)
        ),
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    keys = ("variant", *(["day"] if day else []), *(f"s{place}" for place in range(len(plan.segments))))
    return Units("", f"(SELECT {', '.join(chosen)} FROM {tables['exposures']}{where}) AS units", keys)


def users_from_events(
    plan: AnalysisPlan, shape: Shape, tables: Mapping[str, str], numbers: Sequence[Number], conditions: Sequence[str]
) -> Units:
    """From exposures and events: the first exposure counts, and events inside the attribution window after it."""
    assert shape.user is not None
    assert shape.events is not None
    user, variant, moment = quoted(shape.user), arm(plan.columns.variant, shape.exposures), shape.moment()
    where = " AND ".join([f"{user} IS NOT NULL", *conditions])
    parts = [
        (
            f"firsts AS (SELECT {user} AS who, MIN({variant}) AS variant, "
            f"CASE WHEN MIN({variant}) <> MAX({variant}) THEN 1 ELSE 0 END AS several, MIN({moment}) AS since "
            f"FROM {tables['exposures']} WHERE {where} GROUP BY {user})"
        )
    ]
    carried = [f"MIN(x.{quoted(name)}) AS s{place}" for place, name in enumerate(plan.segments)] + [
        f"MIN({number(one.name, shape.exposures, 'x')}) AS q{place}"
        for place, one in enumerate(numbers)
        if isinstance(one, FromColumn)
    ]
    if carried:
        parts.append(
            f"carried AS (SELECT f.who AS who, {', '.join(carried)} FROM firsts AS f "
            f"JOIN (SELECT *, {moment} AS seen_at FROM {tables['exposures']}) AS x "
            f"ON x.{user} = f.who AND x.seen_at = f.since GROUP BY f.who)"
        )
    sums = {place: one for place, one in enumerate(numbers) if isinstance(one, FromEvents)}
    if sums:
        parts.append(_done(plan, shape, tables, sums))
    chosen = ["f.variant AS variant", "f.several AS several", f"FLOOR(f.since / {literal(DAY)}) AS day"]
    chosen += [f"c.s{place} AS s{place}" for place in range(len(plan.segments))]
    chosen += [
        f"COALESCE(d.q{place}, {literal(0)}) AS q{place}" if place in sums else f"c.q{place} AS q{place}"
        for place in range(len(numbers))
    ]
    joins = " JOIN carried AS c ON c.who = f.who" if carried else ""
    joins += " LEFT JOIN done AS d ON d.who = f.who" if sums else ""
    return Units(
        f"WITH {', '.join(parts)} ",
        f"(SELECT {', '.join(chosen)} FROM firsts AS f{joins}) AS units",
        ("variant", "several", "day", *(f"s{place}" for place in range(len(plan.segments)))),
    )


def _done(plan: AnalysisPlan, shape: Shape, tables: Mapping[str, str], sums: Mapping[int, FromEvents]) -> str:
    """What each user did, one column per sum."""
    assert shape.events is not None
    names, window = plan.columns, plan.window_days * DAY
    user = quoted(names.user or "user")
    time = epoch(names.time or "time", shape.events)
    value = number(names.value, shape.events) if names.value in shape.events else literal(0)
    kinds = ", ".join(sorted({literal(one.sum.kind) for one in sums.values()}))
    longest = max(one.before_days for one in sums.values()) * DAY
    columns = []
    for place, one in sums.items():
        inside = (
            "e.at >= f.since"
            if not one.before_days
            else (f"e.at < f.since AND e.at >= f.since - {literal(one.before_days * DAY)}")
        )
        what = "e.value" if one.sum.of == "sum" else literal(1)
        total = "MAX" if one.sum.of == "any" else "SUM"
        columns.append(
            f"{total}(CASE WHEN e.kind = {literal(one.sum.kind)} AND {inside} THEN {what} "
            f"ELSE {literal(0)} END) AS q{place}"
        )
    return (
        f"done AS (SELECT f.who AS who, {', '.join(columns)} FROM firsts AS f JOIN "
        f"(SELECT {user} AS who, {time} AS at, {quoted(names.kind)} AS kind, {value} AS value "
        f"FROM {tables['events']} WHERE {quoted(names.kind)} IN ({kinds})) AS e ON e.who = f.who "
        f"WHERE e.at >= f.since - {literal(longest)} AND e.at < f.since + {literal(window)} GROUP BY f.who)"
    )
