import tracemalloc

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.truth import Truth
from recloop.errors import DataError
from recloop.metrics import METRICS, NDCG, Judged, Ratings, item_users, judged
from recloop.metrics.metric import AtK

from .slates import judge, rankings, truth


def test_padding_is_never_a_hit() -> None:
    # -1 reads next to the last item of the row before, and before the first of all
    found = judge([[], [19], []], [[19], [19], [0, 19]], k=3).hits
    assert found.rows.tolist() == [1]
    assert found.ranks.tolist() == [1]


def test_hits_are_counted_within_their_slate() -> None:
    found = judge([[4, 5, 6], [6, 5, 4]], [[4, 6], [5]]).hits
    assert found.rows.tolist() == [0, 0, 1]
    assert found.ranks.tolist() == [1, 3, 2]
    assert found.nth.tolist() == [1, 2, 1]


def random_judged(n: int = 300, n_items: int = 50, k: int = 8) -> Judged:
    rng = np.random.default_rng(11)
    slates = [rng.permutation(n_items)[: rng.integers(0, k + 1)].tolist() for _ in range(n)]
    relevant = [rng.permutation(n_items)[: rng.integers(0, 9)].tolist() for _ in range(n)]
    rows = np.sort(rng.integers(0, n, 900))
    return judge(
        slates,
        relevant,
        n_items=n_items,
        histories=[rng.integers(0, n_items, rng.integers(0, 6)).tolist() for _ in range(n)],
        popularity=rng.integers(0, 90, n_items),
        n_users=90,
        vectors=rng.standard_normal((n_items, 5)),
        ratings=Ratings(rows, rng.normal(3, 1, 900), rng.normal(3, 1, 900)),
    )


def test_a_changed_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = [kind(5) if issubclass(kind, AtK) else kind() for kind in METRICS.values()]
    whole = [metric.per_user(random_judged()) for metric in metrics]
    for size in (1, 7 * 51, 10**9):
        monkeypatch.setattr(judged, "BLOCK_BYTES", size)
        for metric, expected in zip(metrics, whole, strict=True):
            assert np.array_equal(metric.per_user(random_judged()), expected, equal_nan=True), (metric.name, size)


def test_memory_stays_far_below_users_times_items() -> None:
    n, n_items = 20_000, 10_000
    rng = np.random.default_rng(1)
    slates = Rankings(
        rng.permutation(n_items)[rng.integers(0, n_items - 10, (n, 1)) + np.arange(10)].astype(np.int32),
        np.zeros((n, 10), np.float32),
    )
    rows = np.repeat(np.arange(n), 5)
    known = Truth.of(rows, rng.integers(0, n_items, 5 * n), np.ones(5 * n), n_rows=n, n_items=n_items)
    seen = Histories.of([[]] * n, n_items=n_items)
    vectors = rng.standard_normal((n_items, 16)).astype(np.float32)
    tracemalloc.start()
    whole = Judged(slates, known, seen, popularity=np.ones(n_items), n_users=9, vectors=vectors)
    for kind in METRICS.values():
        if issubclass(kind, AtK):
            kind(10).per_user(whole)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n_items / 8  # a table of single bits


def test_a_user_is_worth_the_same_in_any_company() -> None:
    """Judged alone, in another batch or in another order, a user's figure is the same to the bit."""
    everyone = random_judged()
    order = np.random.default_rng(5).permutation(everyone.n)[:97]
    lists = [everyone.rankings.items[row][everyone.rankings.items[row] >= 0].tolist() for row in order]
    bounds = everyone.truth.indptr
    relevant = [everyone.truth.items[bounds[row] : bounds[row + 1]].tolist() for row in order]
    some = judge(
        lists,
        relevant,
        n_items=everyone.n_items,
        k=8,
        popularity=everyone.popularity,
        n_users=90,
        vectors=everyone.vectors,
    )
    for kind in METRICS.values():
        if issubclass(kind, AtK) and not kind.aggregate:
            assert np.array_equal(kind(5).per_user(some), kind(5).per_user(everyone)[order], equal_nan=True), kind.id


def test_what_does_not_fit_is_refused() -> None:
    none = Histories.of([[]], n_items=5)
    with pytest.raises(DataError, match="1 slates and 2 rows of truth"):
        Judged(rankings([[1]]), truth([[1], [2]], 5), none)
    with pytest.raises(DataError, match="1 slates and 2 rows of histories"):
        Judged(rankings([[1]]), truth([[1]], 5), Histories.of([[], []], n_items=5))
    with pytest.raises(DataError, match=r"a slate holds item 5.*the catalogue has 5 items"):
        Judged(rankings([[5]]), truth([[1]], 5), none)
    with pytest.raises(DataError, match="a truth holds item 6"):
        Judged(rankings([[1]]), truth([[6]], 7), none)
    with pytest.raises(DataError, match=r"popularity has 3 rows.*the catalogue has 5 items"):
        Judged(rankings([[1]]), truth([[1]], 5), none, popularity=np.ones(3))


def test_a_slate_that_repeats_a_hit_is_refused() -> None:
    with pytest.raises(DataError, match="slate 1 shows item 4 more than once"):
        NDCG(3).value(judge([[1, 2, 3], [4, 0, 4]], [[1], [4]]))


def test_item_users_counts_each_user_once() -> None:
    events = pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "x", "x", "y"]})
    assert item_users(Dataset.of(events)).tolist() == [2, 1]
