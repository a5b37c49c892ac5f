"""Every numba kernel of slates answers what its NumPy twin answers, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.compose.diversity.likeness import maximal_marginal_relevance
from recloop.compose.fusion.fused import summed
from recloop.compose.rules import Rules
from recloop.data import compiled
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings

pytest.importorskip("numba")

N_ITEMS = 12


@pytest.fixture(scope="module")
def both():
    """Calls a function by NumPy, then by the kernels, and gives both answers."""

    def answers(task):
        worth = compiled.WORTH
        try:
            compiled.WORTH = float("inf")
            plain = task()
            compiled.WORTH = 0
            return plain, task()
        finally:
            compiled.WORTH = worth

    return answers


@st.composite
def ranked(draw, n: int) -> Rankings:
    """Rankings of n requests, some short, with ties; no row holds an item twice."""
    k = draw(st.integers(0, N_ITEMS))
    items, scores = np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32)
    for row in range(n):
        held = draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=k, unique=True))
        items[row, : len(held)] = held
        scores[row, : len(held)] = sorted((draw(st.sampled_from([0.5, 1.0, 2.0])) for _ in held), reverse=True)
    return Rankings(items, scores)


def same(one: Rankings, other: Rankings) -> None:
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)
    assert one.items.dtype == other.items.dtype
    assert one.scores.dtype == other.scores.dtype


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_hidden_is_left_out_alike(both, data) -> None:
    n = data.draw(st.integers(0, 3))
    found = data.draw(ranked(n))
    seen = [data.draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=8)) for _ in range(n)]
    rules, k = Rules(hide_seen=data.draw(st.booleans())), data.draw(st.integers(1, 15))
    same(*both(lambda: rules.kept(found, Histories.of(seen, N_ITEMS), k)))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_sums_are_alike(both, data) -> None:
    n, m = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    rankings = [data.draw(ranked(n)) for _ in range(m)]
    gift = st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, -np.inf, np.nan])
    rows, width = data.draw(st.sampled_from([1, n])), sum(r.k for r in rankings)  # one row holds for all
    gifts = np.array([[data.draw(gift) for _ in range(width)] for _ in range(rows)], float).reshape(rows, width)
    k, times_held = data.draw(st.integers(1, 30)), data.draw(st.booleans())
    plain, fast = both(lambda: summed(rankings, gifts, k, times_held=times_held))
    same(plain.rankings, fast.rankings)
    np.testing.assert_array_equal(plain.sources, fast.sources)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_slates_are_diversified_alike(both, data) -> None:
    rankings = data.draw(ranked(data.draw(st.integers(0, 3))))
    # powers of two along the axes: no sum is rounded, so that ties are ties in whatever order numbers are added
    axes = np.concatenate([np.eye(3), -np.eye(3), [[0, 0, 0]]]).astype(np.float32)
    vectors = axes[data.draw(st.lists(st.integers(0, 6), min_size=N_ITEMS, max_size=N_ITEMS))]
    vectors = np.asfortranarray(vectors) if data.draw(st.booleans()) else vectors  # as some encoders give them
    k, diversity = data.draw(st.integers(1, 15)), data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    plain, fast = both(lambda: maximal_marginal_relevance(rankings, vectors, k, diversity=diversity))
    np.testing.assert_array_equal(plain, fast)
