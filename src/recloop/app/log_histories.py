"""Histories from a log, as the service would see them."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories, key_of
from recloop.loop.release import Release

HISTORY = 200  # events of a user that count, as in the service


def log_of(dataset: Dataset) -> pl.DataFrame:
    """The events of a dataset by id: ``user, item, kind, value, time``."""
    events = dataset.events
    return events.select("kind", "value", "time").with_columns(
        user=pl.Series(dataset.user_ids.array[events["user"].to_numpy()], dtype=pl.String),
        item=pl.Series(dataset.item_ids.array[events["item"].to_numpy()], dtype=pl.String),
    )


def histories_of(log: pl.DataFrame, users: Sequence[str], release: Release, now: float) -> Histories:
    """The last events of each user at the moment ``now``, as the service would see them; empty for one not in the log.

    Args:
        log: ``user, item, kind, value, time``; of events at one time the later row is the later one.
        users: distinct ids.
        release: whose items and kinds count.
        now: seconds since 1970.
    """
    order = pl.DataFrame({"user": pl.Series(users, dtype=pl.String)}).with_row_index("row")
    events = (
        log.with_row_index("seq")
        .join(order, on="user")
        .sort("row", "time", "seq")
        .group_by("row", maintain_order=True)
        .tail(HISTORY)
    )
    return assembled(events, users, release, np.full(len(users), now))


def assembled(events: pl.DataFrame, users: Sequence[str], release: Release, now: NDArray[np.float64]) -> Histories:
    """Histories from events that are sorted by ``row``, the place of their request.

    Args:
        events: ``row, item, kind, value, time``, oldest first within a row.
        users: (n,) whose requests they are.
        release: whose items and kinds count.
        now: (n,) seconds since 1970.
    """
    events = events.with_columns(
        index=pl.Series(release.items.indices(events["item"])), weight=release.kinds.expression()
    )
    events = events.filter((pl.col("index") >= 0) & (pl.col("weight") > 0))
    counts = np.bincount(events["row"].to_numpy(), minlength=len(users))
    rated = pl.when(pl.col("kind") == "rating").then("value").cast(pl.Float32).fill_null(float("nan"))
    return Histories(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=events["index"].to_numpy().astype(np.int32),
        weights=events["weight"].to_numpy().astype(np.float32),
        times=events["time"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        ratings=events.select(rated).to_series().to_numpy().astype(np.float32),
        now=now,
        keys=np.fromiter((key_of(user) for user in users), dtype=np.uint64, count=len(users)),
        n_items=len(release.items),
    )
