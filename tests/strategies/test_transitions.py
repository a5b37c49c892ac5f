import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.split import split
from recloop.strategies.popular import DAY
from recloop.strategies.transitions import Transitions


def log(*histories: str, times: list[float] | None = None) -> Dataset:
    """Each word is a history; each letter an item."""
    users = [f"u{number}" for number, history in enumerate(histories) for _ in history]
    columns = {"user": users, "item": [item for history in histories for item in history]}
    return Dataset.of(pl.DataFrame(columns | ({"time": times} if times else {})))


def raw(data: Dataset, **settings) -> np.ndarray:
    """The counts before the columns are divided."""
    table = Transitions(**settings).fit(data)._table.toarray().astype(np.float64)
    return table * table.sum(axis=0)  # the columns of T/sqrt(s) sum to sqrt(s)


def test_pairs_weigh_one_over_their_distance() -> None:
    a, b, c, d = range(4)
    counts = raw(log("abcd"), window=2)
    assert counts[a, b] == pytest.approx(1)
    assert counts[a, c] == pytest.approx(0.5)
    assert counts[a, d] == 0
    assert counts[b, a] == 0
    assert counts[b, d] == pytest.approx(0.5)


def test_pairs_do_not_cross_users_and_items_do_not_follow_themselves() -> None:
    counts = raw(log("ab", "ca"), window=5)
    assert counts[1, 2] == 0
    assert (np.diag(raw(log("abab"), window=3)) == 0).all()


def test_columns_are_divided_by_the_root_of_their_sum() -> None:
    a, b, c = range(3)
    table = Transitions(window=1).fit(log("ab", "ab", "cb", "bc"))._table.toarray()
    assert table[a, b] == pytest.approx(2 / np.sqrt(3))
    assert table[c, b] == pytest.approx(1 / np.sqrt(3))
    assert table[b, c] == pytest.approx(1)


def test_one_item_in_a_row_counts_once() -> None:
    np.testing.assert_allclose(raw(log("aaab", "ba"), window=5), raw(log("ab", "ba"), window=5))
    data = log("ab", "cd", "de")
    strategy = Transitions(recent=2).fit(data)
    repeated, once = strategy.score(Histories.of([[0, 2, 2, 2], [0, 2]], data.n_items))
    np.testing.assert_array_equal(repeated, once)


def test_the_last_items_speak_with_decay() -> None:
    data = log("ax", "by", "cz")
    a, b, c, x, y, z = (data.item_ids.index(name) for name in "abcxyz")
    scores = Transitions(recent=2, decay=0.5, window=1).fit(data).score(Histories.of([[a, b, c]], data.n_items))[0]
    assert scores[z] == pytest.approx(1)
    assert scores[y] == pytest.approx(0.5)
    assert scores[x] < 1e-9


def test_half_life_of_a_transition() -> None:
    data = log("ab", "ac", times=[0.0, 10 * DAY, 0.0, 20 * DAY])
    counts = raw(data, half_life=10.0, window=1)
    assert counts[0, 1] == pytest.approx(0.5)
    assert counts[0, 2] == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.data
def test_movielens_beats_its_floor(data_dir) -> None:
    """Leave-last-out on the SASRec file of MovieLens-1M; the floor to beat is recall@10 .2435 and NDCG@10 .1418."""
    lines = (data_dir / "ml-1m" / "sasrec_sequences.txt").read_text().splitlines()
    histories = [line.split() for line in lines]
    frame = pl.DataFrame(
        {
            "user": [str(user) for user, items in enumerate(histories) for _ in items],
            "item": [item for items in histories for item in items],
        }
    )
    parted = split(Dataset.of(frame), "leave-last-out")
    ranked = Transitions().fit(parted.train).rank(parted.histories, 10)
    hits = ranked.items == parted.truth.items[:, None]
    assert hits.any(axis=1).mean() > 0.2435
    assert (hits / np.log2(np.arange(2, 12))).sum(axis=1).mean() > 0.1418
