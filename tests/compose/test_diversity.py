import numpy as np
import pytest

from recloop.compose.diversity import maximal_marginal_relevance, unit
from recloop.data.rankings import Rankings
from recloop.errors import SettingError


def loop_over_places(items: np.ndarray, scores: np.ndarray, vectors: np.ndarray, k: int, diversity: float) -> list[int]:
    """Carbonell & Goldstein 1998, as written: one request, one place, one candidate at a time."""
    held = [c for c, item in enumerate(items) if item >= 0]
    low, high = min(scores[c] for c in held), max(scores[c] for c in held)
    relevance = {c: (scores[c] - low) / (high - low) if high > low else 1.0 for c in held}
    taken: list[int] = []
    while len(taken) < k and len(taken) < len(held):
        gains = {
            c: (1 - diversity) * relevance[c]
            - diversity * max((float(vectors[items[c]] @ vectors[items[t]]) for t in taken), default=0.0)
            for c in held
            if c not in taken
        }
        best = max(gains.values())
        taken.append(min(c for c, gain in gains.items() if gain >= best - 1e-7))
    return taken


def test_by_hand() -> None:
    # relevance 1, 0.8, 0.6, 0; items 0 and 1 are alike. λ = 0.5: first 0; then 1: 0.4 - 0.5 = -0.1, 2: 0.3 - 0 = 0.3,
    # 3: 0 - 0.5 * 0.6 = -0.3; then 1: -0.1, 3: 0 - 0.5 * max(0.6, 0.8) = -0.4
    rankings = Rankings(np.array([[0, 1, 2, 3]], np.int32), np.array([[10.0, 9.0, 8.0, 5.0]], np.float32))
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    assert maximal_marginal_relevance(rankings, vectors, 4, diversity=0.5).tolist() == [[0, 2, 1, 3]]


def test_no_diversity_keeps_the_order() -> None:
    rankings = Rankings(np.array([[4, 2, 0]], np.int32), np.array([[3.0, 2.0, 1.0]], np.float32))
    vectors = np.ones((5, 2), np.float32)
    assert maximal_marginal_relevance(rankings, vectors, 2, diversity=0.0).tolist() == [[0, 1]]


def test_full_diversity_spans_the_space() -> None:
    rankings = Rankings(np.array([[0, 1, 2, 3]], np.int32), np.array([[4.0, 3.0, 2.0, 1.0]], np.float32))
    vectors = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    assert maximal_marginal_relevance(rankings, vectors, 3, diversity=1.0).tolist() == [[0, 2, 3]]


@pytest.mark.parametrize("diversity", [0.1, 0.5, 0.9])
def test_against_the_loop(diversity: float) -> None:
    rng = np.random.default_rng(2)
    n, m, k = 40, 15, 8
    vectors = unit(rng.normal(size=(60, 6)).astype(np.float32))
    items = np.stack([rng.permutation(60)[:m] for _ in range(n)]).astype(np.int32)
    scores = -np.sort(-rng.random((n, m)), axis=1).astype(np.float32)
    for row in range(n):  # some rows hold fewer candidates than others, some fewer than the slate
        held = rng.integers(1, m + 1)
        items[row, held:], scores[row, held:] = -1, -np.inf
    found = maximal_marginal_relevance(Rankings(items, scores), vectors, k, diversity=diversity)
    for row in range(n):
        expected = loop_over_places(items[row], scores[row], vectors, k, diversity)
        assert found[row][found[row] >= 0].tolist() == expected


def test_the_size_of_a_batch_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    vectors = unit(rng.normal(size=(300, 32)).astype(np.float32))
    items = np.stack([rng.permutation(300)[:50] for _ in range(20)]).astype(np.int32)
    scores = -np.sort(-rng.random((20, 50)), axis=1).astype(np.float32)
    whole = maximal_marginal_relevance(Rankings(items, scores), vectors, 20, diversity=0.5)
    for row in range(20):
        one = Rankings(items[row : row + 1], scores[row : row + 1])
        np.testing.assert_array_equal(maximal_marginal_relevance(one, vectors, 20, diversity=0.5)[0], whole[row])


def test_items_without_a_vector_are_unlike_all() -> None:
    rankings = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[3.0, 2.5, 2.0]], np.float32))
    vectors = unit(np.array([[1, 0], [1, 0], [0, 0]], np.float32))
    assert np.isfinite(vectors).all()
    assert maximal_marginal_relevance(rankings, vectors, 2, diversity=0.6).tolist() == [[0, 2]]


def test_nothing_to_choose_from() -> None:
    empty = Rankings(np.full((2, 3), -1, np.int32), np.full((2, 3), -np.inf, np.float32))
    assert maximal_marginal_relevance(empty, np.ones((1, 2), np.float32), 2, diversity=0.5).tolist() == [[-1, -1]] * 2


def test_wrong_diversity() -> None:
    rankings = Rankings(np.array([[0]], np.int32), np.array([[1.0]], np.float32))
    with pytest.raises(SettingError) as caught:
        maximal_marginal_relevance(rankings, np.ones((1, 2), np.float32), 1, diversity=1.5)
    assert str(caught.value) == "diversity is 1.5; it must be a number between 0 and 1."
