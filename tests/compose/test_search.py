"""Sentences and items as questions to a catalogue."""

import numpy as np
import polars as pl
import pytest

from recloop.compose.facets import Facets
from recloop.compose.search import search, similar
from recloop.compose.steering import Steerer
from recloop.language.word_index import WordIndex
from recloop.progress import SILENT
from recloop.strategies.cells import Cells

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


# ---- a catalogue that is too large to be looked at whole

MANY = 3_000


@pytest.fixture(scope="module")
def cells() -> tuple[Cells, np.ndarray]:
    """Vectors of length 1 in groups, and their index; item 9 has none."""
    pytest.importorskip("numba", reason="needs the extra fast")
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(40, 3))[rng.integers(0, 40, MANY)] + 0.15 * rng.normal(size=(MANY, 3))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors[9] = 0
    return Cells(vectors), vectors


def test_items_like_an_item_by_the_index(cells: tuple[Cells, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    index, vectors = cells
    allowed = np.random.default_rng(6).random(MANY) < 0.8
    asked = []
    search_index = index.search
    monkeypatch.setattr(index, "search", lambda *given: asked.append(1) or search_index(*given))
    hits = 0
    for item in range(0, MANY, 100):
        quick, exact = (similar(vectors, item, 20, allowed, "texts", None, one) for one in (index, None))
        hits += len(set(quick.items.tolist()) & set(exact.items.tolist()))
        assert allowed[quick.items].all()
        assert item not in quick.items
        assert (np.diff(quick.scores) <= 0).all()
        np.testing.assert_allclose(quick.scores, vectors[quick.items] @ vectors[item], atol=1e-6)
    assert hits >= 0.98 * 20 * 30
    assert len(asked) == 30
    few = np.zeros(MANY, dtype=bool)
    few[[3, 5, 8]] = True
    for item in (9, 3):  # nothing is known of 9; and what few may be shown are all found
        one, other = (similar(vectors, item, 20, few, "texts", None, found) for found in (index, None))
        assert one.items.tolist() == other.items.tolist()
    uneven = vectors * np.linspace(1, 2, MANY, dtype=np.float32)[:, None]
    one, other = (similar(uneven, 1, 20, allowed, "texts", None, found) for found in (index, None))
    assert one.items.tolist() == other.items.tolist()  # the greatest product is not the greatest cosine there


@pytest.mark.parametrize("sentence", ["something scary", "laugh at sad things", "alien 17", "scary alien", "zebra"])
def test_a_sentence_by_the_index(cells: tuple[Cells, np.ndarray], sentence: str) -> None:
    index, vectors = cells
    films = pl.DataFrame({"title": [f"alien {n % 50} film {n}" for n in range(MANY)]})
    words = WordIndex.of(films["title"].to_list())
    steerer = Steerer(Facets.of(films), vectors, Meanings(), "m1")
    allowed = np.random.default_rng(6).random(MANY) < 0.8
    quick, exact = (search(sentence, words, steerer, 20, allowed, one) for one in (index, None))
    assert (quick.by, quick.understood) == (exact.by, exact.understood)
    assert len(quick.items) == len(exact.items)
    assert len(set(quick.items.tolist()) & set(exact.items.tolist())) >= 0.95 * len(exact.items)
    np.testing.assert_allclose(quick.scores, exact.scores, atol=2e-3)


@pytest.mark.parametrize("sentence", ["scary, no alien", "sad, before 1990", "less laugh", "drama"])
def test_a_sentence_with_more_than_wishes_looks_at_all(cells: tuple[Cells, np.ndarray], sentence: str) -> None:
    index, vectors = cells
    films = pl.DataFrame(
        {"title": [f"alien {n} (19{n % 90 + 10})" for n in range(MANY)], "category": ["Drama", "Horror"] * (MANY // 2)}
    )
    words, allowed = WordIndex.of(films["title"].to_list()), np.ones(MANY, dtype=bool)
    steerer = Steerer(Facets.of(films), vectors, Meanings(), "m1")
    quick, exact = (search(sentence, words, steerer, 20, allowed, one) for one in (index, None))
    assert quick.items.tolist() == exact.items.tolist()
