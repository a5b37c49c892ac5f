"""From files to a dataset: every row is read, or counted with its line and reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.bursts import find_bursts
from recloop.data.columns import NEEDED, RATINGS, Found, check_columns, check_fields, guess_columns, normal
from recloop.data.dataset import Dataset
from recloop.data.extra_vectors import read_vectors
from recloop.data.formats import Content, Format, Options, Role, Table, choose
from recloop.data.judge import Judge, as_text
from recloop.data.kinds import Kinds
from recloop.data.problems import Problems
from recloop.data.slates import SlateLog, read_slates
from recloop.errors import DataError, SettingError
from recloop.progress import SILENT, Progress

Columns = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the data lies and how it is read: the table ``[data]`` of ``recloop.toml``.

    Attributes:
        events, items, users: paths of the files; items and users may be missing.
        slates: path of the log of what was shown, one row per item (``SlateLog.of``), where one was kept.
        format, items_format, users_format: a name from ``recloop.data.formats.FORMATS``, or ``auto``.
        columns: field (user, item, kind, value, time, order) → column of the event file. Guessed where empty.
        item_columns: field (item, title, category, brand, price, description, text, time) → column or columns of the
            item file. Other columns are kept under their own names.
        user_columns: field (user, age, gender) → column of the user file. Other columns are kept.
        vectors: name → npz file with one vector per item (see ``read_vectors``), each a column of the catalogue.
        kind: the kind of every event where the file has no column for it.
        kinds: what each kind is worth.
        bad_rows: the share of bad rows of a file above which reading stops.
        quarantine: leave out the events of bursts that look made (``recloop.data.bursts``).
        separator, header: of the event file, where they cannot be seen from it.
        quote, encoding: of every file; ``quote = ""`` makes quotes plain characters.
        time_format: strftime pattern of the times where they are neither numbers nor ISO-8601.

    Raises:
        SettingError: a value is out of range or a field is unknown.

    >>> Source(events="log.csv", columns={"user": "customer", "item": "sku"}).bad_rows
    0.01
    """

    events: str
    items: str | None = None
    users: str | None = None
    slates: str | None = None
    format: str = "auto"
    items_format: str = "auto"
    users_format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    item_columns: Columns = field(default_factory=dict)
    user_columns: Columns = field(default_factory=dict)
    vectors: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    kinds: Kinds = field(default_factory=Kinds)
    bad_rows: float = 0.01
    quarantine: bool = False
    separator: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None
    time_format: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.bad_rows, bool) or not 0 <= self.bad_rows <= 1:
            raise SettingError(f"[data] bad_rows is {self.bad_rows!r}", allowed="it must be a share between 0 and 1")
        check_fields(self.columns, "events", "columns")

    def within(self, folder: Path) -> "Source":
        """The same source with relative paths taken from ``folder``."""
        return replace(
            self,
            events=str(folder / self.events),
            items=str(folder / self.items) if self.items else None,
            users=str(folder / self.users) if self.users else None,
            slates=str(folder / self.slates) if self.slates else None,
            vectors={name: str(folder / path) for name, path in self.vectors.items()},
        )


@dataclass(frozen=True)
class File:
    """How one file was read.

    Attributes:
        path: its name.
        role: what it holds.
        format, reason: the layout and why it was taken.
        columns: which column was taken for which field, and why.
        problems: its bad rows.
    """

    path: str
    role: str
    format: str
    reason: str
    columns: tuple[Found, ...]
    problems: Problems


@dataclass(frozen=True)
class Reading:
    """What came out of the files.

    Attributes:
        dataset: the log, the catalogue, the users.
        files: how each file was read, events first.
        source: where it came from.
        item_table, user_table: the ids that stand in the item and user files; None where there is no such file.
        notes: sentences worth reading, such as the rule by which times were read.
    """

    dataset: Dataset
    files: tuple[File, ...]
    source: Source
    item_table: pl.Series | None = None
    user_table: pl.Series | None = None
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problems, ...]:
        """The bad rows of each file, events first."""
        return tuple(file.problems for file in self.files)


def read(source: Source, progress: Progress = SILENT) -> Reading:
    """Read the files of a source.

    Every row that cannot be used is counted and kept with line number and reason; more than ``source.bad_rows`` of
    them in a file stop the reading.

    Raises:
        MissingError: a file is missing; the nearest name is offered.
        SettingError: the column map names a field or column that does not exist.
        DataError: a file cannot be read, is empty, or has too many bad rows.
    """
    jobs: list[tuple[Role, str]] = [("events", source.events)]
    jobs += [(role, path) for role, path in (("items", source.items), ("users", source.users)) if path]  # type: ignore[misc]
    tables: dict[str, pl.DataFrame] = {}
    files: list[File] = []
    notes: list[str] = []
    with progress.task("Read", total=len(jobs) + 1) as advance:
        for role, path in jobs:
            raw = _load(source, role, Path(path))
            tables[role] = _events(raw, source, notes) if role == "events" else _attributes(raw, role)
            raw.problems.stop_above(source.bad_rows)
            if role == "events" and tables[role].is_empty():
                raise DataError(f"no event is left of {raw.problems.rows:,} rows of {raw.problems.file}")
            files.append(File(path, role, raw.format.name, raw.reason, tuple(raw.found), raw.problems))
            advance(1)
        items, users = tables.get("items"), tables.get("users")
        known = _with_vectors(tables["events"], items, source, notes)
        dataset = Dataset.of(tables["events"], items=known, users=users, kinds=source.kinds)
        if source.slates:
            found = SlateLog.of(read_slates(Path(source.slates)), dataset.user_ids, dataset.item_ids)
            dataset = dataset.with_slates(found)
        if source.quarantine:
            dataset = _quarantined(dataset, notes)
        advance(1)
    return Reading(
        dataset=dataset,
        files=tuple(files),
        source=source,
        item_table=None if items is None else items["item"],
        user_table=None if users is None else users["user"],
        notes=tuple(notes),
    )


def _quarantined(dataset: Dataset, notes: list[str]) -> Dataset:
    """The log without bursts that look made; a note says how much is left out."""
    found = find_bursts(dataset.events)
    if not found.bursts:
        return dataset
    if found.events == dataset.n_events:
        raise DataError("all events belong to bursts that look made", advice="look at them with recloop check")
    notes.append(
        f"{found.events:,} of {dataset.n_events:,} events belong to {len(found.bursts):,} bursts that look made; they "
        "are left out (quarantine)."
    )
    return dataset.with_events(found.trusted(dataset.events))


def _with_vectors(
    events: pl.DataFrame, items: pl.DataFrame | None, source: Source, notes: list[str]
) -> pl.DataFrame | None:
    """The catalogue with the vectors of the npz files as columns."""
    if not source.vectors:
        return items
    known = events.select("item").unique()
    if items is not None:
        known = items.join(known, on="item", how="full", coalesce=True)
    for name, path in source.vectors.items():
        if name in known.columns:
            raise SettingError(
                f"[data.vectors] {name} is a column of the catalogue already", advice="give the vectors another name"
            )
        found = read_vectors(name, Path(path))
        if strangers := found.join(known, on="item", how="anti").height:
            notes.append(
                f"{strangers:,} of {found.height:,} vectors of '{name}' belong to unknown items; they are left out."
            )
        if strangers == found.height:
            raise DataError(
                f"none of the {found.height:,} ids in {Path(path).name} is the id of an item",
                advice="give the ids as they stand in the catalogue",
            )
        known = known.join(found, on="item", how="left", maintain_order="left")
    return known


@dataclass
class Raw:
    """A file as loaded, with its columns found, before its rows are judged."""

    table: Table
    format: Format
    reason: str
    found: list[Found]
    columns: dict[str, tuple[str, ...]]
    problems: Problems


def _load(source: Source, role: Role, path: Path) -> Raw:
    """The rows of one file and which column is which."""
    content = Content.read(path)
    problems = Problems(path.name)
    named: Columns = {"events": source.columns, "items": source.item_columns, "users": source.user_columns}[role]
    chosen = {"events": source.format, "items": source.items_format, "users": source.users_format}[role]
    layout, reason = choose(content, role, chosen)
    wanted = None
    if role == "events" and named and not layout.finish:
        wanted = [column for column in named.values() if isinstance(column, str)]
    own = Options(quote=source.quote, encoding=source.encoding, columns=wanted)
    if role == "events":
        own = replace(own, separator=source.separator, header=source.header)
    table = layout.load(content, own, problems)
    if layout.finish:
        table = Table(layout.finish(table.frame), table.line)
    if not table.frame.height:
        problems.stop_above(source.bad_rows)  # else the missing columns would be complained of
    if not problems.rows:
        what = {"events": "event", "items": "item", "users": "user"}[role]
        raise DataError(
            f"{path.name} holds no rows", allowed="at least one is needed", advice=f"Is it the {what} file?"
        )
    there = table.frame.columns
    if named:
        if wanted is not None and set(wanted) - set(there):
            there = layout.load(content, replace(own, columns=None), Problems(path.name)).frame.columns
        check_columns(named, there, path.name)
        found = [
            Found(f, c if isinstance(c, str) else ", ".join(c), "the column map says so") for f, c in named.items()
        ]
        columns = {f: (c,) if isinstance(c, str) else tuple(c) for f, c in named.items()}
    elif layout.columns:
        found = [Found(f, c, f"the format {layout.name} says so") for f, c in layout.columns.items()]
        columns = {f: (c,) for f, c in layout.columns.items()}
    else:
        found = guess_columns(table.frame.head(1000), role)
        columns = {entry.field: (entry.column,) for entry in found}
    for needed in NEEDED[role]:
        if needed not in columns:
            raise DataError(
                f"{path.name} has no column for '{needed}'",
                allowed=f"its columns are {', '.join(there)}" if there else "it has no columns at all",
                advice=f'name it in the column map: {needed} = "…"',
            )
    return Raw(table, layout, reason, found, columns, problems)


def _events(raw: Raw, source: Source, notes: list[str]) -> pl.DataFrame:
    """user, item, kind, value, time of the good rows, in the order of the file or of the column ``order``."""
    frame, columns, judge = raw.table.frame, raw.columns, Judge(raw.table, raw.problems)

    def column(name: str) -> pl.Series | None:
        return frame[columns[name][0]] if name in columns else None

    user, item = column("user"), column("item")
    assert user is not None
    assert item is not None
    events = pl.DataFrame({"user": judge.id(user, "user id"), "item": judge.id(item, "item id")})
    if (kind := column("kind")) is not None:
        events = events.with_columns(kind=judge.id(kind, "kind of event"))
    else:
        events = events.with_columns(kind=pl.lit(_kind(raw, source, notes)))
    if (value := column("value")) is not None:
        events = events.with_columns(value=judge.number(value, "value"))
    if (time := column("time")) is not None:
        times = judge.time(time, source.time_format)
        events = events.with_columns(time=times.seconds)
        notes.append(f"Times are read as {times.rule}.")
    if (order := column("order")) is not None:
        places = judge.number(order, "order")
        if unplaced := places.null_count():
            notes.append(f"{unplaced:,} events have no order; they are put before the others of their user.")
        events = events.with_columns(order=places).pipe(judge.keep)
        return events.sort("order", nulls_last=False, maintain_order=True).drop("order")
    return judge.keep(events)


def _kind(raw: Raw, source: Source, notes: list[str]) -> str:
    if source.kind is not None:
        return source.kind
    if raw.format.kind is not None:
        return raw.format.kind
    value = raw.columns.get("value", ("",))[0]
    kind = "rating" if normal(value) in RATINGS else "interaction"
    notes.append(
        f"No column tells the kind of an event: every event is of kind '{kind}' (set kind in [data] to change it)."
    )
    return kind


def _attributes(raw: Raw, role: Role) -> pl.DataFrame:
    """One row per id with its attributes; a second row of the same id is a fault."""
    key = NEEDED[role][0]
    frame, judge = raw.table.frame, Judge(raw.table, raw.problems)
    ids = judge.id(frame[raw.columns[key][0]], f"{key} id")
    made = {key: ids}
    for name, columns in raw.columns.items():
        if name == "price":
            made[name] = judge.number(frame[columns[0]], "price")
        elif name != key:
            made[name] = _joined(frame, columns)
    used = {column for columns in raw.columns.values() for column in columns}
    for column in frame.columns:
        if column not in used:
            made[column if column not in made else f"file_{column}"] = frame[column]
    judge.fault(_repeated(ids, judge.good), f"{key} id is in the file already")
    return judge.keep(pl.DataFrame(made))


def _joined(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    if len(columns) == 1:
        column = frame[columns[0]]
        words = isinstance(column.dtype, pl.List) and not column.dtype.inner.is_float()
        return as_text(column) if words else column
    return frame.select(
        pl.concat_str([as_text(frame[c]) for c in columns], separator=". ", ignore_nulls=True)
    ).to_series()


def _repeated(ids: pl.Series, good: NDArray[np.bool_]) -> pl.Series:
    """Whether a good row has the id of a good row before it."""
    frame = pl.DataFrame({"id": ids, "good": good})
    earlier = pl.col("good").cast(pl.Int32).cum_sum().over("id") - pl.col("good").cast(pl.Int32)
    return frame.select(earlier > 0).to_series()
