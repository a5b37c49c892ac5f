"""Rules that hide: each says of candidates which are not shown to whom."""

from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.business.settings import AgeLimit, AnyRule, Available, Bought, Hide
from recloop.compose.catalogue import Catalogue
from recloop.compose.rules import within
from recloop.data.histories import Histories
from recloop.errors import SettingError

DAY = 86_400.0


class Hiding(Protocol):
    """What a rule hides."""

    def hidden(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:
        """(n, m) which of these items, none of them padding, are not shown."""
        ...


def hiding(rule: AnyRule, catalogue: Catalogue) -> Hiding | None:
    """What a rule hides; None where it hides nothing.

    Raises:
        SettingError: it names what the catalogue does not have.

    >>> catalogue = Catalogue(pl.DataFrame({"item": ["a", "b"], "age_limit": [None, 18]}))
    >>> grown = hiding(AgeLimit(name="fsk"), catalogue)
    >>> grown.hidden(np.array([[0, 1]], np.int32), Histories.of([[]], n_items=2)).tolist()
    [[False, True]]
    """
    who = f"the rule '{rule.name}'"
    if isinstance(rule, Hide):
        if not rule.items and not rule.where:
            raise SettingError(f"{who} hides every item", advice="say which: items = [...], or where = {...}")
        return Named(catalogue.selected(rule.items, rule.where, who))
    if isinstance(rule, Bought):
        return Taken(rule.weight, rule.days)
    if isinstance(rule, Available):
        if not rule.begin and not rule.end:
            raise SettingError(f"{who} names no column", advice='begin = "from", end = "until", or both')
        begin = _moments(catalogue.column(rule.begin, who), who) if rule.begin else None
        end = _moments(catalogue.column(rule.end, who), who) if rule.end else None
        return Window(begin, end)
    if isinstance(rule, AgeLimit):
        least = catalogue.column(rule.column, who).cast(pl.Float64, strict=False).fill_null(0.0).to_numpy()
        return OldEnough(least, rule.profile, rule.unknown)
    return None


class Named:
    """The same items for everyone."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.mask = mask

    def hidden(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:  # noqa: ARG002
        """(n, m) by the item."""
        return self.mask[items]


class Taken:
    """What weighed enough in the history, not too long ago."""

    def __init__(self, weight: float, days: float | None) -> None:
        self.weight, self.days = weight, days

    def hidden(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:
        """(n, m) by the history; an event without a time counts as recent."""
        rows = histories.rows
        counts = histories.weights >= self.weight
        if self.days is not None:
            age = histories.now[rows] - histories.times
            counts &= ~(age > self.days * DAY)
        return within(items, (rows[counts], histories.items[counts]), histories.n_items)


class Window:
    """By the moment of the request; one without a moment sees everything."""

    def __init__(self, begin: NDArray[np.float64] | None, end: NDArray[np.float64] | None) -> None:
        self.begin, self.end = begin, end

    def hidden(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:
        """(n, m) by the moment."""
        out = np.zeros(items.shape, bool)
        now = histories.now[:, None]
        if self.begin is not None:
            out |= self.begin[items] > now
        if self.end is not None:
            out |= self.end[items] <= now
        return out


class OldEnough:
    """By the age in the user's profile."""

    def __init__(self, least: NDArray[np.float64], profile: str, unknown: float) -> None:
        self.least, self.profile, self.unknown = least, profile, unknown

    def hidden(self, items: NDArray[np.int32], histories: Histories) -> NDArray[np.bool_]:
        """(n, m) by the age; what is no number is unknown."""
        told = histories.profiles.get(self.profile)
        ages = np.full(len(histories), self.unknown)
        if told is not None:
            read = pl.Series(told.tolist(), dtype=pl.String).str.strip_chars().cast(pl.Float64, strict=False)
            ages = read.fill_null(self.unknown).fill_nan(self.unknown).to_numpy()
        return np.asarray(self.least[items] > ages[:, None])


def _moments(column: pl.Series, who: str) -> NDArray[np.float64]:
    """(n,) seconds since 1970, NaN where there is none."""
    if column.dtype == pl.String:
        column = column.str.to_datetime(strict=False, time_zone="UTC")
    if column.dtype.is_temporal():
        column = column.cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    if not column.dtype.is_numeric():
        raise SettingError(f"{who} names the column '{column.name}', which holds no moments",
                           allowed="dates, or seconds since 1970")  # fmt: skip
    return np.asarray(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
