"""Conditions on attributes: what they leave, and what they say where they do not fit."""

import polars as pl
import pytest

from recloop.compose.filters import Filters
from recloop.errors import SettingError
from recloop.types import Condition

ITEMS = pl.DataFrame(
    {
        "item": list("abcde"),
        "title": ["Alien (1979)", "Clue (1985)", "Scream (1996)", "Babe (1995)", "Untold"],
        "category": ["Horror|Sci-Fi", "Comedy, Mystery", "Horror", "Drama", None],
        "brand": ["Fox", "Rock, Paper & Co", "fox ", None, "MGM"],
        "price": [5.0, None, 10.0, 20.0, 25.0],
    }
)


def left(**where: Condition) -> str:
    return "".join(ITEMS["item"].filter(pl.Series(Filters.of(ITEMS).mask(where))))


@pytest.mark.parametrize(
    ("where", "items"),
    [
        ({}, "abcde"),
        ({"category": Condition(among=("horror",))}, "ac"),
        ({"category": Condition(among=("HORROR ", "mystery"))}, "abc"),
        ({"category": Condition(among=("horror",), not_in=("sci-fi",))}, "c"),
        ({"category": Condition(not_in=("horror",))}, "bde"),
        ({"category": Condition(among=("western",))}, ""),
        ({"category": Condition(among=())}, ""),
        ({"brand": Condition(among=("FOX",))}, "ac"),
        ({"brand": Condition(among=("rock, paper & co",))}, "b"),
        ({"brand": Condition(not_in=("fox",))}, "bde"),
        ({"price": Condition(maximum=10.0)}, "ac"),
        ({"price": Condition(minimum=10.0, maximum=20.0)}, "cd"),
        ({"year": Condition(minimum=1985.0, maximum=1995.0)}, "bd"),
        ({"year": Condition(minimum=2000.0, maximum=1990.0)}, ""),
        ({"price": Condition(maximum=10.0), "category": Condition(among=("sci-fi",))}, "a"),
    ],
)
def test_what_is_left(where: dict[str, Condition], items: str) -> None:
    assert left(**where) == items


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (
            {"colour": Condition(among=("red",))},
            "'where' names the attribute 'colour', which no item of the catalogue has. Valid: brand, category, price, year.",
        ),
        ({"prise": Condition(maximum=3.0)}, "which no item of the catalogue has. Did you mean 'price'?"),
        ({"available": Condition(among=("true",))}, "items that are not available are never shown: leave it out"),
        ({"price": Condition(among=("3",))}, "'price' is asked for by numbers: 'minimum' or 'maximum'"),
        ({"brand": Condition(minimum=3.0)}, "'brand' is asked for by names: 'in' or 'not_in'"),
        ({"category": Condition()}, "the condition on 'category' does not fit"),
        ({"year": Condition(minimum=3.0, not_in=("x",))}, "the condition on 'year' does not fit"),
    ],
)
def test_what_does_not_fit(where: dict[str, Condition], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        left(**where)
    assert sentence in str(caught.value)


def test_a_catalogue_that_knows_nothing() -> None:
    filters = Filters.of(pl.DataFrame({"item": ["a"]}))
    assert filters.attributes == ()
    with pytest.raises(SettingError, match="There is none yet"):
        filters.mask({"brand": Condition(among=("x",))})
