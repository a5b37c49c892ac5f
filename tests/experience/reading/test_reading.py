"""Comments read: themes, who says more, names that stick, and all that comments can be."""

import json

import numpy as np
import polars as pl
import pytest

from recloop.errors import ArtifactError, ConflictError, DataError, MissingError, SettingError
from recloop.experience.reading import Comments, Split, ThemeBook, read_comments
from recloop.experience.reading.clusters import clusters
from recloop.experience.reading.keywords import keywords, term_counts
from recloop.language import Sentiment

CARDS = ["cards do not open", "the cards never open on my phone", "tapping a card does nothing", "no card opens"]
PRICE = ["far too expensive", "the prices are too high", "overpriced, I cannot afford it", "too pricey for me"]
GOOD = [
    "great recommendations",
    "I love your recommendations",
    "lovely recommendations today",
    "recommendations I like",
]
ARMS = Split("new", "old", pl.col("arm") == "new", pl.col("arm") == "old")


@pytest.fixture(scope="module")
def mood():
    return Sentiment()


def table(rows):
    """(text, arm) rows, each by a user of its own."""
    return pl.DataFrame(
        {
            "id": [f"c{i}" for i in range(len(rows))],
            "user": [f"u{i}" for i in range(len(rows))],
            "text": [text for text, _ in rows],
            "arm": [arm for _, arm in rows],
        }
    )


@pytest.fixture(scope="module")
def said():
    new = [(text, "new") for text in (CARDS * 8 + PRICE * 3 + GOOD * 3)]
    old = [(text, "old") for text in (CARDS + PRICE * 4 + GOOD * 9)]
    return table(new + old)


@pytest.fixture(scope="module")
def read(said, mood):
    return read_comments(said, mood, np.random.default_rng(0), themes=3, splits=[ARMS])


def test_themes_are_what_was_written_about(read, said):
    reading = read.reading
    about = said.join(read.themes, on="id")
    for texts in (CARDS, PRICE, GOOD):
        assert about.filter(pl.col("text").is_in(texts))["theme"].n_unique() == 1
    assert reading.texts == reading.users == said.height
    assert sum(theme.texts for theme in reading.themes) == round((1 - reading.unassigned) * reading.texts)
    assert len({quote.id for theme in reading.themes for quote in theme.examples}) == 9
    texts = dict(said.select("id", "text").iter_rows())
    assert all(texts[quote.id] == quote.text for theme in reading.themes for quote in theme.examples)


def theme_of(read, said, text):
    name = said.filter(pl.col("text") == text).join(read.themes, on="id")["theme"][0]
    return read.reading.theme(name)


def test_moods_and_aspects(read, said):
    assert theme_of(read, said, GOOD[0]).mood.low > 0
    assert theme_of(read, said, PRICE[0]).mood.high < 0
    aspects = {one.name: one for one in read.reading.aspects}
    assert aspects["price"].mood.high < 0 < aspects["relevance"].mood.mean
    assert "218 labelled texts" in read.reading.accuracy


def test_who_says_more_is_told_with_users_as_the_unit(read, said):
    (found,) = read.reading.comparisons
    assert found.users == (56, 56)
    assert found.of == "users who wrote"
    shift = {one.theme: one for one in found.shifts}
    cards = shift[theme_of(read, said, CARDS[0]).name]
    assert cards.clear
    assert cards.effect.estimate == pytest.approx(32 / 56 - 4 / 56)
    assert "more (between" in cards.sentence
    assert {"card", "cards", "open"} & set(" ".join(found.words).split())
    assert not {"card", "cards", "open"} & set(" ".join(found.less).split())


def test_shares_are_of_who_was_served_where_that_is_known(said, mood):
    split = Split(ARMS.ours, ARMS.theirs, ARMS.own, ARMS.other, served=(1000, 500))
    (found,) = read_comments(said, mood, np.random.default_rng(0), themes=3, splits=[split]).reading.comparisons
    assert (found.users, found.of) == ((1000, 500), "users who were served")
    assert max(shift.effect.treatment for shift in found.shifts) == pytest.approx(32 / 1000)


def test_a_user_who_writes_a_hundred_times_is_one(mood):
    rows = table([(text, "new") for text in CARDS * 25] + [(text, "old") for text in GOOD * 25])
    loud = rows.with_columns(user=pl.when(pl.col("arm") == "new").then(pl.lit("loud")).otherwise("user"))
    reading = read_comments(loud, mood, np.random.default_rng(0), themes=2, splits=[ARMS]).reading
    assert min(theme.users for theme in reading.themes) == 1
    assert not any(shift.clear and shift.theirs > 0 for shift in reading.comparisons[0].shifts if shift.ours > 1)


def test_sides_that_do_not_differ_are_seldom_called_different():
    rng, told = np.random.default_rng(0), 0
    from recloop.experience.reading.compare import compare

    for _ in range(200):
        n = 400
        frame = pl.DataFrame({"user": [f"u{i}" for i in range(n)], "arm": np.where(rng.random(n) < 0.5, "new", "old")})
        groups = rng.integers(-1, 8, n)
        terms = term_counts([""] * n, frame["user"].to_list())
        told += any(one.clear for one in compare(frame, terms, groups, [f"t{i}" for i in range(8)], ARMS).shifts)
    assert told / 200 <= 0.09


# ---- names that stick


def test_a_name_survives_another_grouping(read, said, mood):
    cards = theme_of(read, said, CARDS[0])
    book = read.book.named("cards are dead", read.centres[cards.name])
    other = table([(text + " again", "new") for text in CARDS * 5 + GOOD * 6 + PRICE * 4])
    again = read_comments(other, mood, np.random.default_rng(7), themes=3, book=book)
    named = theme_of(again, other, CARDS[0] + " again")
    assert (named.name, named.named_by) == ("cards are dead", "people")
    assert sum(theme.named_by == "people" for theme in again.reading.themes) == 1


def test_merged_themes_are_one(read, said, mood):
    parts = [theme_of(read, said, text) for text in (CARDS[0], PRICE[0])]
    book = read.book.named("trouble", [centre for part in parts for centre in read.centres[part.name]])
    again = read_comments(said, mood, np.random.default_rng(0), themes=3, book=book)
    assert again.reading.theme("trouble").texts == sum(part.texts for part in parts)
    assert len(again.reading.themes) == 2
    parted = read_comments(said, mood, np.random.default_rng(0), themes=3, book=book.without("trouble"))
    assert len(parted.reading.themes) == 3


def test_a_book_is_kept(tmp_path):
    path = tmp_path / "themes.json"
    book = ThemeBook.read(path, "e1").named("late", [np.array([0.6, 0.8])])
    path.write_text(book.to_json())
    assert ThemeBook.read(path, "e1") == book
    assert book.named("very late", [np.array([0.6, 0.8])]).names(np.array([[0.6, 0.8]])) == ["very late"]
    with pytest.raises(ConflictError, match="were named with another encoder"):
        ThemeBook.read(path, "e2")
    path.write_text(json.dumps({"encoder": "e1", "entrys": []}))
    with pytest.raises(ArtifactError, match="is no book of themes"):
        ThemeBook.read(path, "e1")
    with pytest.raises(MissingError, match="no theme is called"):
        book.without("lat")
    with pytest.raises(SettingError, match="the name has 0 characters; from 1 to 80"):
        book.named(" ", [])


# ---- all that comments can be


@pytest.mark.parametrize("texts", [[], [None], ["", "  "], ["😡😡", "👍"], ["ok"]])
def test_next_to_nothing(texts, mood):
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    reading = read_comments(frame, mood, np.random.default_rng(0)).reading
    assert reading.themes == ()
    assert ("Nobody wrote" in reading.sentence) == (not any(text and text.strip() for text in texts))
    json.dumps(reading.to_dict(), allow_nan=False)


def test_signs_tell_a_mood_and_other_languages_do_not(mood):
    sad = read_comments(pl.DataFrame({"text": ["😡😡", "👎", "😡"]}), mood, np.random.default_rng(0)).reading
    assert sad.mood.mean == -1
    foreign = ["das ist alles viel zu teuer für mich", "не работает совсем ничего", "とても高いです"]
    reading = read_comments(pl.DataFrame({"text": foreign}), mood, np.random.default_rng(0)).reading
    assert reading.mood is None
    assert any("not in English" in note and "3" in note for note in reading.notes)


def test_a_comment_of_a_megabyte_and_what_is_masked(mood):
    texts = ["bad " * 300_000, "write to ann@example.org or +49 30 1234567", *CARDS]
    said = Comments.of(pl.DataFrame({"text": texts}))
    assert said.table["text"].str.len_chars().max() == 2000
    assert said.table["text"][1] == "write to [email] or [phone]"
    assert (said.cut, said.hidden, said.blank) == (1, 1, 0)
    assert "ann@" not in json.dumps(
        read_comments(pl.DataFrame({"text": texts}), mood, np.random.default_rng(0)).reading.to_dict()
    )


def test_all_negative_and_all_the_same(mood):
    same = read_comments(pl.DataFrame({"text": ["too expensive"] * 50}), mood, np.random.default_rng(0)).reading
    assert same.mood.mean < 0
    assert sum(theme.texts for theme in same.themes) + round(same.unassigned * 50) == 50


def test_what_is_refused(said, mood):
    with pytest.raises(DataError, match="no column 'text'"):
        Comments.of(pl.DataFrame({"txt": ["a"]}))
    split = Split("a", "b", pl.col("device") == "a", pl.col("device") == "b")
    with pytest.raises(DataError, match="no column"):
        read_comments(said, mood, np.random.default_rng(0), splits=[split])
    with pytest.raises(SettingError, match="0 groups of at least"):
        clusters(np.eye(3, dtype=np.float32), np.random.default_rng(0), k=0)


def test_what_lies_between_groups_belongs_to_none():
    rng = np.random.default_rng(0)
    tight = np.repeat(np.eye(30)[:3], 40, axis=0) + rng.normal(0, 0.05, (120, 30))
    loose = rng.normal(0, 1, (60, 30))
    rows = np.concatenate([tight, loose])
    found = clusters((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), rng, k=3)
    inside = (found.groups[:120] >= 0).mean()
    assert inside > 0.9
    assert (found.groups[120:] >= 0).mean() < 0.3
    assert found.unassigned == (found.groups < 0).mean()


def test_keywords_count_users_not_texts():
    texts = ["spam spam offer"] * 30 + [f"late bus {i}" for i in range(6)]
    users = ["one"] * 30 + [f"u{i}" for i in range(6)]
    ours = np.arange(36) < 30
    assert keywords(term_counts(texts, users), ours) == ()
    assert keywords(term_counts(texts, users), ~ours)[0] in {"late", "bus", "late bus"}
