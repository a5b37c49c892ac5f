"""A smaller release: what is taken, what is refused, and that what is written can be trusted."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.cli.main import main
from recloop.errors import ConflictError, DataError, SettingError
from recloop.loop import compress as module
from recloop.loop.compress import compress
from recloop.loop.plan import Plan
from recloop.loop.release import load
from recloop.loop.run import Run, run
from recloop.strategies.ease import Ease

TABLE = {
    "data": {"events": "events.csv"},
    "strategies": {"use": ["ease", "item-knn"]},
    "metrics": {"names": ["ndcg", "coverage"]},
    "policy": {"sources": ["ease", "item-knn"]},
    "compress": {"requests": 5, "max_loss": 0.2},
}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Plan, Run]:
    rng = np.random.default_rng(3)
    taste = rng.integers(0, 4, 150)
    user = np.repeat(np.arange(150), 20)
    item = (taste[user] * 30 + rng.zipf(1.4, len(user)) % 40) % 120
    times = rng.permutation(len(user)) * 3600 + 1_600_000_000
    pl.DataFrame({"user": user, "item": item, "time": times}).write_csv(tmp_path / "events.csv")
    plan = Plan.of(TABLE, tmp_path)
    return plan, run(plan)


def test_a_smaller_release_stands_beside_the_old_one(made: tuple[Plan, Run]) -> None:
    plan, done = made
    before = (done.release / "checksums.json").read_bytes()
    found = compress(plan, done.release, done.reading.dataset)
    assert found.folder == done.release.with_name("release-compressed")
    assert (done.release / "checksums.json").read_bytes() == before
    (ease,) = (row for row in found.strategies if row.name == "ease")
    assert ease.kept
    assert ease.bytes_before is not None
    assert ease.bytes_after is not None
    assert ease.bytes_before > 2 * ease.bytes_after
    assert ease.loss <= 0.2
    assert ease.loss == pytest.approx(1 - ease.after / ease.before)
    assert ease.low <= ease.after - ease.before <= ease.high
    assert min(ease.p50_before, ease.p50_after) > 0
    assert found.bytes_after < found.bytes_before
    assert found.trained_on_truth
    old, new = load(done.release), load(found.folder)
    assert (new.version, new.parent, new.name) == (old.version + 1, old.name, found.name)
    assert new.policies.keys() == old.policies.keys()
    assert new.data_fingerprint == old.data_fingerprint
    small = new.strategies["ease"]
    assert isinstance(small, Ease)
    histories = done.reading.dataset.histories()
    assert small.rank(histories, 5).items.shape == (150, 5)
    with pytest.raises(ConflictError, match="exists already"):
        compress(plan, done.release, done.reading.dataset)


def test_what_would_lose_too_much_stays_as_it_was(made: tuple[Plan, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    plan, done = made
    monkeypatch.setattr(Ease, "compressed", only_useless)
    found = compress(plan, done.release, done.reading.dataset)
    rows = {row.name: row for row in found.strategies}
    assert not rows["ease"].kept
    assert rows["ease"].tried == 1
    assert rows["ease"].loss > 0.2
    saved = [load(folder).strategies["ease"] for folder in (done.release, found.folder)]
    np.testing.assert_array_equal(saved[0]._weights, saved[1]._weights)  # type: ignore[attr-defined]


def only_useless(self: Ease, *_: object) -> Iterator[Ease]:
    yield self._with(useless(self))


def nothing(*_: object) -> Iterator[Ease]:
    yield from ()


def useless(strategy: Ease) -> dict[str, np.ndarray]:
    n = len(strategy._prior)
    nothing = {"data": np.zeros(0, np.float16), "indices": np.zeros(0, np.uint16), "indptr": np.zeros(n + 1, np.int32)}
    return {**nothing, "_prior": strategy._prior}


def test_nothing_is_written_where_nothing_may_be_lost(made: tuple[Plan, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    plan, done = made
    for kind in {type(strategy) for strategy in load(done.release).strategies.values()}:
        monkeypatch.setattr(kind, "compressed", nothing)
    with pytest.raises(ConflictError, match=r"nothing in the release '.*' becomes smaller for a loss of at most 20.0%"):
        compress(plan, done.release, done.reading.dataset)
    assert not done.release.with_name("release-compressed").exists()


def test_a_policy_that_would_lose_too_much_is_refused(made: tuple[Plan, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    plan, done = made
    policy = module._Judge.policy

    def worse(self: object, release: object, taken: object) -> object:
        row = policy(self, release, taken)  # type: ignore[arg-type]
        return module.Compressed(**{**vars(row), "loss": 0.5})

    monkeypatch.setattr(module._Judge, "policy", worse)
    with pytest.raises(ConflictError, match=r"'composed' would lose 50.00% of ndcg@10; at most 20.00% may be lost"):
        compress(plan, done.release, done.reading.dataset)
    assert not done.release.with_name("release-compressed").exists()


def test_where_the_policy_would_lose_too_much_what_saves_most_is_taken_first(
    made: tuple[Plan, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, done = made
    policy = module._Judge.policy
    asked: list[list[str]] = []

    def worse(self: object, release: object, taken: dict[str, object]) -> object:
        asked.append(sorted(taken))
        row = policy(self, release, taken)  # type: ignore[arg-type]
        return module.Compressed(**{**vars(row), "loss": 0.0 if len(taken) == 1 else 0.5})

    monkeypatch.setattr(module._Judge, "policy", worse)
    found = compress(plan, done.release, done.reading.dataset)
    rows = {row.name: row for row in found.strategies}
    saved = {name: rows[name].bytes_before - rows[name].bytes_after for name in asked[0]}
    most = max(saved, key=saved.__getitem__)
    assert len(asked[0]) > 1
    assert asked[1] == [most]
    assert all(most in names for names in asked[2:]), "each other one is tried beside it, and loses too much"
    assert len(asked) == 1 + len(asked[0])
    assert [name for name, row in rows.items() if row.kept] == [most]
    assert found.together == 0.5
    assert found.policy.loss == 0.0
    assert all(load(found.folder).strategies[name].form == "" for name in asked[0] if name != most)


def test_another_plan_other_data_and_strange_limits_are_refused(made: tuple[Plan, Run]) -> None:
    plan, done = made
    other = Plan.of({**TABLE, "strategies": {"use": ["ease"]}, "policy": {"sources": ["ease"]}}, plan.folder)
    with pytest.raises(SettingError, match="was made by another plan"):
        compress(other, done.release, done.reading.dataset)
    fewer = done.reading.dataset.with_events(done.reading.dataset.events[:-1])
    with pytest.raises(DataError, match="was made from other data"):
        compress(plan, done.release, fewer)
    with pytest.raises(SettingError, match=r"max_loss is 1\.5; it is a share"):
        compress(plan, done.release, done.reading.dataset, max_loss=1.5)
    aggregate = Plan.of({**TABLE, "metrics": {"names": ["coverage"]}}, plan.folder)
    made_again = run(aggregate)
    with pytest.raises(SettingError, match="the plan's first metric is coverage@10"):
        compress(aggregate, made_again.release, made_again.reading.dataset)


def test_the_command_prints_what_it_costs(
    made: tuple[Plan, Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, done = made
    monkeypatch.chdir(plan.folder)
    (plan.folder / "recloop.toml").write_text(
        """[data]
events = "events.csv"
[strategies]
use = ["ease", "item-knn"]
[metrics]
names = ["ndcg", "coverage"]
[policy]
sources = ["ease", "item-knn"]
[compress]
requests = 5
"""
    )
    with pytest.raises(SystemExit) as stop:
        main(["compress", str(done.release), "--max-loss", "0.2"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "p50 of" in said
    assert "at most 20.0% may be lost" in said
    assert "recloop releases promote" in said
    with pytest.raises(SystemExit) as stop:
        main(["compress", str(done.release), "--max-loss", "0.2", "--json", "--out", "small"])
    assert stop.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["metric"] == "ndcg@10"
    assert {row["name"] for row in document["strategies"]} >= {"ease", "item-knn"}
    with pytest.raises(SystemExit) as stop:
        main(["compress", "no-such-folder"])
    assert stop.value.code == 4
