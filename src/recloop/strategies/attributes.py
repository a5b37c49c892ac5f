"""Attributes of users or items (age, gender, genres, price …) as sparse features of a linear model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

SEPARATORS = r"\s*[|,;]\s*"  # "Comedy|Drama" and "Comedy, Drama" hold two values
STEPS = 10  # of the stairs that a column of numbers becomes


@dataclass(frozen=True, eq=False)
class Attributes:
    """The features that a table's columns become, learned from the table and the same for every later row.

    A value that enough rows share is an indicator, 1 / sqrt(k) for each of the k values of a cell, so that "Comedy" and
    "Comedy|Drama" have the same length. A column of numbers or dates (its year) is stairs, too: indicators of
    "at least e" for ten values e, so that neighbours share what is learned of them. A column in which no value is
    shared (a title, a telephone number) becomes nothing.

    Attributes:
        columns: (f,) the column of each feature, sorted.
        values: (f,) the value that it indicates, "" for a step.
        edges: (f,) float64, the least number of a step, NaN for a value.

    >>> users = pl.DataFrame({"user": ["a", "b", "c", "d"], "job": ["cook", "cook", "clown", "cook|clown"]})
    >>> found = Attributes.of(users.drop("user"), least=2)
    >>> new = {"job": np.array(["clown", "", "pope"], dtype=object)}
    >>> found.values.tolist(), found.encode(new, 3).toarray().tolist()
    (['clown', 'cook'], [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    """

    columns: NDArray[np.str_]
    values: NDArray[np.str_]
    edges: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.columns)

    @classmethod
    def of(cls, table: pl.DataFrame, least: int) -> "Attributes":
        """The features of a table, one row per user or item.

        Args:
            table: columns of text, numbers, dates, truth or lists of text; others are passed over.
            least: a value that fewer rows hold is no feature.
        """
        found: list[tuple[str, str, float]] = []
        for name in sorted(table.columns):
            column = _plain(table[name])
            if column is None:
                continue
            cells = _cells(column.cast(pl.String).fill_null("").to_numpy().astype(object))
            counts = cells.group_by("value").agg(n=pl.len())
            shared = counts.filter((pl.col("n") >= least) & (pl.col("n") < len(column)))
            found += [(name, value, np.nan) for value in sorted(shared["value"])]
            if column.dtype.is_numeric():
                numbers = column.cast(pl.Float64).drop_nulls().to_numpy()
                numbers = numbers[np.isfinite(numbers)]
                steps = np.quantile(numbers, np.arange(1, STEPS + 1) / (STEPS + 1)) if len(numbers) else np.empty(0)
                found += [
                    (name, "", float(step))
                    for step in np.unique(steps)
                    if least <= (numbers >= step).sum() < len(column)
                ]
        names, values, edges = zip(*found, strict=True) if found else ((), (), ())
        return cls(np.array(names, np.str_), np.array(values, np.str_), np.array(edges, np.float64))

    def encode(self, columns: Mapping[str, NDArray[np.object_]], n: int) -> sparse.csr_array:
        """(n, f) float32 sparse: the features of n rows; a column or value that is not known says nothing.

        Args:
            columns: column → (n,) text, "" where unknown, as in ``Histories.profiles``.
            n: number of rows.
        """
        rows, places, entries = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float64)]
        for name in np.unique(self.columns):
            if name not in columns:
                continue
            own = np.flatnonzero(self.columns == name)
            steps = ~np.isnan(self.edges[own])
            schema = {"value": pl.String, "place": pl.Int64}
            known = pl.DataFrame({"value": self.values[own[~steps]].tolist(), "place": own[~steps]}, schema=schema)
            cells = _cells(columns[name]).join(known, on="value")
            rows.append(cells["row"].to_numpy())
            places.append(cells["place"].to_numpy())
            entries.append(cells["share"].to_numpy())
            if steps.any():
                numbers = pl.Series(columns[name].tolist(), dtype=pl.String).cast(pl.Float64, strict=False)
                row, step = np.nonzero(numbers.to_numpy()[:, None] >= self.edges[own[steps]])
                rows.append(row)
                places.append(own[steps][step])
                entries.append(np.ones(len(row)))
        data = np.concatenate(entries).astype(np.float32)
        return sparse.csr_array((data, (np.concatenate(rows), np.concatenate(places))), shape=(n, len(self)))

    @classmethod
    def texts(cls, table: pl.DataFrame) -> dict[str, NDArray[np.object_]]:
        """The columns of a table as ``encode`` wants them."""
        plain = {name: _plain(table[name]) for name in table.columns}
        return {
            name: column.cast(pl.String).fill_null("").to_numpy().astype(object)
            for name, column in plain.items()
            if column is not None
        }

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What was learned, by name, to be saved."""
        return {f"{prefix}_{name}": getattr(self, name) for name in ("columns", "values", "edges")}

    @classmethod
    def restore(cls, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> "Attributes":
        """The inverse of ``arrays``."""
        return cls(*(arrays[f"{prefix}_{name}"] for name in ("columns", "values", "edges")))


def _plain(column: pl.Series) -> pl.Series | None:
    """A column of text or numbers; a date is its year, a list its values with bars between; None for anything else."""
    if column.dtype in (pl.Date, pl.Datetime):
        return column.dt.year()
    if column.dtype == pl.List(pl.String):
        return column.list.join("|", ignore_nulls=True)
    if column.dtype in (pl.Categorical, pl.Enum, pl.Boolean):
        return column.cast(pl.String)
    return column if column.dtype == pl.String or column.dtype.is_numeric() else None


def _cells(column: NDArray[np.object_]) -> pl.DataFrame:
    """row, value, share: the values of each cell, each once."""
    frame = pl.DataFrame({"value": pl.Series(column.tolist(), dtype=pl.String)}).with_row_index("row")
    return (
        frame.with_columns(pl.col("value").str.strip_chars().str.replace_all(SEPARATORS, "|").str.split("|"))
        .explode("value")
        .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        .unique(maintain_order=True)
        .with_columns(share=pl.len().over("row").cast(pl.Float64) ** -0.5)
    )
