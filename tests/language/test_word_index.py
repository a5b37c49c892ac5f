"""BM25 against its formula, term by term."""

import math
from collections import Counter

import numpy as np
import pytest

from recloop.language.lexicon import singular, words
from recloop.language.word_index import WordIndex

TEXTS = ["War, war and peace", "A comedy of war", "Comedies", "", "The glass menagerie: a play", "Alien's war 2"]


def bm25(query: str, texts: list[str], k1: float = 1.2, b: float = 0.75) -> list[float]:
    split = [[singular(word) for word in words(text)] for text in texts]
    mean = sum(map(len, split)) / sum(map(bool, split))
    scores = [0.0] * len(texts)
    for term in {singular(word) for word in words(query)}:
        held = sum(term in text for text in split)
        idf = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
        for place, text in enumerate(split):
            f = Counter(text)[term]
            scores[place] += idf * f * (k1 + 1) / (f + k1 * (1 - b + b * len(text) / mean)) if f else 0.0
    return scores


@pytest.mark.parametrize("query", ["war", "comedy war", "comedies, WARS; war", "glass play of aliens", "nothing", ""])
def test_scores_are_those_of_the_formula(query: str) -> None:
    found = WordIndex.of(TEXTS).score(query)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, bm25(query, TEXTS), rtol=1e-5)


def test_the_words_that_one_text_holds() -> None:
    index = WordIndex.of(TEXTS)
    assert index.holding_all("peace and wars").tolist() == [True, False, False, False, False, False]
    assert not index.holding_all("peace and love").any()
    assert not index.holding_all(" !").any()


def test_texts_without_a_word() -> None:
    index = WordIndex.of(["", "?"])
    assert index.score("war").tolist() == [0.0, 0.0]
    assert not index.holding_all("war").any()
