"""What was shown and what came of it: the log that click models and long-term strategies learn from."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.vocabulary import Vocabulary
from recloop.errors import DataError, MissingError, nearest

NEEDED = ("slate", "user", "item", "position", "click")
OPTIONAL = ("time", "reward")
MOST_PLACES = 200


@dataclass(frozen=True)
class SlateLog:
    """n slates of at most k places, by user and then by time.

    Attributes:
        users: (n,) int32 user indices.
        times: (n,) float64 seconds, NaN where unknown.
        items: (n, k) int32 item indices in the order of the places, -1 for an empty place or an unknown item.
        clicks: (n, k) bool.
        rewards: (n, k) float32, what each place earned; 1 for a click where the log says nothing else.

    >>> users, items = Vocabulary(["a"]), Vocabulary(["x", "y"])
    >>> table = pl.DataFrame(
    ...     {"slate": ["1", "1"], "user": ["a", "a"], "item": ["y", "x"], "position": [1, 2], "click": [0, 1]}
    ... )
    >>> log = SlateLog.of(table, users, items)
    >>> log.items.tolist(), log.clicks.tolist()
    ([[1, 0]], [[False, True]])
    """

    users: NDArray[np.int32]
    times: NDArray[np.float64]
    items: NDArray[np.int32]
    clicks: NDArray[np.bool_]
    rewards: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.users)

    @property
    def k(self) -> int:
        """Places of the longest slate."""
        return int(self.items.shape[1])

    @classmethod
    def of(cls, table: pl.DataFrame, users: Vocabulary, items: Vocabulary) -> "SlateLog":
        """The log in a table with one row per item shown.

        Args:
            table: ``slate`` (an id), ``user``, ``item``, ``position`` (whole numbers, the least is the first place),
                ``click`` (0 or 1), and optionally ``time`` (seconds) and ``reward``.
            users: the ids behind the user indices; slates of others are left out.
            items: the ids behind the item indices.

        Raises:
            DataError: a column is missing, a place is taken twice or out of range, or no slate is left.
        """
        for name in NEEDED:
            if name not in table.columns:
                raise DataError(
                    f"the slate log has no column '{name}'",
                    allowed=f"it needs {', '.join(NEEDED)}, and may have {', '.join(OPTIONAL)}",
                    advice=nearest(name, table.columns),
                )
        place = pl.col("position").cast(pl.Int64)
        table = table.select(
            slate=pl.col("slate").cast(pl.String),
            user=pl.Series(users.indices(table["user"].cast(pl.String)), dtype=pl.Int32),
            item=pl.Series(items.indices(table["item"].cast(pl.String)), dtype=pl.Int32),
            place=place - place.min(),
            click=pl.col("click").cast(pl.Float64) > 0,
            time=pl.col("time").cast(pl.Float64) if "time" in table.columns else pl.lit(None, pl.Float64),
            reward=(pl.col("reward") if "reward" in table.columns else pl.col("click")).cast(pl.Float32),
        ).filter(pl.col("user") >= 0)
        if table.is_empty():
            raise DataError("no slate of the slate log belongs to a user of the event log", advice="Are the ids alike?")
        most = table["place"].max()
        if not isinstance(most, int) or most >= MOST_PLACES:
            raise DataError(f"the last position of the slate log is {most!r}", allowed=f"at most {MOST_PLACES} places")
        if table.select("slate", "place").is_duplicated().any():
            raise DataError("two items of the slate log have one position of one slate", advice="count positions anew")
        slates = (
            table.group_by("slate")
            .agg(pl.col("user", "time").first())
            .sort("user", "time", "slate", nulls_last=True)
            .with_row_index("row")
        )
        table = table.join(slates.select("slate", "row"), on="slate")
        shape, at = (slates.height, most + 1), (table["row"].to_numpy(), table["place"].to_numpy())
        shown, clicks = np.full(shape, -1, np.int32), np.zeros(shape, bool)
        rewards = np.zeros(shape, np.float32)
        shown[at], clicks[at] = table["item"].to_numpy(), table["click"].to_numpy()
        rewards[at] = table["reward"].fill_null(0).to_numpy()
        return cls(
            users=slates["user"].to_numpy().astype(np.int32),
            times=slates["time"].fill_null(float("nan")).to_numpy(),
            items=shown,
            clicks=clicks & (shown >= 0),
            rewards=np.where(shown >= 0, rewards, np.float32(0)),
        )

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "SlateLog":
        """Some of the slates, in the given order."""
        return SlateLog(self.users[rows], self.times[rows], self.items[rows], self.clicks[rows], self.rewards[rows])

    def until(self, last: NDArray[np.float64]) -> "SlateLog":
        """The slates that each user saw before the moment ``last`` (n_users,); NaN there lets none through.

        Slates without a time stay: nothing says that they came later.
        """
        limit = last[self.users]
        return self.take(np.isnan(self.times) & ~np.isnan(limit) | (self.times <= limit))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything in the log."""
        whole = sha256()
        for column in (self.users, self.times, self.items, self.clicks, self.rewards):
            whole.update(np.ascontiguousarray(column).tobytes())
        return whole.hexdigest()


def read_slates(path: Path) -> pl.DataFrame:
    """The table of a slate log in a Parquet or CSV file.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read.
    """
    if not path.is_file():
        raise MissingError(f"there is no slate log at {path}", advice="name a Parquet or CSV file: [data] slates = ...")
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=10_000)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"the slate log {path.name} cannot be read: {error}", advice="give Parquet or CSV") from error
