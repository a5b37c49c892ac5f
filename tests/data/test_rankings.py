import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recloop.data import compiled
from recloop.data.rankings import top_k

VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 2.0, float("-inf"), float("nan"), float("inf")]), st.floats(-10, 10, width=32)
)
SCORES = st.tuples(st.integers(1, 4), st.integers(1, 90)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=VALUES)
)


def by_sorting(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition: a stable sort of what is neither NaN nor -inf."""
    items = np.full((len(scores), k), -1, np.int32)
    found = np.full((len(scores), k), -np.inf, np.float32)
    for row, values in enumerate(scores):
        best = sorted((-value, item) for item, value in enumerate(values) if value > -np.inf)[:k]
        for place, (value, item) in enumerate(best):
            items[row, place], found[row, place] = item, -value
    return items, found


@pytest.mark.parametrize("worth", [float("inf"), 0], ids=["numpy", "numba"])
@given(scores=SCORES, k=st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_top_k_is_a_stable_sort(worth: float, scores: np.ndarray, k: int) -> None:
    if worth == 0:
        pytest.importorskip("numba")
    before = scores.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "WORTH", worth)
        ranked = top_k(scores, k)
    items, found = by_sorting(scores, k)
    np.testing.assert_array_equal(ranked.items, items)
    np.testing.assert_array_equal(ranked.scores, found)
    np.testing.assert_array_equal(scores, before)
    assert ranked.items.dtype == np.int32
    assert ranked.scores.dtype == np.float32


@pytest.mark.parametrize("worth", [float("inf"), 0], ids=["numpy", "numba"])
def test_wide_rows_of_few_values(worth: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "WORTH", worth)
    scores = np.random.default_rng(0).integers(0, 5, size=(20, 3000)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :100]
    np.testing.assert_array_equal(top_k(scores, 100).items, expected)
    np.testing.assert_array_equal(
        top_k(np.sort(scores, axis=1), 7).items, np.argsort(-np.sort(scores), kind="stable")[:, :7]
    )


def test_no_rows_and_other_layouts() -> None:
    assert top_k(np.empty((0, 5), np.float32), 3).items.shape == (0, 3)
    scores = np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4))
    assert top_k(scores[:, ::-1], 2).items.tolist() == [[0, 1]] * 3
