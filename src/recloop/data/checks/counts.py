"""How much there is, how it is spread over users and items, and values that stand apart."""

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.checks.finding import Finding, Section, Severity, error, warning
from recloop.data.dataset import Dataset

_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


def counts(data: Dataset) -> Section:
    """Events, users, items, kinds."""
    events = data.events
    kinds = (
        events.group_by("kind")
        .agg(
            events=pl.len(),
            weighing=(pl.col("weight") > 0).sum(),
            users=pl.col("user").n_unique(),
            without_value=pl.col("value").null_count(),
            value_low=pl.col("value").min(),
            value_median=pl.col("value").median(),
            value_high=pl.col("value").max(),
        )
        .sort("events", "kind", descending=[True, False])
    )
    users, items = events["user"].n_unique(), events["item"].n_unique()
    figures = {
        "events": data.n_events,
        "positive_events": data.positive.height,
        "users": data.n_users,
        "items": data.n_items,
        "active_users": users,
        "active_items": items,
        "density": events.select(pl.struct("user", "item").n_unique()).item() / (users * items),
    }
    found = []
    if not figures["positive_events"]:
        found.append(
            error(
                "values",
                "No event weighs more than 0, so that there is nothing to learn from. Change weights or minimum "
                "in [data.kinds].",
            )
        )
    if users == 1:
        found.append(
            error(
                "users",
                "All events are of one user: nothing can be learned for others. Is the user column the right one?",
            )
        )
    if items == 1:
        found.append(
            error(
                "items",
                "All events are on one item: there is nothing to choose from. Is the item column the right one?",
            )
        )
    return {"counts": figures, "kinds": kinds.to_dicts()}, found


def values(data: Dataset) -> Section:
    """Values far outside of where nearly all others of the same kind lie."""
    value = pl.col("value")
    low, high = value.quantile(0.005).over("kind"), value.quantile(0.995).over("kind")
    span = high - low
    outside = (span > 0) & ((value < low - span) | (value > high + span))
    beyond = (
        data.events.filter(value.is_not_null())
        .with_columns(low=low, high=high, outside=outside)
        .filter("outside")
        .group_by("kind")
        .agg(pl.len().alias("events"), pl.first("low", "high"), least=value.min(), most=value.max())
        .sort("kind")
    )
    found = [
        warning(
            "values",
            f"{row['events']:,} events of kind '{row['kind']}' have values between {row['least']:g} and "
            f"{row['most']:g}, where 99% of them lie between {row['low']:g} and {row['high']:g}.",
        )
        for row in beyond.to_dicts()
    ]
    return {"values": {"outside": beyond.to_dicts()}}, found


def activity(data: Dataset) -> Section:
    """Events per user and per item."""
    figures: dict[str, Any] = {}
    found: list[Finding] = []
    events = data.positive
    for name, size in (("user", data.n_users), ("item", data.n_items)):
        counts = np.bincount(events[name].to_numpy(), minlength=size)
        counts = counts[counts > 0]
        if not len(counts):
            continue
        ordered = np.sort(counts)
        edges = 2.0 ** np.arange(math.ceil(math.log2(ordered[-1] + 1)) + 1)
        figures[f"per_{name}"] = {
            "quantiles": {
                f"{q:g}": float(v) for q, v in zip(_QUANTILES, np.quantile(ordered, _QUANTILES), strict=True)
            },
            "mean": float(ordered.mean()),
            "once": int((ordered == 1).sum()),
            "gini": _gini(ordered),
            "bins": {"from": edges[:-1].astype(int).tolist(), "count": np.histogram(ordered, edges)[0].tolist()},
        }
        once = figures[f"per_{name}"]["once"] / len(ordered)
        if once > 0.5:
            advice = "They can be learned from and cannot be judged." if name == "user" else "Text helps with these."
            severity: Severity = "warning" if name == "user" else "info"
            found.append(Finding(severity, f"{name}s", f"{once:.0%} of the {name}s have a single event. {advice}"))
    return figures, found


def _gini(ordered: NDArray[np.integer]) -> float:
    """Gini coefficient of ascending counts: 0 all equal, near 1 one has all."""
    n = len(ordered)
    return float(2 * (np.arange(1, n + 1) * ordered).sum() / (n * ordered.sum()) - (n + 1) / n)
