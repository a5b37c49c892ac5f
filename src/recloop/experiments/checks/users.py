import polars as pl

from recloop.errors import DataError


def require_users(table: pl.DataFrame) -> None:
    """Raises DataError where the table is not one row per (variant, user)."""
    for column in ("variant", "user"):
        if column not in table.columns:
            raise DataError(
                f"the user table has no column '{column}'", advice="make it with metrics.outcomes.user_table"
            )
    empty = table.select(pl.col("variant", "user").is_null().any()).row(0)
    if any(empty):
        raise DataError("the user table has rows without variant or user", advice="leave them out")
    twice = table.height - table.select("variant", "user").n_unique()
    if twice:
        raise DataError(
            f"{twice:,} rows of the user table repeat a (variant, user)",
            allowed="one row per user, since slates of one user are not independent",
            advice="sum up per user first: metrics.outcomes.user_table does",
        )


def once(table: pl.DataFrame) -> pl.DataFrame:
    """One row per user: that of the variant in which the user was seen first."""
    if table["user"].n_unique() == table.height:  # as it should be, and far quicker
        return table
    ordered = table.sort("first", "variant") if "first" in table.columns else table
    return ordered.unique("user", keep="first", maintain_order=True)


def without_crossovers(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows of users seen in one variant only, and how many users were seen in several."""
    single = pl.len().over("user") == 1
    kept = table.filter(single)
    return kept, table["user"].n_unique() - kept.height
