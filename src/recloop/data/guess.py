"""What a file seems to hold: its layout and its columns, each with the reason in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recloop.data.columns import NEEDED, RATINGS, Found, guess_columns, normal
from recloop.data.formats import Content, Options, Role, choose
from recloop.data.problems import Problems
from recloop.data.times import to_seconds
from recloop.errors import DataError

HEAD_BYTES = 2**20
NOISE = 0.5  # share of bad rows above which a file is taken for something else than a table


@dataclass(frozen=True)
class Guess:
    """What a file seems to hold, from its first megabyte.

    Attributes:
        path: the file.
        role: what it was taken for: events, items or users.
        format, reason: its layout and why.
        columns: the column taken for each field, and why; empty fields are not named.
        preset: whether the format itself says which column is which.
        left: columns that no field takes (kept as attributes of items and users, left out of events).
        kind: the kind of every event where no column tells it.
        kinds: the kinds in the column for it, the most frequent first.
        times: the rule by which times are read, "" where there are none.
        moments: how many different times there are in the head.
        values: the least and the greatest value, None where there are none.
        ids: the item ids in the head (user ids of a user file), to be compared with those of other files.
        whole: whether the head is the whole file.
        rows: rows in the head.
    """

    path: Path
    role: Role
    format: str
    reason: str
    columns: tuple[Found, ...]
    preset: bool
    left: tuple[str, ...]
    kind: str | None
    kinds: tuple[str, ...]
    times: str
    moments: int
    values: tuple[float, float] | None
    ids: pl.Series
    whole: bool
    rows: int

    @property
    def fields(self) -> dict[str, str]:
        """Field → column."""
        return {found.field: found.column for found in self.columns}

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was guessed, and why, for people."""
        lines = [f"{self.path.name} is read as {self.format}, because {self.reason}."]
        lines += [f"{found.field} = '{found.column}': {found.reason}." for found in self.columns]
        if self.times:
            lines.append(f"The times look like {self.times}.")
        if self.kind:
            lines.append(f"No column tells the kind of an event: all are of kind '{self.kind}'.")
        if self.left and self.role == "events":
            lines.append(f"Not used: {', '.join(self.left)}.")
        return tuple(lines)


def guess(path: Path | str, role: Role = "events", form: str = "auto") -> Guess:
    r"""Look at the head of a file and guess how to read it.

    Args:
        path: of the file.
        role: what it should hold.
        form: the name of the format, where it is known.

    Raises:
        MissingError: there is no such file.
        DataError: it is empty or has no column that can be an id.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     _ = file.write_text("customer,sku,action,ts\nann,a1,view,1700000000\nbob,a1,buy,1700000060\n")
    ...     guess(file).fields
    {'user': 'customer', 'item': 'sku', 'kind': 'action', 'time': 'ts'}
    """
    path = Path(path)
    content = Content.read(path, head=HEAD_BYTES)
    layout, reason = choose(content, role, form)
    problems = Problems(path.name)
    frame = layout.load(content, Options(), problems).frame
    frame = layout.finish(frame) if layout.finish else frame
    if frame.is_empty():
        first = f": {problems.examples[0]}" if problems.bad else ""
        raise DataError(f"{path.name} holds no rows that can be read{first}", allowed="at least one is needed")
    if problems.share > NOISE:
        raise DataError(
            f"{path.name} has {problems.bad:,} bad rows among its first {problems.rows:,}: {problems.examples[0]}",
            allowed="most rows must be readable before columns can be guessed",
            advice="Is it a table of text, JSON lines or Parquet?",
        )
    if layout.columns:
        columns = [Found(f, c, f"the format {layout.name} says so") for f, c in layout.columns.items()]
    else:
        columns = guess_columns(frame.head(1000), role)
    taken = {found.field: found.column for found in columns}
    for needed in NEEDED[role]:
        if needed not in taken:
            raise DataError(
                f"{path.name} has no column that can be the {needed}",
                allowed=f"its columns are {', '.join(frame.columns)}",
                advice="name the columns in recloop.toml, or say how the file is written (separator, header)",
            )
    return Guess(
        path=path,
        role=role,
        format=layout.name,
        reason=reason,
        columns=tuple(columns),
        preset=bool(layout.columns),
        left=tuple(name for name in frame.columns if name not in taken.values()),
        kind=_kind(layout.kind, taken) if role == "events" and "kind" not in taken else None,
        kinds=_kinds(frame[taken["kind"]]) if "kind" in taken else (),
        times=to_seconds(frame[taken["time"]]).rule if "time" in taken and role == "events" else "",
        moments=frame[taken["time"]].n_unique() if "time" in taken else 0,
        values=_span(frame[taken["value"]]) if "value" in taken else None,
        ids=frame[taken["user" if role == "users" else "item"]].cast(pl.String),
        whole=content.whole,
        rows=frame.height,
    )


def overlap(events: Guess, other: Guess) -> float | None:
    """The share of the events in the head whose item stands in the item file; None where that was not seen whole."""
    if not other.whole or other.role != "items":
        return None
    return float(events.ids.is_in(other.ids.implode()).mean() or 0.0)  # type: ignore[arg-type]


def _kind(preset: str | None, taken: dict[str, str]) -> str:
    if preset is not None:
        return preset
    return "rating" if normal(taken.get("value", "")) in RATINGS else "interaction"


def _kinds(column: pl.Series) -> tuple[str, ...]:
    counts = column.cast(pl.String).drop_nulls().value_counts(sort=True)
    kinds: Sequence[str] = counts[counts.columns[0]].head(20).to_list()
    return tuple(kinds)


def _span(column: pl.Series) -> tuple[float, float] | None:
    numbers = column.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).drop_nulls()
    numbers = numbers.filter(numbers.is_finite())
    if not len(numbers):
        return None
    return float(numbers.to_numpy().min()), float(numbers.to_numpy().max())
