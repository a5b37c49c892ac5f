from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.diversity.categories import Categories
from recloop.compose.filters import Filters
from recloop.compose.objectives.fitted import Objectives
from recloop.errors import SettingError, nearest
from recloop.types import ItemCondition


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What a policy may know of the items beside their scores, and the models that were trained for it.

    Attributes:
        items: one row per item index: ``item`` (id) and any columns.
        models: name → text of a trained model, see ``recloop.compose.fusion.learned``.
        objectives: what was learned of the objectives that policies weigh, see ``recloop.compose.objectives``; None
            where none does.

    >>> table = pl.DataFrame({"item": ["a", "b", "c"], "category": ["war", "war|drama", None], "margin": [0.5, 2, 3]})
    >>> catalogue = Catalogue(table)
    >>> catalogue.selected(["a"], {}, "x").tolist()
    [True, False, False]
    >>> catalogue.selected([], {"category": ItemCondition(among=("war",)), "margin": ItemCondition(minimum=1)}, "x")
    array([False,  True, False])
    """

    items: pl.DataFrame
    models: Mapping[str, str] = field(default_factory=dict)
    objectives: Objectives | None = None

    @cached_property
    def filters(self) -> Filters:
        """Conditions on category, brand, year and price."""
        return Filters.of(self.items)

    @cached_property
    def categories(self) -> Categories:
        """The categories of each item as shares."""
        facets = self.filters.facets
        return Categories.of(facets.held, facets.names)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.items["item"].to_list())}

    def index(self, items: list[str], who: str) -> NDArray[np.int64]:
        """The indices of items by id.

        Raises:
            SettingError: the catalogue has no such item.
        """
        for name in items:
            if name not in self._places:
                raise SettingError(
                    f"{who} names the item '{name}', which the catalogue does not have",
                    advice=nearest(name, self._places) if len(self._places) <= 1000 else "look the id up",
                )
        return np.array([self._places[name] for name in items], np.int64)

    def selected(self, items: list[str], where: Mapping[str, ItemCondition], who: str) -> NDArray[np.bool_]:
        """(n_items,) which items are named, or meet all conditions; all where nothing is asked.

        Args:
            items: ids.
            where: conditions by attribute: category, brand, year, price, or any column of the catalogue.
            who: asks, for errors.

        Raises:
            SettingError: there is no such item or column, or a condition does not fit it.
        """
        if items and where:
            raise SettingError(f"{who} names items and conditions", allowed="either 'items' or 'where'")
        mask = np.ones(self.items.height, bool)
        if items:
            mask[:] = False
            mask[self.index(items, who)] = True
            return mask
        known = self.filters.attributes
        mask &= self.filters.mask({name: condition for name, condition in where.items() if name in known})
        for name, condition in where.items():
            if name not in known:
                mask &= _met(self.column(name, who), condition, f"{who} puts on '{name}' a condition")
        return mask

    def column(self, name: str, who: str) -> pl.Series:
        """A column by name.

        Raises:
            SettingError: the catalogue has none of that name.
        """
        if name not in self.items.columns:
            raise SettingError(
                f"{who} names the column '{name}', which the catalogue does not have",
                advice=nearest(name, [*self.filters.attributes, *self.items.columns]),
            )
        return self.items[name]


def _met(column: pl.Series, condition: ItemCondition, what: str) -> NDArray[np.bool_]:
    names = condition.among is not None or bool(condition.not_in)
    numbers = condition.minimum is not None or condition.maximum is not None
    if names == numbers or numbers != column.dtype.is_numeric():
        raise SettingError(
            f"{what} that does not fit it",
            allowed="a column of numbers is asked for by 'minimum' and 'maximum', any other by 'in' or 'not_in'",
        )
    if numbers:
        values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        low = -np.inf if condition.minimum is None else condition.minimum
        high = np.inf if condition.maximum is None else condition.maximum
        return np.asarray((values >= low) & (values <= high))
    texts = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    met = np.ones(len(column), bool)
    if condition.among is not None:
        met &= texts.is_in([name.strip().lower() for name in condition.among]).fill_null(value=False).to_numpy()
    if condition.not_in:
        met &= ~texts.is_in([name.strip().lower() for name in condition.not_in]).fill_null(value=False).to_numpy()
    return met
