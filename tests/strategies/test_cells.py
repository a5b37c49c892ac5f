"""The search by cells finds what exact scores find, as near as bytes tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.data.rankings import top_k
from recloop.strategies.cells import LANES, PEAK, SUM, Cells

pytest.importorskip("numba")

from numba import njit

from recloop.strategies import cells_kernel as kernel


def world(kind: str, n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    vectors = rng.standard_normal((n, d))
    if kind == "long tail":  # lengths over nine orders of magnitude, and some that nobody took
        vectors *= rng.lognormal(0, 4, (n, 1)) * (rng.random((n, 1)) < 0.7)
    if kind == "one peak":  # one number of a vector leaves nothing of the others in a byte
        vectors[:, 0] *= 1e4
    if kind == "whole":  # many ties, and no rounding in any sum
        vectors = rng.integers(-2, 3, size=(n, d))
    return vectors.astype(np.float32)


def every(vectors: np.ndarray) -> Cells:
    """An index that searches all of its cells."""
    cells = Cells(vectors, vectors[:8])
    cells.probes = cells.cells
    return cells


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), d=st.sampled_from([1, 7, 64, 65]), k=st.integers(40, 70), seed=st.integers(0, 999))
def test_where_all_are_kept_the_answer_is_exact(n: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = world("whole", n, d, rng), world("whole", 5, d, rng)
    queries[0] = 0
    if not vectors.any():
        return
    allowed = rng.random(n) < 0.6 if seed % 2 else None
    scores = queries @ vectors.T
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    found, truth = every(vectors).search(queries, k, allowed), top_k(scores, k)
    np.testing.assert_array_equal(found.items, truth.items)
    np.testing.assert_array_equal(found.scores, truth.scores)


@pytest.mark.parametrize("kind", ["plain", "long tail"])
def test_bytes_lose_next_to_nothing(kind: str) -> None:
    rng = np.random.default_rng(1)
    vectors, queries = world(kind, 4000, 64, rng), world("plain", 20, 64, rng)
    found = every(vectors).search(queries, 100)
    truth = top_k(queries @ vectors.T, 100)
    overlap = np.mean([np.isin(a, b).mean() for a, b in zip(truth.items, found.items, strict=True)])
    assert overlap >= 0.998
    own = np.einsum("nkd,nd->nk", vectors[found.items], queries)
    np.testing.assert_allclose(found.scores, own, rtol=1e-4, atol=1e-4 * np.abs(own).max())
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_the_trial_tells_where_bytes_are_too_few() -> None:
    rng = np.random.default_rng(1)
    vectors, queries = world("one peak", 4000, 64, rng), world("plain", 20, 64, rng)
    cells = Cells(vectors, queries)
    assert cells.probes == cells.cells
    assert cells.recall < cells.wanted


def test_no_sum_leaves_sixteen_bits() -> None:
    """Not even where every number is rounded up, and the query is like the item."""
    for d in (1, 2, 64, 384, 1000):
        vectors = np.ones((2, d), np.float32)
        cells = Cells(vectors, vectors)
        levels = np.empty(d, np.int16)
        kernel.leveled(vectors[0], cells._reach, levels)
        codes = cells._codes[0, :, 0].astype(np.int64)
        assert 0 < codes @ levels <= SUM
        assert np.abs(codes).max() <= PEAK
        assert cells.search(vectors, 2).items.tolist() == [[0, 1], [0, 1]]


@njit
def _multiply(codes, scales, block, levels, bound, scores):  # type: ignore[no-untyped-def]
    return kernel.multiply(codes, scales, block, levels, bound, scores)


def test_a_block_is_scored_as_numpy_scores_it() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(-20, 21, size=(3, 50, LANES)).astype(np.int8)
    scales = rng.random((3, LANES)).astype(np.float32)
    scales[2, 5:] = np.nan  # where no item is
    levels, scores = rng.integers(-20, 21, size=50).astype(np.int16), np.empty(LANES, np.float32)
    for block in range(3):
        truth = (levels.astype(np.int32) @ codes[block].astype(np.int32)).astype(np.float32) * scales[block]
        best = np.nanmax(truth)
        assert _multiply(codes, scales, block, levels, np.nextafter(best, np.float32(-np.inf)), scores)
        np.testing.assert_array_equal(scores, truth)
        assert not _multiply(codes, scales, block, levels, best, scores)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 12), st.randoms())
def test_a_list_of_the_best_is_that_of_sorting(values: list[int], k: int, random) -> None:
    items = list(range(len(values)))
    random.shuffle(items)
    best, scores, size = np.empty(k, np.int32), np.empty(k, np.float32), 0
    for item, value in zip(items, values, strict=True):
        size = kernel.insert(best, scores, size, item, value)
    truth = sorted(zip(items, values, strict=True), key=lambda pair: (-pair[1], pair[0]))[:k]
    assert list(zip(best[:size].tolist(), scores[:size].tolist(), strict=True)) == truth


def test_the_rough_order_is_nearly_that_of_sorting() -> None:
    for scores in (np.random.default_rng(3).standard_normal(500).astype(np.float32), np.ones(9, np.float32)):
        order = np.empty(len(scores), np.int32)
        kernel.roughly(scores, order)
        assert sorted(order.tolist()) == list(range(len(scores)))
        assert (np.diff(scores[order]) <= np.ptp(scores) / (kernel.BINS - 1)).all()
