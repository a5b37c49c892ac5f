"""Texts of items and users by template: what is missing leaves no trace, whatever the text."""

import time

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.templates import Template, UserText, item_texts
from recloop.errors import SettingError

EVENTS = pl.DataFrame({"user": ["a"], "item": ["x"]})
FIELDS = ("title", "category", "brand", "description", "text")


def test_missing_fields_go_with_the_text_before_them() -> None:
    items = pl.DataFrame(
        {
            "title": ["Up", None, "Cars", " ", None],
            "brand": ["Pixar", "Acme", None, None, None],
            "price": [12.0, 3.5, None, 2.25, None],
        }
    )
    assert item_texts(items, "{title} by {brand} - {price} EUR") == [
        "Up by Pixar - 12.0 EUR",
        "by Acme - 3.5 EUR",
        "Cars EUR",
        "2.25 EUR",
        "",
    ]
    assert item_texts(items, "passage: {{{title}}}: {brand:2}")[:3] == [
        "passage: {Up}: Pi",
        "passage: {}: Ac",
        "passage: {Cars",
    ]


def test_texts_without_a_template_are_what_they_were() -> None:
    rng = np.random.default_rng(0)
    table = {"item": [str(i) for i in range(60)]} | {
        name: [None if rng.random() < 0.4 else f"{name} {rng.integers(9)}" for _ in range(60)] for name in FIELDS
    }
    data = Dataset.of(pl.DataFrame({"user": ["a"], "item": ["0"]}), pl.DataFrame(table))
    by_id = dict(zip(table["item"], zip(*(table[name] for name in FIELDS), strict=True), strict=True))
    assert data.item_texts() == [
        ". ".join(value for value in by_id[item] if value is not None) for item in data.items["item"]
    ]
    assert Dataset.of(EVENTS).item_texts() == [""]


def test_lists_numbers_emoji_and_other_scripts() -> None:
    items = pl.DataFrame(
        {"title": ["😀 猫の本", "कथा"], "genres": [["a", "b"], []], "year": [1994, 2001], "vegan": [True, False]}
    )
    assert item_texts(items, "{title:4}|{genres}|{year}|{vegan}") == ["😀 猫の|a, b|1994|true", "कथा|2001|false"]


def test_a_long_description_costs_no_more_than_its_limit() -> None:
    items = pl.DataFrame({"title": ["t"] * 200, "description": ["漢字 " * 33_000] * 200})
    start = time.process_time()
    texts = item_texts(items, "{title}. {description:300}")
    assert {len(text) for text in texts} == {303}
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("no field", "the template 'no field' has no field; for example '{title}. {description:500}'."),
        ("{title", "the template '{title' has a '{' without its partner; write {{ and }} where braces are meant."),
        ("{title}}", "the template '{title}}' has a '}' without its partner; write {{ and }} where braces are meant."),
        ("{}", "the template '{}' has a '{' without its partner; write {{ and }} where braces are meant."),
        ("{title:0}", "the template '{title:0}' has the limit '0'; a limit is a whole number above 0."),
        ("{title:long}", "the template '{title:long}' has the limit 'long'; a limit is a whole number above 0."),
        (
            "{titel}",
            (
                "the template '{titel}' names the field 'titel', which the catalogue does not have. "
                "Did you mean 'title'? Valid: item, title."
            ),
        ),
    ],
)
def test_templates_that_are_wrong(template: str, said: str) -> None:
    data = Dataset.of(EVENTS, pl.DataFrame({"item": ["x"], "title": ["Up"]}))
    with pytest.raises(SettingError) as caught:
        data.item_texts(template)
    assert str(caught.value) == said


def test_a_history_as_text() -> None:
    titles = ["Up", "Cars", "Coco", "", "Brave"]
    histories = Histories.of([[0, 1, 3, 2, 1, 4], [3], [], [2, 2]], n_items=5)
    assert UserText("{newest_first:3}").of(histories, titles) == ["Brave; Cars; Coco", "", "", "Coco"]
    assert UserText("{oldest_first:3}", between=", ").of(histories, titles) == ["Coco, Cars, Brave", "", "", "Coco"]
    assert UserText("{oldest_first}").of(histories, titles)[0] == "Up; Coco; Cars; Brave"
    assert UserText("{newest_first:1} after {newest_first:2}").of(histories, titles)[0] == "Brave after Brave; Cars"


def test_profile_words_and_history_together() -> None:
    users = pl.DataFrame({"user": ["a", "b", "c"], "age": ["25", None, "40"], "gender": ["F", "M", None]})
    events = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "y"], "time": [1.0, 2.0, 3.0]})
    data = Dataset.of(events, pl.DataFrame({"item": ["x", "y"], "title": ["Up", "Cars"]}), users)
    text = UserText("A {gender} of {age}. Liked: {newest_first:5}.")
    histories = data.histories(profiles=True)
    assert text.of(histories, data.item_texts()) == ["A F of 25. Liked: Cars; Up.", "A M. Liked: Cars.", "A of 40."]
    bare = text.of(data.histories(), data.item_texts())
    assert bare == ["A Liked: Cars; Up.", "A Liked: Cars.", ""]
    assert text.of(histories.take(np.array([], dtype=np.int64)), data.item_texts()) == []


def test_a_template_is_a_value() -> None:
    assert Template.parse("{a}{b:3}") == Template.parse("{a}{b:3}")
    assert Template.parse("{a} {b:3} {a}").names == ("a", "b")
    with pytest.raises(SettingError, match="has no field"):
        UserText("nothing")
