"""Bad rows, missing and repeated events, ids that one file has and another has not."""

from pathlib import Path

import numpy as np
import polars as pl

from recloop.data.checks.finding import Finding, Section, Severity, error, info, warning
from recloop.data.dataset import Dataset
from recloop.data.source import Reading

_PLACEHOLDERS = ("nan", "null", "none", "undefined", "unknown", "n/a", "anonymous", "-1")


def files(reading: Reading) -> Section:
    """How each file was read, and its bad rows."""
    figures = [
        {
            "path": file.path,
            "role": file.role,
            "format": file.format,
            "reason": file.reason,
            "columns": [{"field": c.field, "column": c.column, "reason": c.reason} for c in file.columns],
            "problems": file.problems.to_dict(),
        }
        for file in reading.files
    ]
    found = []
    for problems in reading.problems:
        if problems.bad:
            reasons = ", ".join(f"{reason} ({n:,})" for reason, n in problems.to_dict()["counts"].items())
            found.append(
                warning(
                    "rows",
                    f"{problems.file}: {problems.bad:,} of {problems.rows:,} rows are left out ({problems.share:.2%}): "
                    f"{reasons}. The first is line {problems.examples[0].line}.",
                )
            )
    return {"files": figures, "notes": list(reading.notes)}, found


def missing(data: Dataset) -> Section:
    """Empty cells per column."""
    figures = {
        table: {
            name: {"missing": nulls, "share": nulls / frame.height if frame.height else 0.0}
            for name in frame.columns
            if (nulls := frame[name].null_count())
        }
        for table, frame in (("events", data.events), ("items", data.items), ("users", data.users))
    }
    found = []
    for table in ("items", "users"):
        empty = [name for name, entry in figures[table].items() if entry["share"] == 1.0]
        if empty:
            found.append(info("values", f"Columns of the {table} without any value: {', '.join(empty)}."))
    return {"missing": figures}, found


def duplicates(data: Dataset) -> Section:
    """Events that repeat others."""
    columns = ["user", "item", "kind", "value", "time"]
    distinct = data.events.select(pl.struct(columns).n_unique()).item()
    pairs = data.events.select(pl.struct("user", "item").n_unique()).item()
    exact, repeats = data.n_events - distinct, data.n_events - pairs
    found = []
    if exact and data.has_times:
        severity: Severity = "warning" if exact > 0.001 * data.n_events else "info"
        found.append(
            Finding(
                severity,
                "duplicates",
                f"{exact:,} events ({exact / data.n_events:.2%}) repeat another in user, item, "
                "kind, value and time. Were files joined twice, or a client's retries logged?",
            )
        )
    if repeats - exact > 0.001 * data.n_events:
        found.append(
            info(
                "duplicates",
                f"{repeats / data.n_events:.1%} of the events are on an item that the user had "
                "already. Splits with hide_seen do not judge these.",
            )
        )
    return {"duplicates": {"exact": exact, "same_pair": repeats}}, found


def unknown(reading: Reading) -> Section:
    """Ids of the events that their file does not list, and the other way round."""
    data, figures, found = reading.dataset, {}, []
    for name, ids, table, path in (
        ("item", data.item_ids, reading.item_table, reading.source.items),
        ("user", data.user_ids, reading.user_table, reading.source.users),
    ):
        if table is None:
            continue
        listed = np.zeros(len(ids), dtype=bool)
        listed[ids.indices(table)] = True
        touched = np.bincount(data.events[name].to_numpy(), minlength=len(ids))
        strange, events = int((touched > 0)[~listed].sum()), int(touched[~listed].sum())
        idle = int((touched == 0).sum())
        file = Path(path or "").name
        figures[f"{name}s"] = {"unknown": strange, "events": events, "idle": idle}
        share = strange / max(1, int((touched > 0).sum()))
        if strange == int((touched > 0).sum()):
            found.append(
                error(
                    "unknown",
                    f"No {name} of the events stands in {file}: the {name} ids of the two files do not match. "
                    f"Mend them, or take '{name}s' out of [data].",
                )
            )
        elif strange:
            found.append(
                Finding(
                    "warning" if share > 0.01 else "info",
                    "unknown",
                    f"{strange:,} {name}s with {events:,} events "
                    f"({share:.1%} of the {name}s) do not stand in {file}; they have no attributes.",
                )
            )
        if idle:
            found.append(info("unknown", f"{idle:,} {name}s of {file} have no event."))
    return {"unknown": figures}, found


def ids(data: Dataset) -> Section:
    """Ids that look alike, padded or like placeholders."""
    found = []
    for name, vocabulary in (("user", data.user_ids), ("item", data.item_ids)):
        names = pl.Series(vocabulary.ids, dtype=pl.String)
        folded = names.str.strip_chars().str.to_lowercase()
        padded, alike = int((names.str.strip_chars() != names).sum()), len(folded) - folded.n_unique()
        if padded:
            found.append(warning(f"{name}s", f"{padded:,} {name} ids begin or end with a space."))
        if alike:
            found.append(
                warning(
                    f"{name}s",
                    f"{alike:,} {name} ids differ from another only in case or spaces. Are they the same?",
                )
            )
        places = np.flatnonzero(folded.is_in(_PLACEHOLDERS).to_numpy())
        touched = np.bincount(data.events[name].to_numpy(), minlength=len(names))[places]
        if touched.sum() and len(places):
            shown = ", ".join(f"'{vocabulary[int(place)]}'" for place in places[:5])
            found.append(
                warning(
                    f"{name}s",
                    f"{int(touched.sum()):,} events have the {name} id {shown}: a placeholder for a missing one?",
                )
            )
    return {}, found
