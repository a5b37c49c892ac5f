import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import DataError
from recloop.metrics import METRICS, Coverage, Diversity, Gini, Novelty, PopularityLift
from recloop.metrics.metric import AtK

from .slates import judge

SLATES = [[0, 1, 2], [2, 3, 4], [5, 0, 3]]
NOTHING = [[], [], []]
VECTORS = np.array([[1, 0], [1, 1], [0, 2], [-1, 1], [3, 0], [0, 0.5], [0, 0], [0, 0]])
POPULARITY = np.array([4, 3, 2, 2, 1, 0, 0, 0])


def test_coverage_by_hand() -> None:
    judged = judge(SLATES, NOTHING, n_items=8)
    assert Coverage(2).value(judged) == pytest.approx(
        5 / 8
    )  # RecTools 0.19.0, CatalogCoverage(2, normalize=True): 0.625
    assert Coverage(3).value(judged) == pytest.approx(6 / 8)
    only = np.arange(8) < 6
    assert Coverage(3).value(judge(SLATES, NOTHING, n_items=8, allowed=only)) == pytest.approx(1)


def test_gini_by_hand() -> None:
    # exposures 2 1 2 2 1 1 0 0; LensKit 2025.8.1, ListGini(3, items=8): 0.375
    assert Gini(3).value(judge(SLATES, NOTHING, n_items=8)) == pytest.approx(0.375)
    equal = judge([[0, 1], [2, 3]], [[], []], n_items=4)
    assert Gini(2).value(equal) == pytest.approx(0)
    one = judge([[7], [7], [7]], NOTHING, n_items=100)
    assert Gini(1).value(one) == pytest.approx(0.99)
    assert math.isnan(Gini(1).value(judge([[], []], [[], []])))


def test_novelty_by_hand() -> None:
    judged = judge(SLATES, NOTHING, n_items=8, popularity=POPULARITY, n_users=4)
    # RecTools 0.19.0, MeanInvUserFreq(3) and (2)
    assert Novelty(3).per_user(judged) == pytest.approx([0.4716791664262813, 4 / 3, 1.0])
    assert Novelty(2).per_user(judged) == pytest.approx([0.2075187496394219, 1.0, 1.0])


def test_diversity_by_hand() -> None:
    judged = judge(SLATES, NOTHING, n_items=8, vectors=VECTORS)
    # RecTools 0.19.0, IntraListDiversity with the cosine distances of these vectors
    assert Diversity(3).per_user(judged) == pytest.approx([0.5285954792089683, 1.0, 1.0], abs=1e-6)
    assert Diversity(2).per_user(judged) == pytest.approx([0.29289321881345254, 0.29289321881345254, 1.0], abs=1e-6)


def test_diversity_of_fewer_than_two_items_is_undefined() -> None:
    judged = judge([[0, 1], [3], []], NOTHING, n_items=8, vectors=VECTORS)
    assert np.isnan(Diversity(3).per_user(judged)).tolist() == [False, True, True]
    assert np.isnan(Diversity(1).per_user(judged)).all()


def test_items_without_a_vector_are_at_distance_1() -> None:
    judged = judge([[6, 7], [0, 6]], [[], []], n_items=8, vectors=VECTORS)
    assert Diversity(2).per_user(judged) == pytest.approx([1, 1])


def test_popularity_lift_by_hand() -> None:
    # slates: means 3, 5/3 and 2; histories: 4, 2 and (repeats count once) 3; the user without history stays out
    judged = judge(
        [*SLATES, [0]],
        [*NOTHING, []],
        n_items=8,
        histories=[[0], [2, 3], [0, 2, 2], []],
        popularity=POPULARITY,
        n_users=4,
    )
    assert PopularityLift(3).value(judged) == pytest.approx((3 + 5 / 3 + 2) / (4 + 2 + 3) - 1)
    assert np.isnan(PopularityLift(3).per_user(judged)).tolist() == [False, False, False, True]
    same = judge([[0, 2]], [[]], n_items=8, histories=[[0, 2]], popularity=POPULARITY, n_users=4)
    assert PopularityLift(2).value(same) == pytest.approx(0)


def test_what_is_missing_is_said() -> None:
    judged = judge(SLATES, NOTHING)
    with pytest.raises(DataError, match=r"no item popularity.*popularity=item_users\(train\)"):
        PopularityLift(3).value(judged)
    with pytest.raises(DataError, match=r"no item vectors.*vectors=\(n_items, d\)"):
        Diversity(3).value(judged)
    with pytest.raises(DataError, match="0 training users"):
        Novelty(3).value(judge(SLATES, NOTHING, n_items=8, popularity=POPULARITY))


lists = st.lists(st.lists(st.integers(0, 9), max_size=6, unique=True), min_size=1, max_size=10)


@settings(max_examples=60, deadline=None)
@given(lists, st.integers(1, 7), st.integers(0, 2**31))
def test_agrees_with_the_definition(slates: list[list[int]], k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, popularity = rng.standard_normal((10, 3)), rng.integers(0, 30, 10)
    histories = [rng.integers(0, 10, rng.integers(0, 4)).tolist() for _ in slates]
    judged = judge(
        slates,
        [[] for _ in slates],
        n_items=10,
        histories=histories,
        vectors=vectors,
        popularity=popularity,
        n_users=30,
    )
    shown = [slate[:k] for slate in slates]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = [[1 - unit[i] @ unit[j] for i, j in combinations(slate, 2)] for slate in shown]
    diversity = [np.mean(pairs) if pairs else np.nan for pairs in distances]
    assert Diversity(k).per_user(judged) == pytest.approx(diversity, abs=1e-5, nan_ok=True)
    bits = [[-np.log2(max(popularity[i], 1) / 30) for i in slate] for slate in shown]
    assert Novelty(k).per_user(judged) == pytest.approx([np.mean(b) if b else np.nan for b in bits], nan_ok=True)
    exposure = np.bincount([i for slate in shown for i in slate], minlength=10)
    assert Coverage(k).value(judged) == pytest.approx(np.mean(exposure > 0))
    if exposure.sum():
        gaps = np.abs(exposure[:, None] - exposure[None, :]).sum()
        assert Gini(k).value(judged) == pytest.approx(gaps / (2 * 10 * exposure.sum()))
    both = [(s, set(h)) for s, h in zip(shown, histories, strict=True) if s and h]
    base = sum(np.mean(popularity[list(h)]) for _, h in both)
    if base:
        lift = sum(np.mean(popularity[s]) for s, _ in both) / base - 1
        assert PopularityLift(k).value(judged) == pytest.approx(lift)


@pytest.mark.parametrize(
    "kind", [k for k in METRICS.values() if issubclass(k, AtK) and k.aggregate], ids=lambda k: k.id
)
def test_pseudo_values_carry_the_error_of_the_jackknife(kind: type[AtK]) -> None:
    """Leaving out one user after the other gives the same standard error as the spread of the pseudo-values."""
    rng = np.random.default_rng(7)
    n, n_items = 120, 40
    weight = 1 / np.arange(1, n_items + 1)
    slates = [rng.choice(n_items, 5, replace=False, p=weight / weight.sum()).tolist() for _ in range(n)]
    histories = [rng.choice(n_items, 4, p=weight / weight.sum()).tolist() for _ in range(n)]
    extra = {"n_items": n_items, "popularity": np.round(100 * weight).astype(int), "n_users": 100}

    def value(users: list[int]) -> float:
        few = judge([slates[u] for u in users], [[]] * len(users), histories=[histories[u] for u in users], **extra)
        return kind(5).value(few)

    left_out = np.array([value([u for u in range(n) if u != gone]) for gone in range(n)])
    jackknife = math.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum())
    values = kind(5).per_user(judge(slates, [[]] * n, histories=histories, **extra))
    assert values.mean() == pytest.approx(value(list(range(n))))
    assert values.std(ddof=1) / math.sqrt(n) == pytest.approx(jackknife, rel=0.05)
