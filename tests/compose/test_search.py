"""Sentences and items as questions to a catalogue."""

import numpy as np
import polars as pl
import pytest

from recloop.compose.facets import Facets
from recloop.compose.search import search, similar
from recloop.compose.steering import Steerer
from recloop.language.word_index import WordIndex
from recloop.progress import SILENT

FILMS = pl.DataFrame(
    {
        "item": list("abcdef"),
        "title": ["Alien (1979)", "Clue (1985)", "Scream (1996)", "Babe (1995)", "No War for Old Men", "Heat (1995)"],
        "category": ["Horror|Sci-Fi", "Comedy, Mystery", "Horror", "Comedy|Drama", "War", "Drama"],
    }
)
WORDS = WordIndex.of((FILMS["title"] + " " + FILMS["category"]).to_list())
ALL = np.ones(6, dtype=bool)


class Meanings:
    """An encoder that knows three words: scary, laugh and sad are the axes."""

    name, dimension, fingerprint = "meanings", 3, "m1"

    def encode(self, texts, progress=SILENT):
        del progress
        found = np.array([[word in text for word in ("scary", "laugh", "sad")] for text in texts], np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)


ABOUT = Meanings().encode(["scary", "laugh", "scary laugh", "laugh sad", "", "sad"])
WITH = Steerer(Facets.of(FILMS), ABOUT, Meanings(), "m1")
WITHOUT = Steerer(Facets.of(FILMS))


def found(sentence: str, steerer: Steerer = WITHOUT, k: int = 10, allowed=ALL) -> str:
    return "".join(FILMS["item"][search(sentence, WORDS, steerer, k, allowed).items.tolist()])


@pytest.mark.parametrize(
    ("sentence", "items"),
    [
        ("comedies", "bd"),  # of equals the first of the catalogue
        ("Babe", "d"),
        ("horror, but no sci-fi", "c"),
        ("a comedy before 1990", "b"),
        ("drama, only from 1995", "df"),
        ("from the nineties", "cdf"),  # no word is wished for: what is left, in the order of the catalogue
        ("no horror", "bdef"),
        ("No War for Old Men", "e"),  # a title is no wish
        ("zebra", ""),
        ("?", "abcdef"),
    ],
)
def test_by_words_alone(sentence: str, items: str) -> None:
    assert sorted(found(sentence)) == sorted(items)
    if sentence == "comedies":
        assert found(sentence) == items


def test_by_words_and_vectors() -> None:
    told = search("something to laugh at", WORDS, WITH, 10, ALL)
    assert told.by == "words and texts"
    assert told.understood == ("more: laugh at",) or told.understood[0].startswith("more: laugh")
    assert FILMS["item"][int(told.items[0])] == "b"
    assert set(told.items.tolist()) == {1, 2, 3}
    assert search("something to laugh at", WORDS, WITHOUT, 10, ALL).by == "words"


def test_what_is_known_by_both_comes_first() -> None:
    assert found("scary horror", WITH)[0] == "a"
    scores = search("scary horror", WORDS, WITH, 10, ALL).scores
    assert scores.max() <= 1
    assert (np.diff(scores) <= 0).all()


def test_k_and_what_is_allowed() -> None:
    assert found("comedies", k=1) == "b"
    hidden = ALL.copy()
    hidden[1] = False
    assert found("comedies", allowed=hidden) == "d"
    hidden[4] = False
    assert found("No War for Old Men", allowed=hidden) == ""


def test_items_like_an_item() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    vectors[7] = 0  # nothing is known of it
    allowed = rng.random(50) < 0.7
    told = similar(vectors, 3, 5, allowed, "texts")
    norm = np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)
    cosine = vectors @ vectors[3] / norm / norm[3]
    cosine[~allowed] = -2
    cosine[3] = -2
    assert told.items.tolist() == np.argsort(-cosine)[:5].tolist()
    np.testing.assert_allclose(told.scores, np.sort(cosine)[::-1][:5], rtol=1e-5)
    assert similar(vectors, 7, 3, ALL.repeat(9)[:50], "texts").scores.tolist() == [0.0, 0.0, 0.0]
    assert len(similar(vectors, 3, 500, allowed, "texts").items) == allowed.sum() - allowed[3]
