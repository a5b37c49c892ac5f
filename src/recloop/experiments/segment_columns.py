from collections.abc import Sequence

import polars as pl

from recloop.errors import DataError, nearest

MOST_VALUES = 100  # of a segment column
UNKNOWN = "(unknown)"


def segmented(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The table with its segment columns as text; what is empty becomes ``(unknown)``.

    A segment is what a user was before the experiment touched them: country, device, tier. What a variant can change
    (slates seen, days active) is an outcome, and splitting by it is no comparison.

    Raises:
        DataError: a column is missing, holds fractional numbers or times, or has more than 100 values.

    >>> segmented(pl.DataFrame({"user": ["a", "b"], "tier": [1, None]}), ["tier"])["tier"].to_list()
    ['1', '(unknown)']
    """
    for column in columns:
        if column not in table.columns:
            raise DataError(f"the user table has no segment column '{column}'", advice=nearest(column, table.columns))
        kind = table[column].dtype
        if not (kind.is_integer() or kind in {pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null}):
            raise DataError(f"segment column '{column}' holds {kind}", allowed="text, whole numbers or true and false")
        count = table[column].n_unique()
        if count > MOST_VALUES:
            raise DataError(
                f"segment column '{column}' has {count:,} values",
                allowed=f"at most {MOST_VALUES}",
                advice="put the rare ones together",
            )
    return table.with_columns(pl.col(column).cast(pl.String).fill_null(UNKNOWN) for column in columns)
