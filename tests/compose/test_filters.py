"""Conditions on attributes: what they leave, and what they say where they do not fit."""

import polars as pl
import pytest

from recloop.compose.filters import Filters
from recloop.errors import SettingError
from recloop.types import ItemCondition

ITEMS = pl.DataFrame(
    {
        "item": list("abcde"),
        "title": ["Alien (1979)", "Clue (1985)", "Scream (1996)", "Babe (1995)", "Untold"],
        "category": ["Horror|Sci-Fi", "Comedy, Mystery", "Horror", "Drama", None],
        "brand": ["Fox", "Rock, Paper & Co", "fox ", None, "MGM"],
        "price": [5.0, None, 10.0, 20.0, 25.0],
    }
)


def left(**where: ItemCondition) -> str:
    return "".join(ITEMS["item"].filter(pl.Series(Filters.of(ITEMS).mask(where))))


@pytest.mark.parametrize(
    ("where", "items"),
    [
        ({}, "abcde"),
        ({"category": ItemCondition(among=("horror",))}, "ac"),
        ({"category": ItemCondition(among=("HORROR ", "mystery"))}, "abc"),
        ({"category": ItemCondition(among=("horror",), not_in=("sci-fi",))}, "c"),
        ({"category": ItemCondition(not_in=("horror",))}, "bde"),
        ({"category": ItemCondition(among=("western",))}, ""),
        ({"category": ItemCondition(among=())}, ""),
        ({"brand": ItemCondition(among=("FOX",))}, "ac"),
        ({"brand": ItemCondition(among=("rock, paper & co",))}, "b"),
        ({"brand": ItemCondition(not_in=("fox",))}, "bde"),
        ({"price": ItemCondition(maximum=10.0)}, "ac"),
        ({"price": ItemCondition(minimum=10.0, maximum=20.0)}, "cd"),
        ({"year": ItemCondition(minimum=1985.0, maximum=1995.0)}, "bd"),
        ({"year": ItemCondition(minimum=2000.0, maximum=1990.0)}, ""),
        ({"price": ItemCondition(maximum=10.0), "category": ItemCondition(among=("sci-fi",))}, "a"),
    ],
)
def test_what_is_left(where: dict[str, ItemCondition], items: str) -> None:
    assert left(**where) == items


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (
            {"colour": ItemCondition(among=("red",))},
            "'where' names the attribute 'colour', which no item of the catalogue has. Valid: brand, category, price, year.",
        ),
        ({"prise": ItemCondition(maximum=3.0)}, "which no item of the catalogue has. Did you mean 'price'?"),
        ({"available": ItemCondition(among=("true",))}, "items that are not available are never shown: leave it out"),
        ({"price": ItemCondition(among=("3",))}, "'price' is asked for by numbers: 'minimum' or 'maximum'"),
        ({"brand": ItemCondition(minimum=3.0)}, "'brand' is asked for by names: 'in' or 'not_in'"),
        ({"category": ItemCondition()}, "the condition on 'category' does not fit"),
        ({"year": ItemCondition(minimum=3.0, not_in=("x",))}, "the condition on 'year' does not fit"),
    ],
)
def test_what_does_not_fit(where: dict[str, ItemCondition], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        left(**where)
    assert sentence in str(caught.value)


def test_a_catalogue_that_knows_nothing() -> None:
    filters = Filters.of(pl.DataFrame({"item": ["a"]}))
    assert filters.attributes == ()
    with pytest.raises(SettingError, match="There is none yet"):
        filters.mask({"brand": ItemCondition(among=("x",))})
