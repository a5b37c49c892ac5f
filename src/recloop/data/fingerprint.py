"""One number for a table: equal data, equal fingerprint, whatever library or version read it."""

import json
from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import polars as pl


def fingerprint(*frames: pl.DataFrame) -> str:
    """SHA-256 over the names and the values of the columns, as bytes that depend on no library.

    Numbers count as little-endian arrays, texts as their UTF-8 with lengths, moments as microseconds, vectors as their
    numbers with lengths, anything else nested as JSON; nulls by their places.

    >>> a = pl.DataFrame({"x": ["ab", "c"]})
    >>> fingerprint(a) == fingerprint(a.clone()), fingerprint(a) == fingerprint(pl.DataFrame({"x": ["a", "bc"]}))
    (True, False)
    """
    digest = sha256()
    for frame in frames:
        digest.update(json.dumps([frame.height, frame.columns]).encode())
        for column in frame:
            for part in _parts(column):
                digest.update(len(part).to_bytes(8, "little"))
                digest.update(part)
    return digest.hexdigest()


def _parts(column: pl.Series) -> Iterator[bytes | memoryview]:
    yield np.packbits(column.is_null().to_numpy()).tobytes() if column.null_count() else b""
    if column.dtype.is_temporal() and column.dtype != pl.Time:
        column = column.cast(pl.Datetime("us") if not isinstance(column.dtype, pl.Duration) else pl.Duration("us"))
        column = column.cast(pl.Int64)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if isinstance(column.dtype, pl.Array):
        column = column.cast(pl.List(column.dtype.inner))
    if isinstance(column.dtype, pl.List) and column.dtype.inner.is_float():
        yield from _parts(column.list.len().fill_null(0).cast(pl.Int64).rename("length"))
        column = column.drop_nulls().explode(empty_as_null=False)
        yield np.packbits(column.is_null().to_numpy()).tobytes() if column.null_count() else b""
    if column.dtype == pl.String:
        yield from _parts(column.str.len_bytes().fill_null(0).cast(pl.Int64).rename("length"))
        yield (column.str.join("").item() or "").encode()
    elif column.dtype == pl.Boolean or (column.dtype.is_numeric() and not column.dtype.is_decimal()):
        values = np.ascontiguousarray(column.fill_null(0 if column.dtype != pl.Boolean else False).to_numpy())
        yield values.dtype.str.lstrip("<>|=").encode()
        yield values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    else:
        yield json.dumps(column.to_list(), default=str).encode()
