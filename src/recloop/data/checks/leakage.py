"""Signs that the data knows its own future."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.checks.finding import Finding, Section, info, warning
from recloop.data.dataset import Dataset
from recloop.data.times import to_seconds

TELLING = 0.9  # rank correlation of an attribute with the number of events, above which it was counted from them


def leakage(data: Dataset) -> Section:
    """Ties in time, attributes from the future, attributes counted from the log."""
    figures: dict[str, Any] = {}
    found: list[Finding] = []
    if data.has_times and data.events["time"].n_unique() > 1:
        tied = data.events.select((pl.col("time").diff().over("user") == 0).mean()).item() or 0.0
        figures["tied"] = tied
        if tied > 0.5:
            found.append(
                warning(
                    "leakage",
                    f"{tied:.0%} of the events share their time with the one before of the same "
                    "user: the order within is that of the file. Next-item figures depend on it.",
                )
            )
        found += _from_the_future(data, figures)
    touched = np.bincount(data.events["item"].to_numpy(), minlength=data.n_items)
    for name in data.items.columns:
        told = _telling(data.items[name], touched) if name not in {"item", "time"} else 0.0
        if told >= TELLING:
            found.append(
                warning(
                    "leakage",
                    f"The item column '{name}' follows the number of events (rank correlation "
                    f"{told:.2f}): it was probably counted from the log and knows the future.",
                )
            )
    return {"leakage": figures}, found


def _from_the_future(data: Dataset, figures: dict[str, Any]) -> Iterator[Finding]:
    """Events on items before these were there, by the date of the item."""
    if "time" not in data.items.columns:
        return
    released = to_seconds(data.items["time"]).seconds.fill_null(float("nan")).to_numpy()
    if np.isnan(released).all():
        yield info("leakage", "The dates of the items cannot be read: give them as ISO-8601 or seconds.")
        return
    ahead = data.events["time"].to_numpy() < released[data.events["item"].to_numpy()]
    figures["before_release"] = int(ahead.sum())
    if ahead.mean() > 0.01:
        yield warning(
            "leakage",
            f"{ahead.mean():.1%} of the events happen before the date of their item: the "
            "attributes were written later than the behaviour, or the dates are wrong.",
        )


def _telling(column: pl.Series, touched: NDArray[np.integer]) -> float:
    """Spearman's correlation of a numeric column with the number of events, 0 where it says nothing."""
    numbers = column.cast(pl.Float64, strict=False) if column.dtype.is_numeric() or column.dtype == pl.String else None
    if numbers is None or numbers.drop_nulls().n_unique() < 10 or numbers.null_count() > len(numbers) // 2:
        return 0.0
    both = pl.DataFrame({"x": numbers, "y": touched}).drop_nulls()
    correlation = both.select(pl.corr(pl.col("x").rank(), pl.col("y").rank())).item()
    return float(correlation) if correlation is not None and math.isfinite(correlation) else 0.0
