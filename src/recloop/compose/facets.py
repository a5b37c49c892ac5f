import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.language.bounds import Bound
from recloop.language.lexicon import singular, words

YEARS = ("year", "release_year", "released", "release_date", "published", "publication_year", "date")
SEPARATORS = r"\s*[|,;/>]\s*"  # "Comedy|Drama", "Comedy, Drama" and "Toys > Dolls" hold two names


@dataclass(frozen=True, eq=False)
class Facets:
    """What a wish can name of the items of a catalogue: year, price, category.

    Attributes:
        year: (n_items,) float32, NaN where unknown: from a column of years or dates, else from "(1995)" in the title.
        price: (n_items,) float32, NaN where unknown.
        names: the names of the categories, sorted.
        held: (n_items, names) sparse, 1 where an item is of a category.

    >>> items = pl.DataFrame({"title": ["Alien (1979)", "Clue"], "category": ["Horror|Sci-Fi", "Comedy"]})
    >>> facets = Facets.of(items)
    >>> facets.year.tolist(), facets.names, facets.named("comedies").tolist()
    ([1979.0, nan], ('comedy', 'horror', 'sci-fi'), [False, True])
    """

    year: NDArray[np.float32]
    price: NDArray[np.float32]
    names: tuple[str, ...]
    held: sparse.csr_array

    @classmethod
    def of(cls, items: pl.DataFrame) -> Self:
        """The facets of a catalogue, one row per item; a column that is not there says nothing."""
        price = items["price"] if "price" in items.columns else pl.Series([None] * items.height)
        price = price.str.extract(r"(\d+(?:\.\d+)?)") if price.dtype == pl.String else price  # "$9.99"
        cells = _categories(items)
        names = cells["name"].unique().sort()
        places = cells.join(pl.DataFrame({"name": names}).with_row_index("place"), on="name")
        held = sparse.csr_array(
            (np.ones(len(places), np.float32), (places["item"].to_numpy(), places["place"].to_numpy())),
            shape=(items.height, len(names)),
        )
        return cls(years(items), _numbers(price), tuple(names.to_list()), held)

    def named(self, phrase: str) -> NDArray[np.bool_] | None:
        """(n_items,) which items are of a category that the phrase names; None where no category is called so."""
        wanted = _folded(phrase)
        called = np.array([bool(wanted) and wanted <= _folded(name) for name in self.names], dtype=bool)
        if not called.any():
            return None
        found: NDArray[np.bool_] = self.held @ called.astype(np.float32) > 0
        return found

    def between(self, bound: Bound) -> NDArray[np.bool_] | None:
        """(n_items,) whose number lies in the span, be it wanted or not; None where no item's number is known."""
        values = self.year if bound.attribute == "year" else self.price
        if np.isnan(values).all():
            return None
        found: NDArray[np.bool_] = (values >= bound.low) & (values <= bound.high)  # NaN is between no two numbers
        return found


def years(items: pl.DataFrame) -> NDArray[np.float32]:
    """(n_items,) float32: the year of each item, NaN where unknown.

    >>> years(pl.DataFrame({"title": ["Heat (1995)", "2001: A Space Odyssey (1968)", "1984"]})).tolist()
    [1995.0, 1968.0, nan]
    """
    for name in YEARS:
        if name in items.columns:
            column = items[name]
            found = (
                column.dt.year() if column.dtype.is_temporal() else column.cast(pl.String).str.extract(r"\b(\d{4})\b")
            )
            return _numbers(found)
    if "title" in items.columns:
        return _numbers(items["title"].cast(pl.String).str.extract(r"\(((?:1[89]|20)\d\d)\)"))
    return np.full(items.height, math.nan, np.float32)


def _numbers(column: pl.Series) -> NDArray[np.float32]:
    numbers = column.cast(pl.Float32, strict=False).fill_null(math.nan)
    return numbers.to_numpy().copy()


def _categories(items: pl.DataFrame) -> pl.DataFrame:
    """item, name: each category of each item once, in small letters."""
    if "category" not in items.columns:
        return pl.DataFrame(schema={"item": pl.UInt32, "name": pl.String})
    column = items["category"]
    texts = column.list.join("|", ignore_nulls=True) if column.dtype == pl.List(pl.String) else column.cast(pl.String)
    return (
        pl.DataFrame(
            {"name": texts.str.to_lowercase().str.strip_chars().str.replace_all(SEPARATORS, "|").str.split("|")}
        )
        .with_row_index("item")
        .explode("name")
        .filter(pl.col("name").is_not_null() & (pl.col("name") != ""))
        .unique()
        .sort("item", "name")
    )


def _folded(text: str) -> frozenset[str]:
    """The words of a text, one of many as the one: comedies as comedy, children's as children."""
    return frozenset(singular(word) for word in words(text))
