"""Conditions on attributes of items, as what may be shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.facets import Facets
from recloop.errors import SettingError, nearest
from recloop.types import ItemCondition

KEPT = 32  # answers
NAMES, NUMBERS = ("category", "brand"), ("year", "price")


@dataclass(frozen=True, eq=False)
class Filters:
    """The attributes of a catalogue that a condition can be put on: those that some item has.

    Attributes:
        facets: categories, years and prices.
        brand: (n_items,) in small letters, null where unknown.

    >>> items = pl.DataFrame({"category": ["Horror|Sci-Fi", "Comedy", None], "price": [5.0, 20.0, 9.0]})
    >>> filters = Filters.of(items)
    >>> filters.mask({"price": ItemCondition(maximum=10.0), "category": ItemCondition(not_in=("horror",))}).tolist()
    [False, False, True]
    """

    facets: Facets
    brand: pl.Series

    @classmethod
    def of(cls, items: pl.DataFrame) -> Self:
        """The filters of a catalogue, one row per item."""
        brand = items["brand"] if "brand" in items.columns else pl.Series([None] * items.height, dtype=pl.String)
        return cls(Facets.of(items), brand.cast(pl.String).str.strip_chars().str.to_lowercase())

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """What conditions can be put on."""
        there = {
            "category": bool(self.facets.names),
            "brand": self.brand.null_count() < len(self.brand),
            "year": not np.isnan(self.facets.year).all(),
            "price": not np.isnan(self.facets.price).all(),
        }
        return tuple(name for name, known in there.items() if known)

    def mask(self, where: Mapping[str, ItemCondition]) -> NDArray[np.bool_]:
        """(n_items,) which items meet all conditions; not to be written to: what was asked before is kept.

        Raises:
            SettingError: the catalogue does not know an attribute, or a condition does not fit it.
        """
        return self._kept(frozenset(where.items()))

    @cached_property
    def _kept(self) -> Callable[[frozenset[tuple[str, ItemCondition]]], NDArray[np.bool_]]:
        return lru_cache(maxsize=KEPT)(self._met)  # pages ask for the same few again and again

    def _met(self, where: frozenset[tuple[str, ItemCondition]]) -> NDArray[np.bool_]:
        met = np.ones(len(self.brand), dtype=bool)
        for attribute, condition in sorted(where, key=lambda one: one[0]):
            self._check(attribute, condition)
            if attribute in NUMBERS:
                met &= self._between(attribute, condition)
                continue
            if condition.among is not None:
                met &= self._named(attribute, condition.among)
            if condition.not_in:
                met &= ~self._named(attribute, condition.not_in)
        met.setflags(write=False)
        return met

    def _check(self, attribute: str, condition: ItemCondition) -> None:
        if attribute not in self.attributes:
            raise SettingError(
                f"'where' names the attribute '{attribute}', which no item of the catalogue has",
                advice="items that are not available are never shown: leave it out"
                if attribute == "available"
                else nearest(attribute, self.attributes),
            )
        names = condition.among is not None or bool(condition.not_in)
        numbers = condition.minimum is not None or condition.maximum is not None
        if names == numbers or names != (attribute in NAMES):
            raise SettingError(
                f"the condition on '{attribute}' does not fit",
                allowed=f"'{attribute}' is asked for by "
                + ("names: 'in' or 'not_in'" if attribute in NAMES else "numbers: 'minimum' or 'maximum'"),
            )

    def _between(self, attribute: str, condition: ItemCondition) -> NDArray[np.bool_]:
        values = self.facets.year if attribute == "year" else self.facets.price
        low = -np.inf if condition.minimum is None else condition.minimum
        high = np.inf if condition.maximum is None else condition.maximum
        found: NDArray[np.bool_] = (values >= low) & (values <= high)  # NaN is between no two numbers
        return found

    def _named(self, attribute: str, names: tuple[str, ...]) -> NDArray[np.bool_]:
        wanted = {name.strip().lower() for name in names}
        if attribute == "brand":
            return self.brand.is_in(list(wanted)).fill_null(value=False).to_numpy()
        called = np.array([name in wanted for name in self.facets.names], dtype=np.float32)
        found: NDArray[np.bool_] = self.facets.held @ called > 0
        return found
