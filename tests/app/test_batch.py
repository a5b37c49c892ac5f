"""Slates in bulk are those of the service, whatever the blocks, and nothing is lost where a batch is cut off."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.batch import Batched, recommend_all
from recloop.app.engine import Engine
from recloop.app.log_histories import histories_of, log_of
from recloop.app.overrides import OverrideWish, add_override
from recloop.compose import SlateConfig, ThompsonConfig
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.errors import ConflictError, DataError, SettingError, StoreError
from recloop.loop.folder import only_one
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Event, Request


@pytest.fixture(scope="module")
def shop() -> Dataset:
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {
            "user": [f"u{n}" for n in rng.integers(0, 60, 900)],
            "item": [f"i{item}" for item in rng.integers(0, 40, 900)],
            "kind": rng.choice(["view", "click", "rating", "noise"], 900),
            "value": rng.integers(1, 6, 900).astype(float),
            "time": rng.integers(0, 200, 900).astype(float),  # with ties
        }
    )
    items = pl.DataFrame({"item": [f"i{n}" for n in range(40)], "available": [n != 3 for n in range(40)]})
    return Dataset.of(log, items, kinds=Kinds({"view": 0.5, "noise": 0.0}, minimum={"rating": 3}))


@pytest.fixture(scope="module")
def release(shop: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Release:
    arms = {name: SlateConfig(sources=[name], fallback="") for name in ("popular", "random")}
    folder = build_release(
        tmp_path_factory.mktemp("release") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "random": Random().fit(shop), "knn": ItemKNN().fit(shop)},
        policies={**arms, "bandit": ThompsonConfig(arms=arms), "knn": SlateConfig(sources=["knn"], fallback="popular")},
        default_policy="knn",
        created=0.0,
    )
    return load(folder)


@pytest.fixture(scope="module")
def log(shop: Dataset) -> pl.DataFrame:
    return log_of(shop)


def slates(file: Path) -> dict[str, list[str]]:
    table = pl.read_parquet(file)
    return {user: part["item"].to_list() for (user,), part in table.group_by("user", maintain_order=True)}


def test_slates_are_those_of_the_service(release: Release, log: pl.DataFrame, tmp_path: Path) -> None:
    done = recommend_all(release, log, tmp_path / "slates.parquet", k=7)
    rows = log.with_row_index().rows(named=True)
    with Store(tmp_path / "store.db", clock=lambda: 1000.0) as store:
        columns = ("user", "item", "kind", "time", "value")
        store.append_events([Event(*(row[name] for name in columns), id=str(row["index"])) for row in rows])
        engine = Engine(store, release, seed=1, clock=lambda: 199.0)
        users = sorted(set(log["user"]))
        assert slates(done.file) == {
            user: [one.item for one in engine.decide(Request(user=user, k=7)).items] for user in users
        }
    assert done == Batched(
        tmp_path / "slates.parquet", len(users), 7 * len(users), 0, 0, 1, 0, "knn", "one", float(log["time"].max())
    )
    table = pl.read_parquet(done.file)
    assert table["rank"].to_list()[:7] == [1, 2, 3, 4, 5, 6, 7]
    assert "i3" not in set(table["item"])
    assert not (tmp_path / ".slates.parquet.parts").exists()


def test_overrides_are_those_of_the_service(release: Release, log: pl.DataFrame, tmp_path: Path) -> None:
    rows = log.with_row_index().rows(named=True)
    wishes = [
        OverrideWish("pin", ["i7"], "week of the film", "eva", place=2),
        OverrideWish("pin", ["i8"], "for mails", "eva", place=1, surface="mail"),
        OverrideWish("hide", ["i9"], "for the young", "eva", segment={"profile.age": "young"}),
        OverrideWish("boost", ["i11"], "too many left", "eva", strength=0.8),
        OverrideWish("ban", ["i12"], "recalled", "eva"),
    ]
    with Store(tmp_path / "store.db", clock=lambda: 100.0) as store:
        columns = ("user", "item", "kind", "time", "value")
        store.append_events([Event(*(row[name] for name in columns), id=str(row["index"])) for row in rows])
        for wish in wishes:
            add_override(store, wish, release, now=100.0)
        engine = Engine(store, release, seed=1, clock=lambda: 199.0)
        engine.overrides.follow()
        held = [one for one in store.overrides.all() if one.meets("mail", {})]
        assert len(held) == 4, "the young are nobody here"
        made = slates(recommend_all(release, log, tmp_path / "slates.parquet", k=7, overrides=held).file)
        users = sorted(set(log["user"]))
        served = {
            user: [one.item for one in engine.decide(Request(user=user, k=7, surface="mail")).items] for user in users
        }
    assert made == served
    plain = slates(recommend_all(release, log, tmp_path / "plain.parquet", k=7).file)
    assert made != plain
    assert not any("i12" in slate for slate in made.values())
    assert any("i12" in slate for slate in plain.values())
    assert all(slate[0] == "i8" for user, slate in made.items() if "i8" not in set(log.filter(user=user)["item"]))


def test_histories_are_those_of_requests(release: Release, log: pl.DataFrame, monkeypatch) -> None:
    monkeypatch.setattr("recloop.app.log_histories.HISTORY", 5)
    users = ["u3", "stranger", "u1"]
    found = histories_of(log, users, release, 300.0)
    requests = []
    for user in users:
        mine = log.filter(user=user).sort("time", maintain_order=True).tail(5)
        events = tuple(Event(**row) for row in mine.rows(named=True))
        requests.append(Request(user=user, history=events, time=300.0))
    wanted = Histories.from_requests(requests, release.items, release.kinds)
    for name in ("indptr", "items", "weights", "times", "ratings", "now", "keys"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
        assert getattr(found, name).dtype == getattr(wanted, name).dtype


@pytest.mark.parametrize("policy", ["knn", "random", "bandit"])
def test_blocks_and_time_change_nothing(release: Release, log: pl.DataFrame, tmp_path: Path, policy: str) -> None:
    files = []
    for block in (7, 60, 1000):
        done = recommend_all(release, log, tmp_path / f"{block}.parquet", policy=policy, block=block, seed=4)
        files.append(pl.read_parquet(done.file))
    assert files[0].equals(files[1])
    assert files[0].equals(files[2])
    if policy == "bandit":
        other = recommend_all(release, log, tmp_path / "other.parquet", policy=policy, seed=5)
        assert not pl.read_parquet(other.file).equals(files[0])
        assert set(files[0]["arm"]) == {"popular", "random"}


class Cut:
    """Progress that stops the work after some users."""

    def __init__(self, after: int) -> None:
        self.left = after

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[object]:
        def advance(amount: float) -> None:
            self.left -= int(amount)
            if self.left <= 0:
                raise KeyboardInterrupt

        yield advance

    def note(self, text: str) -> None: ...

    def validated(self, value: float) -> None: ...


def test_a_batch_that_was_cut_off_goes_on(release: Release, log: pl.DataFrame, tmp_path: Path) -> None:
    target = tmp_path / "slates.parquet"
    target.write_text("what was there")
    with pytest.raises(KeyboardInterrupt):
        recommend_all(release, log, target, policy="bandit", block=10, progress=Cut(25))
    assert target.read_text() == "what was there"
    done = recommend_all(release, log, target, policy="bandit", block=10)
    assert (done.resumed, done.blocks) == (3, 6)
    whole = recommend_all(release, log, tmp_path / "whole.parquet", policy="bandit")
    assert pl.read_parquet(target).equals(pl.read_parquet(whole.file))
    assert (done.rows, done.empty, done.fallbacks) == (whole.rows, whole.empty, whole.fallbacks)


@pytest.mark.parametrize("change", [{"k": 3}, {"seed": 1}, {"policy": "popular"}, {"users": ["u1", "u2"]}, {"log": 1}])
def test_other_settings_or_data_begin_anew(
    release: Release, log: pl.DataFrame, tmp_path: Path, change: dict[str, object]
) -> None:
    target = tmp_path / "slates.parquet"
    with pytest.raises(KeyboardInterrupt):
        recommend_all(release, log, target, policy="bandit", block=10, progress=Cut(25))
    settings = {"policy": "bandit", "block": 10} | change
    log = log.filter(pl.col("time") > 5) if settings.pop("log", None) else log
    done = recommend_all(release, log, target, **settings)
    assert done.resumed == 0
    fresh = recommend_all(release, log, tmp_path / "fresh.parquet", **settings)
    assert pl.read_parquet(target).equals(pl.read_parquet(fresh.file))


def test_users_that_are_listed(release: Release, log: pl.DataFrame, tmp_path: Path) -> None:
    done = recommend_all(release, log, tmp_path / "some.parquet", users=["u9", "stranger", "u1", "u9"], k=3)
    assert list(slates(done.file)) == ["u9", "stranger", "u1"]
    assert (done.users, done.rows) == (3, 9)


def test_a_catalogue_that_is_used_up(release: Release, log: pl.DataFrame, tmp_path: Path) -> None:
    everything = pl.DataFrame(
        {"user": "u", "item": [f"i{n}" for n in range(40)], "kind": "click", "value": None, "time": 5.0},
        schema_overrides={"value": pl.Float64},
    )
    done = recommend_all(release, everything, tmp_path / "none.parquet", k=500)
    assert (done.users, done.rows, done.empty) == (1, 0, 1)
    assert pl.read_parquet(done.file).height == 0


def test_what_is_refused(release: Release, log: pl.DataFrame, tmp_path: Path) -> None:
    target = tmp_path / "slates.parquet"
    with pytest.raises(SettingError, match="k is 0; k must be at least 1"):
        recommend_all(release, log, target, k=0)
    with pytest.raises(SettingError, match=r"has no policy 'kn'. Did you mean 'knn'\?"):
        recommend_all(release, log, target, policy="kn")
    with pytest.raises(DataError, match="there is no user to recommend to"):
        recommend_all(release, log.head(0), target)
    with (
        only_one(tmp_path / ".slates.parquet.parts", "a batch"),
        pytest.raises(ConflictError, match="a batch is at work in"),
    ):
        recommend_all(release, log, target)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a part of the path is no folder"):
        recommend_all(release, log, tmp_path / "file" / "slates.parquet")
    assert not target.exists()
