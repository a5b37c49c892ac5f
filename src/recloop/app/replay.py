"""What a policy would have shown, on histories as they were when something else was."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.log_histories import HISTORY, assembled
from recloop.compose import Choices, Policy
from recloop.data.histories import Histories
from recloop.loop.release import Release
from recloop.store import Store

BLOCK = 10_000  # decisions that are joined with their events at a time


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Decisions with the histories that their users had then.

    Attributes:
        histories: (n,) what each user had done before the decision.
        items: (n, k) item indices as shown, -1 where the slate was shorter or the release does not know the item.
        release: whose items they are.
    """

    histories: Histories
    items: NDArray[np.int32]
    release: Release

    @classmethod
    def of(cls, store: Store, decisions: pl.DataFrame, release: Release) -> "Replay":
        """The decisions of a table: ``user, time, items``."""
        log = store.events().select("user", "item", "kind", "value", "time")
        rows = decisions.select("user", moment="time").with_row_index("row")
        parts = []
        for start in range(0, max(rows.height, 1), BLOCK):
            before = (
                log.with_row_index("seq")
                .join(rows.slice(start, BLOCK), on="user")
                .filter(pl.col("time") < pl.col("moment"))
                .sort("row", "time", "seq")
            )
            parts.append(before.group_by("row", maintain_order=True).tail(HISTORY))
        moments = decisions["time"].to_numpy().astype(np.float64)
        histories = assembled(pl.concat(parts), decisions["user"].to_list(), release, moments)
        width = int(decisions["items"].list.len().max() or 0)  # type: ignore[arg-type]
        items = np.full((decisions.height, width), -1, dtype=np.int32)
        flat = decisions.select(pl.int_range(pl.len()).alias("row"), "items").explode("items").drop_nulls("items")
        place = flat.select(pl.int_range(pl.len()).over("row")).to_series().to_numpy()
        items[flat["row"].to_numpy(), place] = release.items.indices(flat["items"])
        return cls(histories, items, release)

    def shown(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """(m,) items that were shown, with the row and the place of each, from 0."""
        row, place = np.nonzero(self.items >= 0)
        return self.items[row, place], row, place

    def chosen(self, policy: Policy) -> Choices:
        """What a policy without arms shows there: slates of k."""
        allowed = None if self.release.available.all() else self.release.available
        k = self.items.shape[1]
        return policy.choose(policy.initial_state(), self.histories, k, np.random.default_rng(0), allowed=allowed)
