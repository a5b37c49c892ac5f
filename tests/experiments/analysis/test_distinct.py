"""Whether each user has one row, told without grouping: never a wrong yes, whatever the column looks like."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.experiments import analyze
from recloop.experiments.analysis import distinct as module
from recloop.experiments.analysis.distinct import distinct

duckdb = pytest.importorskip("duckdb")

N = 3000
RNG = np.random.default_rng(1)
COLUMNS = {
    "whole, narrow": RNG.permutation(N),
    "whole, below zero": RNG.permutation(N) - 1500,
    "whole, wide": RNG.permutation(N) * 10**12,
    "whole, near the end": RNG.permutation(N) + (2**63 - 1 - N),
    "unsigned": (RNG.permutation(N).astype(np.uint64) + np.uint64(2**63)),
    "fractions": RNG.permutation(N) / 7,
    "sorted text": np.sort([f"u{n:06}" for n in range(N)]),
    "text": np.array([f"u{n}" for n in RNG.permutation(N)]),
    "one byte": np.arange(100, dtype=np.int8),
}


def written(folder: Path, values: np.ndarray) -> str:
    file = folder / "users.parquet"
    pl.DataFrame({"user": values}).write_parquet(file, row_group_size=500)
    return f"read_parquet('{file}')"


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("parts", [1, 7])
def test_one_value_twice_is_found_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, parts: int
) -> None:
    values = COLUMNS[name]
    monkeypatch.setattr(module, "AT_ONCE", -(-len(values) // parts))
    with duckdb.connect() as connection:
        assert distinct(connection, written(tmp_path, values), "user", "")
        for first, second in ((0, len(values) - 1), (len(values) // 2, len(values) // 2 + 1)):
            twice = values.copy()
            twice[second] = twice[first]
            assert not distinct(connection, written(tmp_path, twice), "user", "")


def test_only_the_rows_inside_count_and_too_many_are_left_to_grouping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect() as connection:
        table = written(tmp_path, np.array([3, 3, 1, 2]))
        assert not distinct(connection, table, "user", "")
        assert distinct(connection, table, "user", ' WHERE "user" < 3')
        assert distinct(connection, table, "user", ' WHERE "user" > 5')
        text = written(tmp_path, COLUMNS["text"])
        monkeypatch.setattr(module, "AT_ONCE", 100)
        assert not distinct(connection, text, "user", "")  # 30 passes: says nothing


@pytest.mark.parametrize("name", ["whole, narrow", "whole, wide", "text", "sorted text"])
def test_the_analysis_still_counts_who_comes_twice(tmp_path: Path, name: str) -> None:
    users = COLUMNS[name].copy()
    table = pl.DataFrame({"user": users, "variant": ["old", "new"] * (N // 2), "spend": RNG.gamma(2.0, 1.0, N)})
    file = tmp_path / "users.parquet"
    table.write_parquet(file)
    plan = {
        "variants": {"old": {"control": True}, "new": {}},
        "metrics": {"spend": {}},
        "primary": "spend",
        "rule": "fixed",
    }
    found = analyze(file, plan=plan)
    assert (found.scan.counted, found.scan.crossovers, found.readout.total_users) == (True, 0, N)
    users[1], users[4] = users[0], users[2]
    table.with_columns(user=users).write_parquet(file)
    with pytest.raises(DataError, match="more than one variant was seen by 1 user"):
        analyze(file, plan=plan)
    warned = analyze(file, plan={**plan, "bad_data": "warn"})
    assert warned.scan.crossovers == 1
    assert warned.readout.total_users == N - 4
