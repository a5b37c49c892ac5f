"""Whether a column of files holds each value once, told without grouping by it: sound, and in little memory."""

from typing import TYPE_CHECKING

import numpy as np

from recloop.experiments.analysis.source import quoted

if TYPE_CHECKING:
    import duckdb

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
WIDEST = 200_000_000  # bits of a map of whole numbers: 25 MB for each thread
SPARSEST = 64  # bits per row, above which a map is wasteful
AT_ONCE = 8_000_000  # hashes in memory: 64 MB
MOST_PASSES = 16


def distinct(connection: "duckdb.DuckDBPyConnection", table: str, column: str, inside: str) -> bool:
    """Whether no value comes twice; False where one does, or where grouping is the cheaper way to know.

    Values that rise strictly, in whatever order the scan reads them, are all different: a scan that stops at the first
    that does not. Whole numbers in a narrow range set one bit each, and the bits are counted. Else 64-bit hashes are
    sorted, a part of them at a time: without two that are equal there are no two values that are equal. Equal hashes of
    different values are as rare as one in 300,000 scans of ten million users, and then the answer is False, which says
    nothing.

    Args:
        connection: to DuckDB.
        table: what stands behind FROM.
        column: its name.
        inside: ``WHERE …`` of the rows that are meant, or empty; no row among them is empty in the column.
    """
    name = quoted(column)
    ((rows,),) = connection.execute(f"SELECT COUNT(*) FROM {table}{inside}").fetchall()
    if not rows:
        return True
    rising = f"SELECT {name} AS value, lag({name}) OVER () AS former FROM {table}{inside}"
    if not connection.execute(f"SELECT 1 FROM ({rising}) AS rising WHERE value <= former LIMIT 1").fetchall():
        return True
    ((kind,),) = connection.execute(f"SELECT typeof({name}) FROM {table}{inside} LIMIT 1").fetchall()
    if kind in WHOLE:
        ((low, high),) = connection.execute(f"SELECT MIN({name}), MAX({name}) FROM {table}{inside}").fetchall()
        if high - low < min(WIDEST, SPARSEST * rows):
            bits = f"bitstring_agg(CAST({name} AS BIGINT), {low}::BIGINT, {high}::BIGINT)"
            ((seen,),) = connection.execute(f"SELECT bit_count({bits}) FROM {table}{inside}").fetchall()
            return bool(seen == rows)
    passes = -(-rows // AT_ONCE)
    if passes > MOST_PASSES:
        return False
    for one in range(passes):
        part = f" WHERE hashed % {passes} = {one}" if passes > 1 else ""
        found = connection.execute(
            f"SELECT hashed FROM (SELECT hash({name}) AS hashed FROM {table}{inside}) AS hashes{part}"
        ).fetchnumpy()["hashed"]
        found.sort()
        if np.equal(found[1:], found[:-1]).any():
            return False
    return True
