"""The public logs that everybody measures on are read whole: counts as their makers state them."""

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.data.check import check
from recloop.data.open_bandit import read_open_bandit
from recloop.data.source import Reading, Source, read
from recloop.data.split import split

pytestmark = pytest.mark.data


def sizes(reading: Reading) -> tuple[int, int, int]:
    """Events, users and items with events."""
    events = reading.dataset.events
    assert [problems.bad for problems in reading.problems] == [0] * len(reading.problems)
    return events.height, events["user"].n_unique(), events["item"].n_unique()


@pytest.fixture(scope="module")
def ml_100k(data_dir: Path) -> Reading:
    folder = data_dir / "ml-100k" / "raw"
    return read(Source(events=str(folder / "u.data"), items=str(folder / "u.item"), users=str(folder / "u.user")))


@pytest.fixture(scope="module")
def ml_1m(data_dir: Path) -> Reading:
    folder = data_dir / "ml-1m"
    source = Source(
        events=str(folder / "ratings.parquet"), items=str(folder / "movies.dat"), users=str(folder / "users.dat")
    )
    return read(source)


def test_movielens_100k_raw(ml_100k: Reading) -> None:
    assert sizes(ml_100k) == (100_000, 943, 1682)
    data = ml_100k.dataset
    assert data.has_times and data.events["value"].min() == 1 and data.events["value"].max() == 5
    assert data.items.filter(item="1").select("title", "category").row(0) == (
        "Toy Story (1995)",
        "Animation|Children's|Comedy",
    )
    assert data.users["gender"].value_counts(sort=True).rows() == [("M", 670), ("F", 273)]


def test_movielens_100k_atomic(data_dir: Path, ml_100k: Reading) -> None:
    folder = data_dir / "ml-100k" / "recbole"
    source = Source(
        events=str(folder / "ml-100k.inter"), items=str(folder / "ml-100k.item"), users=str(folder / "ml-100k.user")
    )
    reading = read(source)
    assert sizes(reading) == (100_000, 943, 1682)
    columns = ["user", "item", "value", "time"]
    assert (
        reading.dataset.events.select(columns)
        .sort(columns)
        .equals(ml_100k.dataset.events.select(columns).sort(columns))
    ), "both layouts hold the same events"


def test_movielens_100k_parts(data_dir: Path) -> None:
    folder = data_dir / "ml-100k" / "raw"
    assert [read(Source(events=str(folder / name))).dataset.n_events for name in ("u1.base", "u1.test")] == [
        80_000,
        20_000,
    ]


def test_movielens_1m(data_dir: Path, ml_1m: Reading) -> None:
    assert sizes(ml_1m) == (1_000_209, 6040, 3706)
    data = ml_1m.dataset
    assert data.n_items == 3883 and not data.has_times
    titles = data.items["title"].to_list()
    assert "Misérables, Les (1995)" in titles, "the film file is in latin-1"
    raw = pl.read_parquet(data_dir / "ml-1m" / "ratings.parquet")
    for user in ("1", "77", "6040"):
        wanted = raw.filter(user=int(user)).sort("order", nulls_last=False, maintain_order=True)["item"].to_list()
        index = data.user_ids.index(user)
        assert [int(data.item_ids[i]) for i in data.events.filter(user=index)["item"]] == wanted


def test_movielens_1m_is_read_in_about_a_second(data_dir: Path) -> None:
    path = str(data_dir / "ml-1m" / "ratings.parquet")
    start = time.process_time()
    read(Source(events=path))
    assert time.process_time() - start < 4  # 0.7 s on an idle core; the bound is for a busy one


def test_a_million_rows_of_text_are_read_in_about_a_second(data_dir: Path, tmp_path: Path) -> None:
    raw = pl.read_parquet(data_dir / "ml-1m" / "ratings.parquet")
    seconds = pl.Series("time", np.arange(raw.height) + 956_703_932)
    lines = raw.select(pl.concat_str("user", "item", "rating", seconds, separator="::"))
    (tmp_path / "ratings.dat").write_text("\n".join(lines.to_series()) + "\n")
    start = time.process_time()
    reading = read(Source(events=str(tmp_path / "ratings.dat")))
    assert time.process_time() - start < 5
    assert reading.files[0].format == "movielens-1m" and sizes(reading) == (1_000_209, 6040, 3706)


def test_movielens_1m_sequences(data_dir: Path) -> None:
    reading = read(Source(events=str(data_dir / "ml-1m" / "sasrec_sequences.txt")))
    assert reading.files[0].format == "item-sequences"
    assert sizes(reading) == (999_611, 6040, 3416)


def test_amazon_beauty(data_dir: Path) -> None:
    path = data_dir / "amazon-2014-5core" / "Beauty.txt"
    reading = read(Source(events=str(path)))
    assert reading.files[0].format == "sequences"
    assert sizes(reading) == (198_502, 22_363, 12_101)
    data = reading.dataset
    lines = path.read_text().splitlines()
    for line in (lines[0], lines[7777], lines[-1]):
        user, *items = line.split()
        assert [data.item_ids[i] for i in data.events.filter(user=data.user_ids.index(user))["item"]] == items
    held = split(data, "leave-last-out", hide_seen=False)
    last = {line.split()[0]: line.split()[-1] for line in lines}
    assert len(held) == 22_363
    assert all(
        last[data.user_ids[u]] == data.item_ids[i]
        for u, i in zip(held.users[:500], held.truth.items[:500], strict=True)
    )


def test_open_bandit(data_dir: Path) -> None:
    logs = {policy: read_open_bandit(data_dir / "obd" / policy / "men") for policy in ("random", "bts")}
    for log in logs.values():
        assert log.decisions.height == 10_000 and log.decisions["item"].n_unique() == 34 and log.problems.bad == 0
        assert log.items.height == 34
    assert logs["random"].decisions["propensity"].unique().to_list() == [1 / 34], "uniform over 34 items"
    random, other = logs["random"].decisions, logs["bts"].decisions
    assert random["click"].mean() == pytest.approx(0.0046) and other["click"].mean() == pytest.approx(0.0069)


def test_movielens_100k_by_time(ml_100k: Reading) -> None:
    held = split(ml_100k.dataset, "temporal")
    assert 0.199 < 1 - held.train.n_events / 100_000 < 0.201
    assert len(held) == 109 and len(held.truth.items) == 2949
    assert held.notes[-1] == "192 users have no event before their truth and are not judged"


def test_the_check_of_movielens(ml_100k: Reading, ml_1m: Reading) -> None:
    found = check(ml_100k)
    assert found.numbers["time"]["first"].startswith("1997-09-20") and found.numbers["bots"]["users"] == 0
    assert found.numbers["per_user"]["quantiles"]["0"] == 20, "each user rated twenty films at least"
    assert found.numbers["text"]["share"] == 1.0
    assert check(ml_1m).numbers["unknown"]["items"] == {"unknown": 0, "events": 0, "idle": 177}
