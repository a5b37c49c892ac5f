"""Logs of slates: how they are read, and what is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.slates import SlateLog, read_slates
from recloop.data.source import Source, read
from recloop.errors import DataError, MissingError

EVENTS = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "time": [10.0, 20.0, 12.0]})
TABLE = pl.DataFrame(
    {
        "slate": ["2", "1", "1", "3", "9"],
        "user": ["a", "a", "a", "b", "stranger"],
        "item": ["x", "y", "unknown", "y", "x"],
        "position": [0, 1, 0, 0, 0],
        "click": [1, 1, 1, 0, 1],
        "time": [15.0, 5.0, 5.0, 30.0, 1.0],
        "reward": [2.5, 1.0, 1.0, 0.0, 1.0],
    }
)


def log() -> tuple[Dataset, SlateLog]:
    data = Dataset.of(EVENTS)
    return data, SlateLog.of(TABLE, data.user_ids, data.item_ids)


def test_rows_become_slates_by_user_and_time() -> None:
    _, slates = log()
    assert slates.users.tolist() == [0, 0, 1]
    assert slates.items.tolist() == [[-1, 1], [0, -1], [1, -1]]
    assert slates.clicks.tolist() == [[False, True], [True, False], [False, False]]  # an unknown item has no click
    assert slates.rewards.tolist() == [[0.0, 1.0], [2.5, 0.0], [0.0, 0.0]]


def test_a_split_takes_later_slates_away() -> None:
    data, slates = log()
    early = data.with_slates(slates).with_events(data.events.filter(pl.col("time") < 15))
    assert early.slates is not None
    assert early.slates.times.tolist() == [5.0]
    assert data.with_slates(slates).fingerprint != data.fingerprint


def test_what_is_wrong_is_said() -> None:
    data, _ = log()
    for table, words in (
        (TABLE.drop("click"), r"no column 'click'.*slate, user, item, position, click"),
        (TABLE.with_columns(position=pl.lit(0)), "two items .* one position"),
        (TABLE.with_columns(user=pl.lit("nobody")), "no slate of the slate log belongs"),
        (TABLE.with_columns(position=pl.int_range(5) * 300), "last position of the slate log is"),
    ):
        with pytest.raises(DataError, match=words):
            SlateLog.of(table, data.user_ids, data.item_ids)


def test_files(tmp_path: Path) -> None:
    EVENTS.write_csv(tmp_path / "events.csv")
    TABLE.write_csv(tmp_path / "slates.csv")
    TABLE.write_parquet(tmp_path / "slates.parquet")
    for name in ("slates.csv", "slates.parquet"):
        found = read(Source(events="events.csv", slates=name).within(tmp_path)).dataset.slates
        assert found is not None
        assert len(found) == 3
    with pytest.raises(MissingError, match="no slate log at"):
        read_slates(tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"bad\.parquet cannot be read"):
        read_slates(tmp_path / "bad.parquet")
    assert np.isnan(
        SlateLog.of(TABLE.drop("time"), *(Dataset.of(EVENTS).user_ids, Dataset.of(EVENTS).item_ids)).times
    ).all()
