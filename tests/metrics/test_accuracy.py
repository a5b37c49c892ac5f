import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.metrics import F1, MAP, METRICS, MRR, NDCG, HitRate, Precision, Recall
from recloop.metrics.metric import Accuracy

from .slates import judge, slow

ACCURACY = [kind for kind in METRICS.values() if issubclass(kind, Accuracy)]

# five users: slates of 5, 5, 5, 3 and 2 places; their relevant items
SLATES = [[1, 2, 3, 4, 5], [6, 7, 1, 8, 9], [2, 4, 6, 8, 10], [9, 8, 7], [3, 1]]
RELEVANT = [[2, 5, 11, 12, 13, 14], [6], [1, 3, 5], [7, 9, 1], [3, 1, 2]]

# what other libraries answer for these slates at k = 4, user by user
OTHERS = {
    # RecTools 0.19.0, rectools.metrics: Precision, Recall, F1Beta, HitRate, NDCG, MAP, MRR with their defaults
    "rectools": {
        "precision": [0.25, 0.25, 0.0, 0.5, 0.5],
        "recall": [0.1666666667, 1.0, 0.0, 0.6666666667, 0.6666666667],
        "f1": [0.2, 0.4, 0.0, 0.5714285714, 0.5714285714],
        "hit-rate": [1.0, 1.0, 0.0, 1.0, 1.0],
        "ndcg": [0.2463023887, 0.39038005, 0.0, 0.585570075, 0.6366824387],
        "map": [0.0833333333, 1.0, 0.0, 0.5555555556, 0.6666666667],
        "mrr": [0.5, 1.0, 0.0, 1.0, 1.0],
    },
    # LensKit 2025.8.1, lenskit.metrics: Precision, Recall, Hit, NDCG, ranking.AveragePrecision, RecipRank
    "lenskit": {
        "precision": [0.25, 0.25, 0.0, 0.6666666667, 1.0],
        "recall": [0.25, 1.0, 0.0, 0.6666666667, 0.6666666667],
        "hit-rate": [1.0, 1.0, 0.0, 1.0, 1.0],
        "ndcg": [0.3193939432, 1.0, 0.0, 0.6199062333, 0.7601875334],
        "map": [0.125, 1.0, 0.0, 0.5555555556, 1.0],
        "mrr": [0.5, 1.0, 0.0, 1.0, 1.0],
    },
    # trec_eval through pytrec_eval-terrier 0.5.11 and ir_measures 0.4.3: P, R, Success, nDCG, AP, RR;
    # ranx 0.3.21 answers the same, and the F1 here
    "trec": {
        "precision": [0.25, 0.25, 0.0, 0.5, 0.5],
        "recall": [0.1666666667, 1.0, 0.0, 0.6666666667, 0.6666666667],
        "f1": [0.2, 0.4, 0.0, 0.5714285714, 0.5714285714],
        "hit-rate": [1.0, 1.0, 0.0, 1.0, 1.0],
        "ndcg": [0.2463023887, 1.0, 0.0, 0.703918089, 0.765360637],
        "map": [0.0833333333, 1.0, 0.0, 0.5555555556, 0.6666666667],
        "mrr": [0.5, 1.0, 0.0, 1.0, 1.0],
    },
}


def test_by_hand() -> None:
    # hits at ranks 1 and 3 of 4; 3 items are relevant
    judged = judge([[7, 5, 3, 0]], [[3, 7, 9]])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert Precision(4).value(judged) == 0.5
    assert Recall(4).value(judged) == pytest.approx(2 / 3)
    assert F1(4).value(judged) == pytest.approx(4 / 7)
    assert HitRate(4).value(judged) == 1
    assert NDCG(4).value(judged) == pytest.approx(1.5 / ideal)
    assert MAP(4).value(judged) == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert MRR(4).value(judged) == 1
    # at k = 2 only the first hit counts, and the best slate would have 2
    assert NDCG(2).value(judged) == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert MAP(2).value(judged) == pytest.approx(1 / 2)


@pytest.mark.parametrize("kind", ACCURACY, ids=lambda kind: kind.id)
def test_a_perfect_slate_is_worth_1(kind: type[Accuracy]) -> None:
    judged = judge([[4, 2, 9]], [[2, 4, 9]])
    assert kind(3).value(judged) == pytest.approx(1)
    if kind not in (Recall, F1):
        # two of the three places: still perfect as far as it goes
        assert kind(2).value(judged) == pytest.approx(1)


@pytest.mark.parametrize(
    ("convention", "metric"), [(name, metric) for name, values in OTHERS.items() for metric in values]
)
def test_conventions_reproduce_other_libraries(convention: str, metric: str) -> None:
    judged = judge(SLATES, RELEVANT)
    values = METRICS[metric](4, convention=convention).per_user(judged)
    assert values == pytest.approx(OTHERS[convention][metric], abs=1e-10)


def test_the_same_slates_give_three_figures() -> None:
    judged = judge(SLATES, RELEVANT)
    figures = {name: NDCG(4, name).value(judged) for name in ("recloop", "rectools", "lenskit", "trec")}
    assert figures["recloop"] == figures["trec"] == pytest.approx(0.543116, abs=1e-6)
    assert figures["rectools"] == pytest.approx(0.371787, abs=1e-6)
    assert figures["lenskit"] == pytest.approx(0.539898, abs=1e-6)


def test_lenskit_leaves_an_empty_slate_undefined() -> None:
    judged = judge([[], [1]], [[1], [1]])
    assert np.isnan(Precision(2, "lenskit").per_user(judged)).tolist() == [True, False]
    assert np.isnan(MAP(2, "lenskit").per_user(judged)).tolist() == [True, False]
    assert np.isnan(F1(2, "lenskit").per_user(judged)).tolist() == [True, False]
    assert Precision(2).per_user(judged).tolist() == [0, 0.5]


def test_nothing_relevant_is_undefined() -> None:
    judged = judge([[1, 2], [3, 1]], [[], [3]])
    for kind in ACCURACY:
        values = kind(2).per_user(judged)
        assert np.isnan(values[0]), kind
        assert kind(2).value(judged) == values[1]
    nobody = judge([[1, 2]], [[]])
    assert all(math.isnan(kind(2).value(nobody)) for kind in ACCURACY)


def test_no_slates_at_all() -> None:
    judged = judge([], [])
    assert all(math.isnan(kind(5).value(judged)) for kind in ACCURACY)


def test_k_beyond_the_slate_counts_empty_places_as_misses() -> None:
    judged = judge([[7, 3]], [[3, 7]], k=2)
    assert Precision(10).value(judged) == 0.2
    assert Recall(10).value(judged) == 1
    assert NDCG(10).value(judged) == 1


slates = st.lists(st.integers(0, 14), max_size=8, unique=True)
users = st.lists(st.tuples(slates, slates), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(users, st.integers(1, 10))
def test_agrees_with_the_definition(given_users: list[tuple[list[int], list[int]]], k: int) -> None:
    judged = judge([slate for slate, _ in given_users], [relevant for _, relevant in given_users], n_items=15)
    for kind in ACCURACY:
        expected = [slow(kind.id, slate, relevant, k) for slate, relevant in given_users]
        assert kind(k).per_user(judged) == pytest.approx(expected, abs=1e-12, nan_ok=True), kind.id


@settings(max_examples=40, deadline=None)
@given(users, st.integers(1, 10))
def test_agrees_with_trec_eval(given_users: list[tuple[list[int], list[int]]], k: int) -> None:
    # trec_eval leaves out queries without an answer or without a relevant document
    kept = [(slate, relevant) for slate, relevant in given_users if slate and relevant]
    if not kept:
        return
    judged = judge([slate for slate, _ in kept], [relevant for _, relevant in kept], n_items=15)
    qrels = [ir_measures.Qrel(str(row), str(item), 1) for row, (_, items) in enumerate(kept) for item in items]
    run = [
        ir_measures.ScoredDoc(str(row), str(item), 100.0 - place)
        for row, (slate, _) in enumerate(kept)
        for place, item in enumerate(slate)
    ]
    theirs = {
        Precision(k, "trec"): ir_measures.P @ k,
        Recall(k, "trec"): ir_measures.R @ k,
        HitRate(k, "trec"): ir_measures.Success @ k,
        NDCG(k, "trec"): ir_measures.nDCG @ k,
        MAP(k, "trec"): ir_measures.AP @ k,
        MRR(k, "trec"): ir_measures.RR @ k,
    }
    found = {
        (entry.measure, int(entry.query_id)): entry.value
        for entry in ir_measures.iter_calc(theirs.values(), qrels, run)
    }
    for ours, measure in theirs.items():
        expected = [found[measure, row] for row in range(len(kept))]
        assert ours.per_user(judged) == pytest.approx(expected, abs=1e-9), ours.name
