"""Vectors that come with the catalogue: images, sounds, films, as another model saw them."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError, MissingError, SettingError, nearest

ARRAYS = ("item", "vectors")


@dataclass(frozen=True, slots=True)
class ExtraVectors:
    """One vector per item, where there is one.

    Attributes:
        name: the column of the catalogue.
        values: (n_items, d) float32, finite; zeros where an item has no vector.
        present: (n_items,) bool, which items have one. A vector of zeros counts as none.

    >>> column = pl.Series("image", [[3.0, 4.0], None, [0.0, 0.0]])
    >>> found = ExtraVectors.of(column)
    >>> found.dimension, found.present.tolist(), found.unit.tolist()[0]
    (2, [True, False, False], [0.6000000238418579, 0.800000011920929])
    """

    name: str
    values: NDArray[np.float32]
    present: NDArray[np.bool_]

    @property
    def dimension(self) -> int:
        """Numbers per vector."""
        return int(self.values.shape[1])

    @property
    def unit(self) -> NDArray[np.float32]:
        """(n_items, d) float32: the vectors at length 1, so that a product of two is a cosine; zeros stay."""
        top = np.abs(self.values).max(axis=1, keepdims=True)  # first to size 1: squares may leave the range of float32
        scaled = self.values / np.where(top > 0, top, 1)
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (scaled / np.maximum(length, 1)).astype(np.float32, copy=False)
        return unit

    @classmethod
    def of(cls, column: pl.Series) -> "ExtraVectors":
        """The vectors in a list column; null and empty lists are items without one.

        Raises:
            DataError: the lists are of several lengths, hold something else than finite numbers, or are all empty.
        """
        flat = column.cast(pl.List(column.dtype.inner)) if isinstance(column.dtype, pl.Array) else column
        if not isinstance(flat.dtype, pl.List) or not flat.dtype.inner.is_numeric():
            raise DataError(
                f"the column '{column.name}' holds {column.dtype}", allowed="extra vectors are lists of numbers"
            )
        lengths = flat.list.len().fill_null(0).to_numpy()
        listed = np.flatnonzero(lengths)
        if not len(listed):
            raise DataError(f"no item has a vector in the column '{column.name}'", advice="leave the column out")
        sizes, rows = np.unique(lengths[listed], return_counts=True)
        if len(sizes) > 1:
            counted = ", ".join(f"{row:,} of {size}" for size, row in zip(sizes[:5], rows[:5], strict=True))
            raise DataError(
                f"the vectors in the column '{column.name}' differ in length: {counted}",
                allowed="all are to be of one length",
                advice="encode all items with one model",
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told below
            numbers = flat.gather(listed).explode(empty_as_null=False).cast(pl.Float64).to_numpy().astype(np.float32)
        vectors = numbers.reshape(len(listed), -1)
        if bad := int((~np.isfinite(vectors).all(axis=1)).sum()):
            raise DataError(
                f"{bad:,} of {len(listed):,} vectors in the column '{column.name}' hold NaN, infinite or missing "
                "numbers",
                allowed="numbers are to be finite, within float32",
                advice="leave the vectors of those items empty",
            )
        values = np.zeros((len(column), vectors.shape[1]), np.float32)
        values[listed] = vectors
        return cls(name=column.name, values=values, present=np.abs(values).max(axis=1) > 0)


def vector_columns(items: pl.DataFrame) -> tuple[str, ...]:
    """The columns of a catalogue that hold vectors: lists of decimal numbers (lists of whole numbers are ids).

    >>> vector_columns(pl.DataFrame({"item": ["x"], "tags": [[1, 2]], "image": [[0.1, 0.2]]}))
    ('image',)
    """
    return tuple(name for name, dtype in items.schema.items() if _holds_vectors(dtype))


def _holds_vectors(dtype: pl.DataType) -> bool:
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else None
    return isinstance(inner, pl.DataType) and inner.is_float()


def pick(items: pl.DataFrame, name: str) -> ExtraVectors:
    """The vectors in one column of a catalogue.

    Raises:
        SettingError: there is no such column.
        DataError: see ``ExtraVectors.of``.
    """
    if name not in items.columns:
        raise SettingError(
            f"the catalogue has no column of vectors '{name}'",
            advice=nearest(name, vector_columns(items)),
        )
    return ExtraVectors.of(items[name])


def read_vectors(name: str, path: Path) -> pl.DataFrame:
    """The item ids and vectors in an npz file, as columns ``item`` and ``name``.

    Args:
        name: what the column is to be called.
        path: an npz file with the arrays ``item`` (n ids, texts or whole numbers) and ``vectors`` (n, d).

    Raises:
        MissingError: there is no such file.
        DataError: the file is damaged, an array is missing or of another shape, an id is there twice, or a number is
            not finite.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            missing = [array for array in ARRAYS if array not in stored.files]
            found = {} if missing else {array: stored[array] for array in ARRAYS}
    except FileNotFoundError:
        raise MissingError(f"there is no file of vectors {path}", advice=f"see [data.vectors] {name}") from None
    except (OSError, ValueError, EOFError, BadZipFile, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} is no readable npz file ({error})",
            advice="write it with numpy.savez(path, item=ids, vectors=vectors), ids as texts or whole numbers",
        ) from error
    if missing:
        raise DataError(f"{path.name} lacks the array {' and '.join(missing)}", allowed="item and vectors are needed")
    ids, vectors = found["item"], found["vectors"]
    if ids.ndim != 1 or vectors.ndim != 2 or len(ids) != len(vectors) or not vectors.size:
        raise DataError(
            f"{path.name} holds item of shape {ids.shape} and vectors of shape {vectors.shape}",
            allowed="n ids go with (n, d) vectors",
        )
    if ids.dtype.kind not in "Uiu" or vectors.dtype.kind not in "fiu":
        raise DataError(
            f"{path.name} holds item of type {ids.dtype} and vectors of type {vectors.dtype}",
            allowed="ids are texts or whole numbers, vectors are numbers",
        )
    with np.errstate(over="ignore"):
        rows = vectors.astype(np.float32)
    if bad := int((~np.isfinite(rows).all(axis=1)).sum()):
        raise DataError(
            f"{bad:,} of {len(rows):,} vectors of {path.name} hold NaN or infinite numbers",
            allowed="numbers are to be finite, within float32",
        )
    frame = pl.DataFrame({"item": pl.Series(ids.astype(str).tolist(), dtype=pl.String), name: pl.Series(rows)})
    if twice := frame.height - frame["item"].n_unique():
        raise DataError(f"{path.name} holds {twice:,} ids a second time", allowed="one vector per item is needed")
    return frame
