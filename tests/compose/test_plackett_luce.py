"""Slates drawn at random: chances are those of the Plackett-Luce model, and slates come as often as they say."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from recloop.compose.plackett_luce import draw, place_chances, utilities
from recloop.errors import SettingError


def test_known_chances() -> None:
    """Strengths 3, 2, 1: P(2, 3, 1) = 2/6 · 1/4 · 3/3."""
    value = np.log([[3.0, 2.0, 1.0]])
    assert place_chances(value, np.array([[1, 2, 0]]))[0].tolist() == pytest.approx([2 / 6, 1 / 4, 1.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=4), st.integers(1, 4))
def test_chances_of_all_slates_add_to_one(scores: list[float], k: int) -> None:
    value = np.array([scores])
    m = len(scores)
    slates = {order[:k]: order for order in permutations(range(m))}
    total = 0.0
    for order in slates.values():
        chances = place_chances(value, np.array([order]))[0, :k]
        assert ((chances >= 0) & (chances <= 1)).all()
        total += chances.prod()
    assert total == pytest.approx(1.0, abs=1e-9)
    first = [place_chances(value, np.array([[i, *(j for j in range(m) if j != i)]]))[0, 0] for i in range(m)]
    assert sum(first) == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5), min_size=1, max_size=5),
    st.floats(0.01, 100),
    st.integers(1, 7),
    st.integers(0, 2**32),
)
def test_what_is_drawn_holds_its_own_chance(rows: list[list[float]], temperature: float, k: int, seed: int) -> None:
    scores = np.array(rows)
    scores[0, 3:] = -np.inf
    drawn = draw(scores, k, np.random.default_rng(seed).random(len(rows)), temperature=temperature)
    value = utilities(scores, temperature)
    for row, places in enumerate(drawn.places):
        shown = places[places >= 0]
        assert len(set(shown.tolist())) == len(shown) == min(k, int(np.isfinite(scores[row]).sum()))
        left = set(np.flatnonzero(np.isfinite(scores[row])).tolist())
        for place, item in enumerate(shown.tolist()):
            rest = value[row, sorted(left)]
            expected = np.exp(value[row, item] - np.logaddexp.reduce(rest))
            assert drawn.chances[row, place] == pytest.approx(expected, rel=1e-9, abs=1e-300)
            left.remove(item)
        assert np.isnan(drawn.chances[row, len(shown) :]).all()
        assert drawn.slate[row] == pytest.approx(drawn.chances[row, : len(shown)].prod())


def test_slates_come_as_often_as_they_say() -> None:
    """120,000 draws over the 12 slates of two of four items; chi-square at .001."""
    n, scores = 120_000, np.array([[1.0, 0.4, 0.0, -0.5]])
    drawn = draw(np.repeat(scores, n, axis=0), 2, np.random.default_rng(5).random(n), temperature=0.7)
    code = drawn.places[:, 0] * 4 + drawn.places[:, 1]
    kinds, at, counts = np.unique(code, return_index=True, return_counts=True)
    assert len(kinds) == 12
    assert drawn.slate[at].sum() == pytest.approx(1.0)
    assert chisquare(counts, drawn.slate[at] * n).pvalue > 0.001


def test_neighbouring_numbers_share_no_noise() -> None:
    """Requests whose uniform numbers differ in the last bit must not get related slates."""
    n = 20_000
    near = (np.arange(n) + 10.0) / 2.0**53
    drawn = draw(np.zeros((n, 5)), 5, near)
    counts = np.bincount(drawn.places[:, 0], minlength=5)
    assert chisquare(counts).pvalue > 0.001
    same = (drawn.places[1:, 0] == drawn.places[:-1, 0]).mean()
    assert same == pytest.approx(0.2, abs=0.012)


def test_temperature() -> None:
    scores, uniform = np.array([[3.0, 2.0, 1.0]]), np.array([0.3])
    cold = draw(np.repeat(scores, 50, axis=0), 3, np.random.default_rng(0).random(50), temperature=1e-3)
    assert (cold.places == [0, 1, 2]).all()
    assert cold.slate == pytest.approx(1.0)
    hot = draw(scores, 1, uniform, temperature=1e6)
    assert hot.chances[0, 0] == pytest.approx(1 / 3, abs=1e-5)
    assert draw(100 * scores + 7, 3, uniform).chances == pytest.approx(draw(scores, 3, uniform).chances)
    with pytest.raises(SettingError, match="the temperature is 0"):
        draw(scores, 1, uniform, temperature=0.0)


def test_nothing_to_draw_from() -> None:
    drawn = draw(np.empty((2, 0)), 3, np.array([0.1, 0.2]))
    assert drawn.places.tolist() == [[-1] * 3] * 2
    assert drawn.slate.tolist() == [1.0, 1.0]
