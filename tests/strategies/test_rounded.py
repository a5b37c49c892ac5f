"""A scan of bytes finds what exact scores find, ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.data.rankings import top_k
from recloop.strategies.rounded import Rounded

pytest.importorskip("numba")


def world(kind: str, n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    vectors = rng.standard_normal((n, d))
    if kind == "long tail":  # lengths over nine orders of magnitude, and some that nobody took
        vectors *= rng.lognormal(0, 4, (n, 1)) * (rng.random((n, 1)) < 0.7)
    if kind == "one peak":  # one number of a vector leaves nothing of the others in a byte
        vectors[:, 0] *= 1e4
    if kind == "whole":  # many ties, and no rounding in any sum
        vectors = rng.integers(-2, 3, size=(n, d))
    return vectors.astype(np.float32)


@pytest.mark.parametrize("kind", ["plain", "long tail", "one peak", "whole"])
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 1500), d=st.sampled_from([1, 7, 63, 64, 65, 130]), k=st.integers(1, 40), seed=st.integers(0, 99)
)
def test_what_is_found_is_what_exact_scores_find(kind: str, n: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = world(kind, n, d, rng), world("whole" if kind == "whole" else "plain", 5, d, rng)
    queries[0] = 0
    allowed = rng.random(n) < 0.6 if seed % 2 else None
    found = Rounded(vectors).search(queries, k, allowed)
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    truth = top_k(scores.astype(np.float32), k)
    held = truth.items >= 0
    np.testing.assert_array_equal(found.items >= 0, held)
    if kind == "whole":
        np.testing.assert_array_equal(found.items, truth.items)
        np.testing.assert_array_equal(found.scores, truth.scores)
    # no item outside is better than one inside, but for the rounding of float32
    size = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    own = np.where(held, np.take_along_axis(scores, np.maximum(found.items, 0), axis=1), np.inf)
    np.put_along_axis(scores, np.where(held, found.items, found.items[:, :1]), -np.inf, axis=1)
    rest, last = scores.max(axis=1), own.min(axis=1)
    assert (rest <= last + 1e-6 * d * size.max(axis=1)).all()


def test_few_items_are_scored_exactly() -> None:
    """Most of what is not among the best is passed by: else the answer would be right, and slow."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((20_000, 64)).astype(np.float32)
    index, query = Rounded(vectors), rng.standard_normal((1, 64)).astype(np.float32)
    spread = np.linalg.norm(query) * index._margins
    scores = np.sort((vectors @ query[0])[index._order] + 2 * spread)
    kth = np.sort(vectors @ query[0])[-100]
    assert np.count_nonzero(scores >= kth) < 250


def test_new_items_change_no_number() -> None:
    vectors = np.eye(4, dtype=np.float32)
    index = Rounded(vectors)
    index.add(np.full((1, 4), 2, np.float32))
    assert index.search(np.float32([[0, 1, 0, 0]]), 2).items.tolist() == [[4, 1]]
    np.testing.assert_allclose(index.scores(np.float32([0, 1, 0, 0]), np.array([4, 1, 0])), [2, 1, 0])
