"""What an outcome is made of: slates, what was done with them, and what is known of items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError, SettingError
from recloop.metrics.outcomes.attribution import attributed

SESSION = 1800.0
DAY = 86400.0
Sentiment = Callable[[Sequence[str]], ArrayLike]


@dataclass(frozen=True, slots=True)
class OutcomeKinds:
    """Which kinds of events count as what. Kinds are data: a shop may call its purchases ``order``.

    Attributes:
        click, purchase, rating: of items; a rating's value is the rating.
        save: put on a list, liked, shared.
        hide: not interested in it.
        dwell: time spent with an item; the value is seconds.
        complete: how much of an item was played or read; the value is between 0 and 1.
        skip: moved on from it.
        search: looked for something by words; needs no item.
        struggle: clicks in anger or on what does not answer, where the client tells them; needs no item.
    """

    click: tuple[str, ...] = ("click",)
    purchase: tuple[str, ...] = ("purchase",)
    rating: tuple[str, ...] = ("rating",)
    save: tuple[str, ...] = ("save", "like", "share")
    hide: tuple[str, ...] = ("hide", "not_interested")
    dwell: tuple[str, ...] = ("dwell",)
    complete: tuple[str, ...] = ("complete",)
    skip: tuple[str, ...] = ("skip",)
    search: tuple[str, ...] = ("search",)
    struggle: tuple[str, ...] = ("rage_click", "dead_click")

    @property
    def counted(self) -> tuple[str, ...]:
        """All that are done to an item."""
        return tuple(
            kind for one in fields(self) if one.name not in {"search", "struggle"} for kind in getattr(self, one.name)
        )


USUAL = OutcomeKinds()


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What is known of items, for the measures of what slates look like.

    Attributes:
        items: one row per item: ``item``, and of ``category`` (text), ``popularity`` (share of users who had it) and
            ``arrived`` (seconds since 1970) what is known.
        vectors: (n, d) in the order of ``items``, for likeness; None where there are none.
    """

    items: pl.DataFrame
    vectors: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        require(self.items, "items", ("item",))
        twice = self.items.height - self.items["item"].n_unique()
        if twice:
            raise DataError(f"{twice:,} rows of the items repeat an item", allowed="one row per item")
        if self.vectors is not None and len(self.vectors) != self.items.height:
            raise DataError(
                f"there are {len(self.vectors):,} vectors for {self.items.height:,} items", allowed="one per item"
            )

    def has(self, column: str) -> bool:
        """Whether a column is known at all."""
        return column in self.items.columns


class Log(NamedTuple):
    """Decisions and what followed, as every family of measures reads them.

    Attributes:
        slates: one row per slate in the order of time, with ``decision`` for its id.
        exposures: decision, user, time, item, place (1 is the first): one row per item shown.
        done: decision, item, kind, value, time: events that belong to an item of a slate.
        events: all events as they came.
        said: decision, item, kind, value, text: feedback that belongs to a slate; None where none was given.
        kinds: which kinds of events count as what.
        sent: kinds that were sent at all → how many had a value.
        window: attribution window in seconds.
        session: seconds of silence that end a session.
        sentiment: texts to numbers from -1 to 1.
        facts: what is known of items.
    """

    slates: pl.LazyFrame
    exposures: pl.LazyFrame
    done: pl.LazyFrame
    events: pl.LazyFrame
    said: pl.DataFrame | None
    kinds: OutcomeKinds
    sent: dict[str, int]
    window: float
    session: float
    sentiment: Sentiment | None
    facts: ItemFacts | None

    @classmethod
    def of(
        cls,
        decisions: pl.DataFrame,
        events: pl.DataFrame,
        feedback: pl.DataFrame | None,
        window: float,
        *,
        sentiment: Sentiment | None,
        kinds: OutcomeKinds,
        session: float,
        facts: ItemFacts | None,
    ) -> "Log":
        """The log from what a store or files hold; see ``user_table`` for the columns.

        Raises:
            DataError: a column is missing, or a decision's id comes twice.
            SettingError: the window is not above zero.
        """
        if not window > 0:
            raise SettingError(f"the attribution window is {window} seconds", allowed="it is above zero")
        require(decisions, "decisions", ("id", "user", "variant", "time", "items", "latency", "fallback"))
        require(events, "events", ("user", "item", "kind", "value", "time", "decision"))
        twice = decisions.height - decisions["id"].n_unique()
        if twice:
            raise DataError(f"{twice} decisions have an id that came before", allowed="ids of decisions are unique")
        slates = decisions.lazy().sort("time", "id").rename({"id": "decision"})
        shown = slates.select(
            "decision", "user", "time", item="items", place=pl.int_ranges(1, pl.col("items").list.len() + 1)
        )
        exposures = shown.explode("item", "place").drop_nulls("item")
        counted = events.lazy().filter(pl.col("kind").is_in(kinds.counted), pl.col("item") != "")
        said = None
        if feedback is not None:
            require(feedback, "feedback", ("user", "kind", "time", "value", "text", "item", "decision"))
            said = attributed(feedback.lazy(), exposures, slates, window).collect()
        return cls(
            slates=slates,
            exposures=exposures,
            done=attributed(counted, exposures, slates, window).collect().lazy(),
            events=events.lazy().with_columns(pl.col("time", "value").cast(pl.Float64)),
            said=said,
            kinds=kinds,
            sent=dict(events.group_by("kind").agg(pl.col("value").count()).iter_rows()),
            window=window,
            session=session,
            sentiment=sentiment,
            facts=facts,
        )

    def has(self, *names: str) -> bool:
        """Whether anybody ever sent an event that counts as one of these (fields of ``OutcomeKinds``)."""
        return any(kind in self.sent for name in names for kind in getattr(self.kinds, name))

    def valued(self, name: str) -> bool:
        """Likewise, with a value."""
        return any(self.sent.get(kind) for kind in getattr(self.kinds, name))

    def those(self, name: str) -> pl.LazyFrame:
        """What was done that counts as this, decision by decision."""
        return self.done.filter(pl.col("kind").is_in(getattr(self.kinds, name)))


class Part(NamedTuple):
    """Sums that one family of measures adds to the table.

    Attributes:
        frame: one row per decision, ``decision`` and the columns; decisions that it lacks have zero.
        counts: columns that are whole numbers.
        amounts: columns that are not.
        unsent: columns that were never sent: null for everybody, and not zero.
    """

    frame: pl.LazyFrame | None = None
    counts: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()


def require(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    """Refuse a frame that lacks columns.

    Raises:
        DataError: it does.
    """
    lacking = [column for column in columns if column not in frame.columns]
    if lacking:
        raise DataError(f"the {name} have no column {', '.join(lacking)}", allowed=f"needed: {', '.join(columns)}")
