"""Sentences of wishes, and the years and prices in them."""

import pytest

from recloop.errors import SettingError
from recloop.language.steer import Steer, parse


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("lighter, no horror, from the nineties", ("more: lighter", "never: horror", "year 1990 to 1999")),
        ("no horror, war or gore", ("never: horror", "never: war", "never: gore")),
        ("no horror, something funny", ("more: funny", "never: horror")),
        ("no horror but romance and war", ("more: romance", "more: war", "never: horror")),
        ("No horror and some comedy!", ("more: comedy", "never: horror")),
        ("nothing but comedies", ("only: comedies",)),
        ("only horror", ("only: horror",)),
        ("not only drama", ("more: drama",)),
        ("nothing scary", ("never: scary",)),
        ("nothing with zombies", ("never: zombies",)),
        ("everything but anime", ("never: anime",)),
        ("I don’t want superhero movies", ("never: superhero",)),
        ("don't show me anything with spiders", ("never: spiders",)),
        ("I'm tired of superhero movies", ("never: superhero",)),
        ("not too scary", ("less: scary",)),
        ("nothing too long; please: cozy mystery!", ("more: cozy mystery", "less: long")),
        ("less violence and more romance", ("more: romance", "less: violence")),
        ("I want a sad film without any violence", ("more: sad", "never: violence")),
        ("something like The Matrix", ("more: matrix",)),
        ("sad sad, sad", ("more: sad sad", "more: sad")),
        ("太空 冒险 🎉", ("more: 太空 冒险",)),
    ],
)
def test_wishes(sentence, said):
    assert parse(sentence).said() == said


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("from the nineties", "year 1990 to 1999"),
        ("90s", "year 1990 to 1999"),
        ("the '90s", "year 1990 to 1999"),
        ("the 90's", "year 1990 to 1999"),
        ("of the 1920s", "year 1920 to 1929"),
        ("the twenties", "year 2020 to 2029"),
        ("the 2000s", "year 2000 to 2009"),
        ("from the early 80s", "year 1980 to 1983"),
        ("mid-eighties", "year 1984 to 1986"),
        ("late nineties", "year 1997 to 1999"),
        ("before the 80s", "year up to 1979"),
        ("since the 2000s", "year from 2000"),
        ("after the nineties", "year from 2000"),
        ("not from the nineties", "not year 1990 to 1999"),
        ("no movies from the 1970s", "not year 1970 to 1979"),
        ("between 1980 and 1985", "year 1980 to 1985"),
        ("from 1985 to 1980", "year 1980 to 1985"),
        ("1980-1990", "year 1980 to 1990"),
        ("from 1994", "year 1994"),
        ("in 1994", "year 1994"),
        ("from 1994 on", "year from 1994"),
        ("since 1994", "year from 1994"),
        ("newer than 1994", "year from 1995"),
        ("before 2000", "year up to 1999"),
        ("older than 1980", "year up to 1979"),
        ("until 1980", "year up to 1980"),
        ("under 20 euros", "price up to 20"),
        ("under $20", "price up to 20"),
        ("under 20", "price up to 20"),
        ("cheaper than 30", "price up to 30"),
        ("no more than 15 euros", "price up to 15"),
        ("up to 2000 euros", "price up to 2000"),
        ("at least 9,50 €", "price from 9.5"),
        ("over £100", "price from 100"),
        ("10-20 euros", "price 10 to 20"),
        ("between 20 and 10 €", "price 10 to 20"),
    ],
)
def test_years_and_prices(sentence, said):
    assert parse(sentence).said() == (said,)
    assert said in parse(f"sad, {sentence}, with dogs").said()


def test_a_number_of_something_else_is_no_price_and_a_number_that_is_a_name_no_year():
    assert not parse("under 90 minutes").bounds
    assert not parse("2001: A Space Odyssey").bounds
    assert parse("no 3d").never == ("3d",)


@pytest.mark.parametrize("sentence", ["", "   ", "!!!", "no", "no, not, without", "the a of"])
def test_a_sentence_that_says_nothing_wishes_nothing(sentence):
    assert not parse(sentence) and parse(sentence) == Steer()


def test_limits():
    with pytest.raises(SettingError, match=r"the steering sentence has 501 characters; at most 500 are read"):
        parse("x" * 501)
    with pytest.raises(SettingError, match=r"the strength of a steer is 1.5; it must be a number between 0 and 1"):
        parse("sad", 1.5)
    with pytest.raises(SettingError, match="strength"):
        Steer(strength=float("nan"))
