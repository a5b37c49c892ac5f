import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.data.split import Split, split
from recloop.errors import DataError
from recloop.evaluate import HeldOutRatings, ratings


def log() -> Dataset:
    events = pl.DataFrame(
        {
            "user": ["a", "a", "a", "a", "a", "b", "b", "b"],
            "item": ["x", "y", "z", "w", "w", "x", "y", "v"],
            "kind": ["rating"] * 7 + ["purchase"],
            "value": [5.0, 4.0, 1.0, 2.0, 5.0, 4.0, 5.0, 19.9],
            "time": [1.0, 2.0, 8.0, 9.0, 10.0, 1.5, 9.5, 9.6],
        }
    )
    return Dataset.of(events, kinds=Kinds(minimum={"rating": 4}))


def temporal() -> tuple[Dataset, Split]:
    dataset = log()
    return dataset, split(dataset, "temporal", test_fraction=0.625)


def test_low_ratings_are_held_out_too_and_the_last_counts() -> None:
    dataset, made = temporal()
    held = HeldOutRatings.of(dataset, made)
    names = [
        (dataset.user_ids[made.users[row]], dataset.item_ids[item], value)
        for row, item, value in zip(held.rows, held.items, held.values, strict=True)
    ]
    # z is rated 1: not relevant, and a rating all the same; w is rated twice; the value of v is money
    assert names == [("a", "z", 1.0), ("a", "w", 5.0), ("b", "y", 5.0)]


class Echo:
    """Foretells the item's index, plus a tenth for each event of the history."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def predict(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        self.asked.append(items.shape)
        return np.where(items >= 0, items + histories.lengths[:, None] / 10, np.nan)


@pytest.mark.parametrize("block", [1, 3, 2**20])
def test_predictions_come_back_in_place_whatever_the_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratings, "BLOCK", block)
    rng = np.random.default_rng(0)
    histories = Histories.of([[0] * rng.integers(0, 5) for _ in range(30)], n_items=9)
    rows = np.sort(rng.integers(0, 30, 50))
    held = HeldOutRatings(rows=rows, items=rng.integers(0, 9, 50).astype(np.int32), values=rng.random(50))
    echo = Echo()
    answer = held.predicted_by(echo, histories)
    assert answer.predicted == pytest.approx(held.items + histories.lengths[rows] / 10)
    assert answer.actual is held.values
    assert all(shape[0] * shape[1] <= max(block, shape[1]) for shape in echo.asked)


def test_a_wrong_shape_is_refused() -> None:
    class Wrong:
        def predict(self, histories: Histories, items: np.ndarray) -> np.ndarray:
            return np.zeros(len(histories))

    dataset, made = temporal()
    with pytest.raises(DataError, match=r"predict answered with shape \(2,\).*\(2, 2\) was asked for"):
        HeldOutRatings.of(dataset, made).predicted_by(Wrong(), made.histories)
