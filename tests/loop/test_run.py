import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.errors import ArtifactError, ConflictError, DataError, MissingError, StoreError
from recloop.loop.plan import Plan
from recloop.loop.release import load, verify
from recloop.loop.run import Run, run
from recloop.strategies.ease import Ease

FILES = {
    "plan.json",
    "run.json",
    "environment.json",
    "check.json",
    "evaluation.json",
    "metrics.parquet",
    "slates.parquet",
    "release",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


class Watching:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.notes: list[str] = []

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Any:
        self.tasks.append(description)
        yield lambda _amount: None

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_from_files_to_a_release(plan: Plan) -> None:
    watching = Watching()

    def write_report(done: Run, folder: Path) -> None:
        (folder / "report.html").write_text(f"{len(done.results['leaderboard'])} figures")

    made = run(plan, progress=watching, write_report=write_report, clock=lambda: 1_700_000_000.0)
    assert names(made.folder) == FILES | {"report.html"}
    assert made.folder.parent == plan.out
    assert made.report.read_text() == "24 figures"
    assert not made.reused
    assert {"Read", "Train"} <= set(watching.tasks)

    # one leaderboard for single strategies and the policy composed of them
    board = {(row["strategy"], row["metric"]): row["value"] for row in made.results["leaderboard"]}
    assert {name for name, _ in board} == {"random", "popular", "popular-7d", "ease", "transitions", "composed"}
    assert board["ease", "ndcg@5"] > board["random", "ndcg@5"]
    assert board["composed", "ndcg@5"] > board["random", "ndcg@5"]
    assert json.loads((made.folder / "evaluation.json").read_text()) == json.loads(json.dumps(made.results))
    per_user = pl.read_parquet(made.folder / "metrics.parquet")
    mean = per_user.filter(pl.col("strategy") == "composed", pl.col("metric") == "recall@5")["value"].mean()
    assert mean == pytest.approx(board["composed", "recall@5"])
    slates = pl.read_parquet(made.folder / "slates.parquet")
    assert slates.group_by("strategy", "user").len()["len"].max() == 5

    header = json.loads((made.folder / "run.json").read_text())
    assert header["id"] == made.id == f"{plan.hash[:8]}-{made.data_fingerprint[:8]}"
    assert header["created"] == 1_700_000_000.0
    assert Plan.of(json.loads((made.folder / "plan.json").read_text())).hash == plan.hash == made.plan_hash
    environment = json.loads((made.folder / "environment.json").read_text())
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["seed"] == 0

    release = load(made.release)
    assert (release.version, release.parent, release.name) == (1, "", f"1-{made.id}")
    assert release.plan_hash == plan.hash
    assert release.data_fingerprint == made.data_fingerprint
    assert list(release.policies) == ["composed", "random", "popular", "popular-7d", "ease", "transitions"]
    assert release.titles[:2] == ("i00", "thing 1")


def test_the_release_is_trained_on_the_whole_log(plan: Plan, table: dict[str, Any]) -> None:
    made = run(plan)
    dataset = made.reading.dataset
    histories = dataset.histories()
    served = load(made.release).strategies["ease"].score(histories)
    np.testing.assert_allclose(served, Ease(reg=10.0).fit(dataset).score(histories), rtol=1e-5)
    part = run(Plan.of(table | {"run": {"refit": False}}, plan.folder))
    train = plan.splitter(dataset).train
    judged = load(part.release).strategies["ease"].score(histories)
    np.testing.assert_allclose(judged, Ease(reg=10.0).fit(train).score(histories), rtol=1e-5)


def test_the_same_plan_on_the_same_data_is_not_computed_twice(plan: Plan) -> None:
    first = run(plan)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    watching = Watching()
    again = run(plan, progress=watching)
    assert again.reused
    assert again.folder == first.folder
    assert again.results == json.loads(json.dumps(first.results))
    assert watching.notes[-1] == f"The same plan ran on the same data before: reusing {first.folder}"
    assert "Train" not in watching.tasks
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before


def test_other_data_or_another_plan_is_another_run(plan: Plan, table: dict[str, Any]) -> None:
    first = run(plan)
    with (plan.folder / "events.csv").open("a") as file:
        file.write("u1,i03,1700000000\n")
    second = run(plan)
    third = run(Plan.of(table | {"policy": {"diversity": 0.5}}, plan.folder))
    assert len({first.folder, second.folder, third.folder}) == 3
    assert not second.reused
    assert [load(one.release).version for one in (first, second, third)] == [1, 2, 3]
    assert load(third.release).parent == f"2-{second.id}"


def test_two_runs_of_one_plan_are_equal(plan: Plan, tmp_path: Path, table: dict[str, Any]) -> None:
    first = run(plan)
    second = run(Plan.of(table | {"run": {"out": str(tmp_path / "elsewhere")}}, plan.folder))
    assert second.folder != first.folder
    assert not second.reused
    for name in ("metrics.parquet", "slates.parquet"):
        assert pl.read_parquet(first.folder / name).equals(pl.read_parquet(second.folder / name))


def test_a_dry_run_writes_nothing(plan: Plan) -> None:
    before = names(plan.folder)
    made = run(plan, dry_run=True)
    assert names(plan.folder) == before
    assert made.results == {}
    assert made.check.numbers["counts"]["events"] == 1200
    assert run(plan).id == made.id


def test_a_plan_that_asks_for_nothing_takes_what_the_data_can_feed(shop: Path) -> None:
    pl.read_csv(shop / "events.csv").drop("time").write_csv(shop / "log.csv")
    made = run(
        Plan.of(
            {"data": {"events": "log.csv"}, "split": {"name": "leave-last-out"}, "metrics": {"names": ["ndcg"]}}, shop
        )
    )
    assert dict(made.left_out) == {"content": "the catalogue has no texts", "popular-7d": "the events have no times"}
    policy = load(made.release).policies["composed"].config
    assert set(policy.sources) <= {"ease", "graph", "ials", "item-knn", "transitions", "popular"}
    assert max(policy.sources.values()) == 1.0  # the best on validation; the others weigh their merit


def test_a_strategy_asked_for_by_name_is_not_left_out(shop: Path) -> None:
    plan = Plan.of({"data": {"events": "events.csv"}, "strategies": {"use": ["content"]}}, shop)
    with pytest.raises(DataError, match="has a text"):
        run(plan)
    assert names(plan.out) == set()


def test_figures_of_a_language_model_that_did_not_answer_say_so(
    shop: Path, table: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    away = {"base": "ease", "model": "away", "url": "http://127.0.0.1:9/v1", "retries": 0}
    table = table | {"strategies": {"use": ["ease", "llm-rerank"], "llm-rerank": away}}
    watching = Watching()
    made = run(Plan.of(table, shop), progress=watching)
    (said,) = [note for note in watching.notes if note.startswith("llm-rerank: ")]
    assert "histories kept the order of 'ease' (" in said
    assert "unreachable" in said
    assert said in made.results["split"]["notes"]


def test_thompson_in_a_run(shop: Path, table: dict[str, Any]) -> None:
    arms = {"one": {"sources": ["ease"]}, "two": {"sources": ["ease", "transitions"], "diversity": 0.3}}
    made = run(Plan.of(table | {"policy": {"kind": "thompson", "arms": arms}}, shop))
    assert load(made.release).policies["composed"].arms == ("one", "two")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken"), OSError(28, "No space left on device")])
def test_an_error_in_the_middle_leaves_nothing(plan: Plan, error: BaseException) -> None:
    def write_report(done: Run, folder: Path) -> None:
        assert names(folder) == FILES
        raise error

    expected = StoreError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        run(plan, write_report=write_report)
    assert names(plan.out) == set()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_run(plan: Plan, table: dict[str, Any], how: signal.Signals) -> None:
    code = """
import sys, time, json
from pathlib import Path
from recloop.loop.plan import Plan
from recloop.loop.run import run
def wait(done, folder):
    print("writing", flush=True)
    time.sleep(60)
run(Plan.of(json.loads(sys.argv[1]), Path(sys.argv[2])), write_report=wait)
"""
    arguments = [sys.executable, "-c", code, json.dumps(table), str(plan.folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, how)
        process.wait(timeout=20)
    drafts = names(plan.out)
    assert all(name.startswith(".") for name in drafts)
    assert len(drafts) == (0 if how == signal.SIGINT else 1)
    made = run(plan)  # the draft of a process that is gone is swept away
    assert names(plan.out) == {made.folder.name}


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Any:
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a tmpfs is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_but_a_clear_error(plan: Plan, tiny_disk: Path, table: dict[str, Any]) -> None:
    (tiny_disk / "mine.txt").write_text("kept")
    full = Plan.of(table | {"run": {"out": str(tiny_disk)}}, plan.folder)
    with pytest.raises(StoreError) as caught:
        run(full)
    assert str(caught.value).endswith(
        "cannot be written: the disk is full; nothing was left behind; free some space, or choose another folder."
    )
    assert caught.value.exit_code == 7
    assert names(tiny_disk) == {"mine.txt"}
    assert (tiny_disk / "mine.txt").read_text() == "kept"


def test_parquet_on_a_full_disk(plan: Plan, tiny_disk: Path) -> None:
    def fill(done: Run, folder: Path) -> None:
        done.evaluation.write(tiny_disk)  # type: ignore[union-attr]
        big = pl.DataFrame({"x": np.random.default_rng(0).random(200_000)})
        big.write_parquet(tiny_disk / "big.parquet")

    with pytest.raises(StoreError, match="the disk is full"):
        run(plan, write_report=fill)
    assert names(plan.out) == set()


def test_a_damaged_run_is_not_reused(plan: Plan) -> None:
    made = run(plan)
    (made.folder / "evaluation.json").write_text('{"half')
    with pytest.raises(ArtifactError) as caught:
        run(plan)
    assert str(caught.value).startswith(f"the run {made.folder} is damaged (")
    assert str(caught.value).endswith("remove the folder, and run again.")
    header = made.folder / "run.json"
    shutil.rmtree(made.folder)
    made = run(plan)
    header.write_text(json.dumps(json.loads(header.read_text()) | {"plan_hash": "0" * 64}))
    with pytest.raises(ConflictError, match="belongs to another plan"):
        run(plan)


def test_missing_data(shop: Path) -> None:
    with pytest.raises(MissingError, match=r"event\.csv"):
        run(Plan.of({"data": {"events": "event.csv"}}, shop))


def test_the_plan_may_be_a_path(shop: Path) -> None:
    path = shop / "recloop.toml"
    path.write_text('[data]\nevents = "events.csv"\n[strategies]\nuse = ["popular"]\n[metrics]\nnames = ["ndcg@3"]\n')
    made = run(path)
    assert made.folder.parent == shop / "runs"
    assert load(made.release).policies["composed"].config.sources == {"popular": 1.0}


def test_tiny_logs(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\na,x,1\nb,y,2\na,y,3\nb,x,4\na,z,5\n")
    plan = Plan.of({"data": {"events": "log.csv"}, "metrics": {"k": [2]}, "policy": {"diversity": 0.5}}, tmp_path)
    made = run(plan)
    assert made.results["split"]["users"] == 1
    release = load(made.release)
    from recloop.data.histories import Histories

    choices = release.policy().choose({}, Histories.of([[0]], n_items=3), 10, np.random.default_rng(0))
    assert sorted(choices.rankings.items[0, :2].tolist()) == [1, 2]


@pytest.mark.data
def test_movielens_100k(data_dir: Path, tmp_path: Path) -> None:
    raw = data_dir / "ml-100k" / "raw"
    table = {
        "data": {
            "events": str(raw / "u.data"),
            "items": str(raw / "u.item"),
            "users": str(raw / "u.user"),
            "kinds": {"minimum": {"rating": 4}},
        },
        "strategies": {"use": ["popular", "transitions", "item-knn", "ease", "ials"]},
        "policy": {"diversity": 0.1},
    }
    start = time.process_time()
    made = run(Plan.of(table, tmp_path))
    assert time.process_time() - start < 30
    board = {(row["strategy"], row["metric"]): row for row in made.results["leaderboard"]}
    for name in ("popular", "transitions", "item-knn", "ease", "ials", "composed"):
        assert board[name, "ndcg@10"]["value"] > 3 * board["random", "ndcg@10"]["value"]
        assert board[name, "ndcg@10"]["low"] > board["random", "ndcg@10"]["high"]
    assert made.check.numbers["counts"]["events"] == 100_000
    verify(made.release)
    assert isinstance(made.reading.dataset, Dataset)
    assert "Toy Story (1995)" in load(made.release).titles
