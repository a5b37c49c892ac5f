from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recloop.errors import SettingError
from recloop.experiments.analysis.conclude import conclude
from recloop.experiments.analysis.frames import Frames, is_frame
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.result import Analysis
from recloop.experiments.analysis.scan import Scan, scan
from recloop.experiments.analysis.source import Source

if TYPE_CHECKING:
    import sqlalchemy as sa


def analyze(
    data: Any,
    *,
    plan: AnalysisPlan | Mapping[str, Any] | Path | str,
    events: Any = None,
    database: "str | sa.Engine | None" = None,
    now: float | None = None,
) -> Analysis:
    """Read an experiment whose data lie elsewhere.

    The rows are summed up where they lie, by one query. All the rest is arithmetic on sums.

    Args:
        data: one row per user (variant, metrics, covariates, segments), or, with ``events``, exposures (user, variant,
            time, segments). A Parquet or CSV file, a frame of polars, pandas or Arrow, a table of Ibis, or, with
            ``database``, the name of a table or a SELECT.
        plan: what is read and by which rule; also as a mapping, or the path of a TOML file.
        events: user, kind, time and value; of the same kind as ``data``.
        database: URL or SQLAlchemy engine.
        now: seconds since 1970.

    Raises:
        SettingError: the plan is wrong, or names what the data do not have.
        DataError: the data cannot be read, or are bad and the plan says stop.
        MissingError: there is no such file.
        ExtraError: what reads this kind of data is not installed.

    >>> import polars as pl
    >>> users = pl.DataFrame({
    ...     "user": range(400), "variant": ["old", "new"] * 200, "orders": [0, 1, 1, 2] * 100, "visits": [2] * 400})
    >>> found = analyze(users, plan={
    ...     "variants": {"old": {"control": True}, "new": {}}, "primary": "orders", "rule": "fixed",
    ...     "metrics": {"orders": {"denominator": "visits", "form": "percent", "title": "orders per visit"}}})
    >>> print(found.verdict.sentence)
    Ship new. Its orders per visit is 75.0%, against 25.0% under old (+200%, between +161% and +251%).
    """
    return conclude(parsed(plan), scan_of(data, plan=plan, events=events, database=database), now=now)


def scan_of(
    data: Any,
    *,
    plan: AnalysisPlan | Mapping[str, Any] | Path | str,
    events: Any = None,
    database: "str | sa.Engine | None" = None,
    like: Scan | None = None,
) -> Scan:
    """The sums alone. Scans of different users add up, and ``conclude`` reads them: that is a live readout.

    Args:
        data: as of ``analyze``.
        plan: as of ``analyze``.
        events: as of ``analyze``.
        database: as of ``analyze``.
        like: an earlier scan, whose caps and gaps hold for this one, too.
    """
    return scan(source_of(data, events, database), parsed(plan), like=like)


def parsed(plan: AnalysisPlan | Mapping[str, Any] | Path | str) -> AnalysisPlan:
    """A plan, however it is given."""
    match plan:
        case AnalysisPlan():
            return plan
        case Mapping():
            return AnalysisPlan.parse(plan)
    return AnalysisPlan.read(plan)


def source_of(data: Any, events: Any = None, database: "str | sa.Engine | None" = None) -> Source:
    """Where the rows lie.

    Raises:
        SettingError: it is nothing that can be read, or exposures and events are of different kinds.
    """
    kind = _kind(data, database)
    if events is not None and _kind(events, database) != kind:
        raise SettingError("exposures and events lie in different places", allowed="both as files, frames or tables")
    if kind == "database":
        from recloop.experiments.analysis.database import Database

        assert database is not None
        return Database(database, data, events)
    if kind == "warehouse":
        from recloop.experiments.analysis.warehouse import Warehouse

        return Warehouse(data, events)
    if kind == "files":
        from recloop.experiments.analysis.files import Files

        return Files(data, events)
    return Frames(data, events)


def _kind(data: Any, database: object) -> str:
    from recloop.experiments.analysis.warehouse import is_ibis

    if isinstance(data, str | Path):
        return "database" if database is not None else "files"
    if is_ibis(data):
        return "warehouse"
    if is_frame(data):
        return "frames"
    raise SettingError(
        f"the rows are a {type(data).__name__}",
        allowed="a frame of polars, pandas or Arrow, a file, or a table of Ibis",
    )
