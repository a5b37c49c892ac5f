from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.extra_vectors import ExtraVectors, pick, vector_columns
from recloop.data.fingerprint import fingerprint
from recloop.data.histories import Histories
from recloop.data.kinds import RATING, Kinds
from recloop.data.slates import SlateLog
from recloop.data.templates import item_texts
from recloop.data.vocabulary import Vocabulary
from recloop.errors import DataError

TEXT_COLUMNS = ("title", "category", "brand", "description", "text")


@dataclass(frozen=True)
class Dataset:
    """A behaviour log with its catalogue and users, by index.

    Attributes:
        events: user Int32, item Int32, kind String, value Float32 (null where none), time Float64 (seconds, null
            where unknown), weight Float32; sorted by user, then time, then place in the file.
        item_ids, user_ids: the ids behind the indices. Items of the catalogue that nobody touched are in too.
        items: one row per item index: ``item`` (id) and whatever the catalogue holds (title, category, price …).
        users: one row per user index: ``user`` (id) and attributes (age, gender …).
        kinds: what each kind of event is worth.
        slates: what was shown to these users and what came of it, where that was kept.

    >>> d = Dataset.of(pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "time": [1.0, 2.0, 3.0]}))
    >>> d.n_users, d.n_items, d.matrix().nnz
    (2, 2, 3)
    """

    events: pl.DataFrame
    item_ids: Vocabulary
    user_ids: Vocabulary
    items: pl.DataFrame
    users: pl.DataFrame
    kinds: Kinds = field(default_factory=Kinds)
    slates: SlateLog | None = None

    @classmethod
    def of(
        cls,
        events: pl.DataFrame,
        items: pl.DataFrame | None = None,
        users: pl.DataFrame | None = None,
        kinds: Kinds | None = None,
    ) -> "Dataset":
        """A dataset from clean tables with string ids.

        Args:
            events: ``user``, ``item`` and optionally ``kind`` ("interaction" where absent), ``value``, ``time``.
            items: ``item`` and any attributes; ids may be more than those in the events.
            users: ``user`` and any attributes.
            kinds: weights per kind.

        Raises:
            DataError: a needed column is missing or there is no event.
        """
        for name in ("user", "item"):
            if name not in events.columns:
                raise DataError(f"the events have no column '{name}'", advice=f"columns: {', '.join(events.columns)}")
        if events.is_empty():
            raise DataError("the event table is empty", allowed="at least one event is needed")
        kinds = kinds or Kinds()
        events = events.with_columns(
            pl.col("user").cast(pl.String),
            pl.col("item").cast(pl.String),
            (pl.col("kind").cast(pl.String) if "kind" in events.columns else pl.lit("interaction")).alias("kind"),
            (pl.col("value").cast(pl.Float32) if "value" in events.columns else pl.lit(None, pl.Float32)).alias(
                "value"
            ),
            (pl.col("time").cast(pl.Float64) if "time" in events.columns else pl.lit(None, pl.Float64)).alias("time"),
        )
        item_ids = _vocabulary(events["item"], items, "item")
        user_ids = _vocabulary(events["user"], users, "user")
        table = pl.DataFrame(
            {
                "user": user_ids.indices(events["user"]),
                "item": item_ids.indices(events["item"]),
                "kind": events["kind"],
                "value": events["value"],
                "time": events["time"],
            }
        )
        table = table.with_columns(weight=kinds.expression()).sort("user", "time", maintain_order=True, nulls_last=True)
        return cls(
            events=table,
            item_ids=item_ids,
            user_ids=user_ids,
            items=_attributes(item_ids, items, "item"),
            users=_attributes(user_ids, users, "user"),
            kinds=kinds,
        )

    @property
    def n_items(self) -> int:
        """Items in the catalogue."""
        return len(self.item_ids)

    @property
    def n_users(self) -> int:
        """Users known."""
        return len(self.user_ids)

    @property
    def n_events(self) -> int:
        """Events in the log."""
        return self.events.height

    @property
    def has_times(self) -> bool:
        """Whether every event has a time."""
        return self.events.height > 0 and self.events["time"].null_count() == 0

    @cached_property
    def now(self) -> float:
        """The time of the last event, NaN where there are no times."""
        last = self.events["time"].max()
        return float(last) if isinstance(last, int | float) else float("nan")

    @cached_property
    def positive(self) -> pl.DataFrame:
        """The events that weigh more than 0: what strategies learn from and metrics count as truth."""
        return self.events.filter(pl.col("weight") > 0)

    def matrix(self) -> sparse.csr_array:
        """(n_users, n_items) float32 sparse sums of weights."""
        return self.histories().matrix()

    def histories(self, users: NDArray[np.integer] | None = None, *, profiles: bool = False) -> Histories:
        """The positive events of each user as histories, at the moment after the last event of the log.

        Args:
            users: user indices, in the order wanted; all users where None.
            profiles: whether to take the users' attributes along.
        """
        events = self.positive
        counts = np.bincount(events["user"].to_numpy(), minlength=self.n_users)
        whole = Histories(
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=events["item"].to_numpy(),
            weights=events["weight"].to_numpy(),
            times=events["time"].fill_null(float("nan")).to_numpy(),
            ratings=events.select(pl.when(kind=RATING).then("value").fill_null(float("nan")))["value"].to_numpy(),
            now=np.full(self.n_users, self.now),
            keys=np.arange(self.n_users, dtype=np.uint64),
            n_items=self.n_items,
            profiles=self._profiles() if profiles else {},
        )
        return whole if users is None else whole.take(users)

    def _profiles(self) -> Mapping[str, NDArray[np.object_]]:
        return {
            name: self.users[name].cast(pl.String).fill_null("").to_numpy().astype(object)
            for name in self.users.columns
            if name != "user"
        }

    def item_texts(self, template: str = "") -> list[str]:
        """One text per item, "" where there is none.

        Args:
            template: such as ``"{title} by {brand}. {description:500}"``, see ``recloop.data.templates.Template``; ""
                for whichever of title, category, brand, description and text the catalogue has, one after the other.

        Raises:
            SettingError: the template is wrong, or names a column that the catalogue does not have.
        """
        columns = [name for name in TEXT_COLUMNS if name in self.items.columns]
        if not (template or columns):
            return [""] * self.n_items
        return item_texts(self.items, template or ". ".join(f"{{{name}}}" for name in columns))

    @property
    def vector_columns(self) -> tuple[str, ...]:
        """The columns of the catalogue that hold vectors: images, sounds … as another model saw them."""
        return vector_columns(self.items)

    def extra_vectors(self, name: str) -> ExtraVectors:
        """The vectors in one column of the catalogue, with which items have one.

        Raises:
            SettingError: there is no such column.
            DataError: the vectors differ in length or hold something else than finite numbers, or there is none.

        >>> items = pl.DataFrame({"item": ["x", "y"], "image": [[0.5, 1.0], None]})
        >>> found = Dataset.of(pl.DataFrame({"user": ["a"], "item": ["x"]}), items).extra_vectors("image")
        >>> found.values.tolist(), found.present.tolist()
        ([[0.5, 1.0], [0.0, 0.0]], [True, False])
        """
        return pick(self.items, name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over events, catalogue and users: equal data, equal fingerprint, in any version of any library."""
        whole = fingerprint(self.events, self.items, self.users)
        return whole if self.slates is None else sha256(f"{whole}{self.slates.fingerprint}".encode()).hexdigest()

    def with_events(self, events: pl.DataFrame) -> "Dataset":
        """The same catalogue and users with other events (already indexed and sorted).

        Of the slates those stay that a user saw before the last of the user's events that stay.
        """
        slates = self.slates
        if slates is not None:
            last = np.full(self.n_users, np.nan)
            ends = events.group_by("user").agg(pl.col("time").max().fill_null(float("inf")))
            last[ends["user"].to_numpy()] = ends["time"].to_numpy()
            slates = slates.until(last)
        return Dataset(
            events=events,
            item_ids=self.item_ids,
            user_ids=self.user_ids,
            items=self.items,
            users=self.users,
            kinds=self.kinds,
            slates=slates,
        )

    def with_slates(self, slates: SlateLog | None) -> "Dataset":
        """The same data with another log of slates."""
        return replace(self, slates=slates)


def _vocabulary(seen: pl.Series, table: pl.DataFrame | None, name: str) -> Vocabulary:
    ids = seen.unique().sort()
    if table is not None:
        ids = pl.concat([ids, table[name].cast(pl.String)]).unique().sort()
    return Vocabulary(ids.to_list())


def _attributes(ids: Vocabulary, table: pl.DataFrame | None, name: str) -> pl.DataFrame:
    frame = pl.DataFrame({name: pl.Series(ids.ids, dtype=pl.String)})
    if table is None:
        return frame
    known = table.with_columns(pl.col(name).cast(pl.String)).unique(subset=name, keep="first", maintain_order=True)
    return frame.join(known, on=name, how="left", maintain_order="left")
