"""The words of a catalogue, whatever its texts are."""

import numpy as np
import pytest

from recloop.language.lexicon import WORDS, Lexicon, words


def test_words_and_pairs_of_at_least_two_items_are_kept():
    lexicon = Lexicon.of(["Red mug", "red mug, red lid", "a lid", "", "  ?! "])
    assert lexicon.terms == ("lid", "mug", "red", "red mug")
    assert (lexicon.matrix.toarray() > 0).tolist() == [
        [False, True, True, True],
        [True, True, True, True],
        [True, False, False, False],
        [False] * 4,
        [False] * 4,
    ]
    length = np.asarray(lexicon.matrix.power(2).sum(axis=1)) + lexicon.rest
    np.testing.assert_allclose(length, [1, 1, 1, 0, 0], atol=1e-6)
    assert lexicon.rest[0] == 0 < lexicon.rest[2] < 1  # "a" and "a lid" are its own


def test_weights_are_those_of_the_formula():
    lexicon = Lexicon.of(["red mug", "red lid", "red pot", "lid"])
    assert lexicon.terms == ("lid", "red")
    np.testing.assert_allclose(lexicon.weights, np.log([5 / 3, 5 / 4]) + 1, rtol=1e-6)


def test_other_texts_in_the_same_terms():
    lexicon = Lexicon.of(["red mug", "red lid", "blue lid"])
    found = lexicon.encode(["a red lid", "green", ""]).toarray()
    assert (found > 0).tolist() == [[True, True], [False, False], [False, False]]
    assert np.linalg.norm(found[0]) == pytest.approx(1)
    assert lexicon.encode([]).shape == (0, 2)


def test_scripts_without_spaces_are_read_by_character():
    assert words("七人の侍 2") == ["七", "人", "の", "侍", "2"]
    assert "七 人" in Lexicon.of(["七人の侍", "七人"]).terms
    assert words("Café déjà-vu 🎉 don't") == ["café", "déjà", "vu", "don't"]


def test_a_very_long_text_is_cut():
    long = " ".join(f"w{n}" for n in range(20_000))  # more than 100,000 characters
    assert words(long) == [f"w{n}" for n in range(WORDS)]
    assert len(Lexicon.of([long, long]).terms) == 2 * WORDS - 1


@pytest.mark.parametrize("texts", [[], [""], ["alone"], ["🎉", "🎉"], ["a", "b"]])
def test_catalogues_with_nothing_in_common(texts):
    lexicon = Lexicon.of(texts)
    assert lexicon.terms == () and lexicon.matrix.shape == (len(texts), 0)
    again = Lexicon.restore(lexicon.arrays())
    assert again.terms == () and again.encode(["alone"]).shape == (1, 0)


def test_saved_and_restored():
    lexicon = Lexicon.of(["七人の侍", "七人", "red mug", "red 侍"])
    again = Lexicon.restore(lexicon.arrays())
    assert again.terms == lexicon.terms
    assert (again.matrix != lexicon.matrix).nnz == 0
    np.testing.assert_array_equal(again.weights, lexicon.weights)
    np.testing.assert_array_equal(again.rest, lexicon.rest)
