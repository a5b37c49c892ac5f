"""When things happened."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.checks.finding import Finding, Section, error, moment, warning
from recloop.data.dataset import Dataset

BINS = 60
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC).timestamp()


def time(data: Dataset, now: float | None) -> Section:
    """The span of time, and times that cannot be."""
    at = data.events["time"].drop_nulls().to_numpy()
    if not len(at):
        note = "There are no times: temporal splits, decay and the checks of time are not possible."
        return {"time": {"with_time": 0}}, [warning("time", note)]
    first, last = float(at.min()), float(at.max())
    figures: dict[str, Any] = {
        "with_time": len(at),
        "first": moment(first),
        "last": moment(last),
        "days": (last - first) / 86400,
        "distinct": int(pl.Series(at).n_unique()),
    }
    found = []
    if first == last:
        found.append(
            error(
                "time",
                f"All {len(at):,} events happen at one time, {moment(first)}: temporal splits are "
                "not possible. Is the time column the right one?",
            )
        )
    else:
        counts, edges = np.histogram(at, bins=BINS)
        figures["bins"] = {"start": [moment(float(edge)) for edge in edges[:-1]], "events": counts.tolist()}
        found += _bursts(at)
    early, late = int((at < _EARLIEST).sum()), int((at > now).sum()) if now is not None else 0
    if early:
        found.append(
            warning(
                "time",
                f"{early:,} events happen before 1990; the first at {moment(first)}. Is the unit "
                "of the time column guessed rightly?",
            )
        )
    if late:
        found.append(warning("time", f"{late:,} events happen in the future; the last at {moment(last)}."))
    return {"time": figures}, found


def _bursts(at: NDArray[np.float64]) -> list[Finding]:
    """One moment that holds far too much."""
    values, counts = np.unique(at, return_counts=True)
    top = int(counts.argmax())
    share = counts[top] / len(at)
    if len(values) < 20 or share < 0.05:
        return []
    return [
        warning(
            "time",
            f"{share:.1%} of all events happen at {moment(float(values[top]))}: a bulk import or a "
            "default value, rather than behaviour.",
        )
    ]
