"""The slate table as arrays: users, cells (days, or arms), codes of dimensions, numerators and denominators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError, SettingError, nearest
from recloop.experience.problems.measures import MEASURES, Measure
from recloop.experience.problems.settings import Settings

DAY = 86_400.0
UNKNOWN = "(unknown)"
OTHER = "(other values)"
RESERVED = frozenset(
    {"user", "variant", "decision", "id", "items", "fallback", "session", "time", "first", "last", "arm"}
)
INTERVENTIONS = frozenset({"release", "policy", "variant", "model"})
"""Dimensions that change because somebody changed them: what they explain is a cause, and no traffic."""
TEXT = (pl.String, pl.Boolean, pl.Categorical, pl.Enum)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One attribute: its values by code, the most frequent first; ``UNKNOWN`` and ``OTHER`` are values too."""

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Coded:
    """Rows are slates.

    Attributes:
        user: (n,) code of the user.
        users: how many.
        cell: (n,) day since ``first_day``, or 0 for the control and 1 for the treatment.
        cells: how many.
        first_day: days since 1970 of cell 0; in a comparison of arms, of the first slate.
        day: (n,) day since ``first_day``, always.
        dimensions: that make slices.
        acts: those in ``INTERVENTIONS``, whether they make slices or not.
        sums: metric → numerator and denominator, (n,) each; zero where the metric was not measured.
        notes: what was left out, as sentences.
        expected: metric → (n,) what stands for its denominator; see ``expected.with_expected``.
    """

    user: NDArray[np.int32]
    users: int
    cell: NDArray[np.int32]
    cells: int
    first_day: int
    day: NDArray[np.int32]
    dimensions: tuple[Dimension, ...]
    acts: tuple[Dimension, ...]
    sums: Mapping[str, tuple[Floats, Floats]]
    notes: tuple[str, ...]
    expected: Mapping[str, Floats] = field(default_factory=dict)

    def date(self, day: int) -> str:
        """A day as ``YYYY-MM-DD``."""
        return datetime.fromtimestamp((self.first_day + day) * DAY, tz=UTC).strftime("%Y-%m-%d")

    def rows(self, where: Mapping[str, str]) -> NDArray[np.bool_]:
        """(n,) the rows of a slice."""
        found = np.ones(self.user.size, bool)
        for one in self.dimensions:
            if one.name in where:
                found &= one.codes == one.values.index(where[one.name])
        return found


def with_columns(slates: pl.DataFrame) -> pl.DataFrame:
    """The slates with the columns that follow from others: ``time``, ``slates`` (1 each), ``empty_slates``.

    Raises:
        DataError: there is no user, or no time, or a time cannot be read.
    """
    if "time" not in slates.columns and "first" in slates.columns:
        slates = slates.rename({"first": "time"})
    lacking = [name for name in ("user", "time") if name not in slates.columns]
    if lacking:
        raise DataError(
            f"the slates have no column {', '.join(lacking)}", allowed="needed: user and time (seconds since 1970)"
        )
    if slates["time"].dtype == pl.String:
        slates = slates.with_columns(_moment(slates["time"]))
    if slates["time"].dtype.is_temporal():
        slates = slates.with_columns(pl.col("time").dt.epoch("ms") / 1000)
    more = {}
    if "slates" not in slates.columns:
        more["slates"] = pl.lit(1, pl.Int64)
    if "shown" in slates.columns and "empty_slates" not in slates.columns:
        more["empty_slates"] = (pl.col("shown") == 0).cast(pl.Int64)
    # nobody knows whether two slates of somebody unknown are of one user: each is of a user of its own
    row = pl.format("slate {}", pl.int_range(pl.len()))
    user = pl.col("user").cast(pl.String)
    known = pl.when(user.fill_null("") == "").then(row).otherwise(user)
    return slates.with_columns(known.alias("user"), pl.col("time").cast(pl.Float64), **more)


def _moment(column: pl.Series) -> pl.Series:
    """Times that came as text, of a CSV file: dates with a time, or numbers.

    Raises:
        DataError: some cannot be read.
    """
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() == column.null_count():
        return numbers
    try:
        return column.str.to_datetime(time_zone="UTC")
    except pl.exceptions.PolarsError:
        pass  # said below
    raise DataError(
        f"the times of the slates are texts such as {column.drop_nulls().first()!r}",
        allowed="seconds since 1970, or dates with a time such as 2025-11-01T08:00:00Z",
    )


def measured(slates: pl.DataFrame, settings: Settings) -> tuple[dict[str, Measure], list[str]]:
    """The measures that the slates hold, and sentences on those that they do not.

    Raises:
        SettingError: a metric that was asked for is unknown.
    """
    for name in settings.metrics or ():
        if name not in MEASURES:
            raise SettingError(f"there is no metric '{name}' over slates", advice=nearest(name, MEASURES))
    found, zero, lacking = {}, list[str](), dict[str, list[str]]()
    for name in settings.metrics or MEASURES:
        one = MEASURES[name]
        if one.metric.missing(slates):
            lacking.setdefault(one.metric.needs, []).append(one.metric.title)
        elif not float(slates[one.metric.columns[0]].cast(pl.Float64).abs().sum()):
            # zeros alone: the client does not send them, or nothing of it happens; neither can be told apart
            zero.append(one.metric.title)
        else:
            found[name] = one
    notes = [f"Always zero, so there is nothing to compare, or it is not sent: {', '.join(zero)}."] if zero else []
    without = "; ".join(f"without {need}: {', '.join(titles)}" for need, titles in lacking.items())
    notes += [f"Not measured {without}."] if lacking else []
    return found, notes


def code(slates: pl.DataFrame, settings: Settings, measures: Mapping[str, Measure], *, arms: bool) -> Coded:
    """The arrays of a slate table that ``with_columns`` completed.

    Raises:
        DataError: a dimension is missing or holds fractional numbers.
    """
    days = np.floor(slates["time"].to_numpy() / DAY).astype(np.int64)
    first = int(days.min()) if days.size else 0
    day = (days - first).astype(np.int32)
    user = slates["user"].cast(pl.Categorical).to_physical().to_numpy()
    codes, user = np.unique(user, return_inverse=True)
    notes: list[str] = []
    cell = day
    if arms:
        cell = (slates["variant"] == settings.treatment).to_numpy().astype(np.int32)
    names = _dimensions(slates, settings, arms=arms)
    dimensions = tuple(_dimension(slates[name], name, settings.values, notes) for name in names)
    acts = tuple(
        _dimension(slates[name], name, settings.values, [])
        for name in sorted(INTERVENTIONS & set(slates.columns))
        if slates[name].dtype in TEXT
    )
    sums: dict[str, tuple[Floats, Floats]] = {}
    columns: dict[str, Floats] = {}
    for name, one in measures.items():
        y, x = (columns.setdefault(column, slates[column].cast(pl.Float64).to_numpy()) for column in one.metric.columns)
        known = np.isfinite(y) & np.isfinite(x)
        if known.all():
            sums[name] = (y, x)  # the same array for all metrics that share a column, so that it is summed once
            continue
        notes.append(f"{one.metric.title}: not measured for {1 - known.mean():.1%} of the slates, which are left out.")
        sums[name] = (np.where(known, y, 0.0), np.where(known, x, 0.0))
    return Coded(
        user=user.astype(np.int32),
        users=codes.size,
        cell=cell,
        cells=2 if arms else int(day.max(initial=0)) + 1,
        first_day=first,
        day=day,
        dimensions=tuple(one for one in dimensions if len(one.values) > 1),
        acts=acts,
        sums=sums,
        notes=tuple(notes),
    )


def _dimensions(slates: pl.DataFrame, settings: Settings, *, arms: bool) -> Sequence[str]:
    if settings.dimensions is None:
        found = [n for n in slates.columns if slates[n].dtype in TEXT and n not in RESERVED]
        return found if arms or "variant" not in slates.columns else [*found, "variant"]
    for name in settings.dimensions:
        if name not in slates.columns:
            raise DataError(f"the slates have no dimension '{name}'", advice=nearest(name, slates.columns))
        kind = slates[name].dtype
        if not (kind.is_integer() or kind in TEXT):
            raise DataError(f"dimension '{name}' holds {kind}", allowed="text, whole numbers or true and false")
    return settings.dimensions


def _dimension(column: pl.Series, name: str, most: int, notes: list[str]) -> Dimension:
    text = column.cast(pl.String).fill_null(UNKNOWN).replace("", UNKNOWN)
    counts = text.alias("value").value_counts(sort=True)
    values = counts.sort(["count", "value"], descending=[True, False])["value"].to_list()
    if lacking := int((text == UNKNOWN).sum()):
        notes.append(
            f"{name}: unknown for {lacking / max(len(text), 1):.1%} of the slates; they are the value {UNKNOWN}."
        )
    kept = values[:most]
    if len(values) > most:
        notes.append(f"{name}: {len(values):,} values; all but the {most} most frequent are put together.")
        kept = [*kept, OTHER]
    place = pl.DataFrame({"value": values, "place": np.minimum(np.arange(len(values)), most).astype(np.int32)})
    codes = pl.DataFrame({"value": text}).join(place, on="value", how="left", maintain_order="left")["place"].to_numpy()
    return Dimension(name, tuple(kept), codes.astype(np.int32))
