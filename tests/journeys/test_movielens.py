"""From the raw files of MovieLens to a judged release, by the commands that a user types."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recloop.loop.release import load
from recloop.types import Event, Request

from .shell import COMMAND, QUIET

pytestmark = pytest.mark.data

LEARNERS = ("transitions", "item-knn", "ease", "ials", "content")
EVERY = ("random", "popular", *LEARNERS)
MEGABYTE = 10**6


def recloop(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command, environment = [*COMMAND, *map(str, words)], os.environ | QUIET
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done


def ask_for_ratings(plan: Path) -> None:
    """What a user adds to the plan to see errors of foretold ratings."""
    names = '["ndcg", "recall", "coverage", "diversity", "novelty", "popularity-lift", "gini", "rmse", "mae"]'
    text = plan.read_text()
    assert "k = [10, 20]" in text
    plan.write_text(re.sub(r"k = \[10, 20\].*", f"k = [10]\nnames = {names}", text))


@dataclass(frozen=True)
class Made:
    """A run of MovieLens-100k, and where it was made."""

    place: Path
    answer: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.place / self.answer["folder"]

    def value(self, strategy: str, metric: str) -> float:
        row = self.row(strategy, metric)
        return float(row["value"])

    def row(self, strategy: str, metric: str) -> dict[str, Any]:
        [row] = [
            row
            for row in self.answer["results"]["leaderboard"]
            if (row["strategy"], row["metric"]) == (strategy, metric)
        ]
        return row


@pytest.fixture(scope="module")
def made(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    raw = data_dir / "ml-100k" / "raw"
    if not raw.is_dir():
        pytest.skip(f"no MovieLens-100k at {raw}")
    place = tmp_path_factory.mktemp("ml-100k")
    recloop("init", raw / "u.data", "--items", raw / "u.item", "--users", raw / "u.user", folder=place)
    ask_for_ratings(place / "recloop.toml")
    said = recloop("run", "--dry-run", folder=place).stdout
    assert "Nothing was written" in said
    assert not (place / "runs").exists()
    return Made(place, json.loads(recloop("run", "--json", folder=place).stdout))


def test_the_folder_of_the_run_is_whole(made: Made) -> None:
    assert {path.name for path in made.folder.iterdir()} == {
        "plan.json",
        "run.json",
        "environment.json",
        "check.json",
        "evaluation.json",
        "metrics.parquet",
        "slates.parquet",
        "report.html",
        "release",
    }
    assert [path.name for path in made.folder.parent.iterdir()] == [made.answer["id"]]
    assert json.loads((made.folder / "evaluation.json").read_text()) == made.answer["results"]
    check = json.loads((made.folder / "check.json").read_text())
    assert (check["counts"]["events"], check["counts"]["users"], check["counts"]["items"]) == (100_000, 943, 1_682)


def test_everybody_is_on_the_leaderboard(made: Made) -> None:
    judged = set(made.answer["results"]["strategies"])
    missing = set(EVERY) - judged
    assert set(made.answer["left_out"]) == missing <= {"content"}, "only the encoder may be missing, with its reason"
    assert {"popular-7d", "composed"} <= judged
    split = made.answer["results"]["split"]
    assert (split["name"], split["items"]) == ("temporal", 1_682)
    assert split["users"] > 100
    assert made.answer["results"]["split"]["leaks"]


def test_every_learner_beats_random_beyond_doubt(made: Made) -> None:
    results = made.answer["results"]
    pairs = {
        frozenset((row["a"], row["b"])): row["separated"]
        for row in results["comparisons"]
        if row["metric"] == "ndcg@10"
    }
    for name in set(results["strategies"]) - {"random"}:
        assert made.value(name, "ndcg@10") > made.value("random", "ndcg@10")
        assert pairs[frozenset((name, "random"))], f"{name} cannot be told from random"


def test_figures_are_in_the_range_of_this_set(made: Made) -> None:
    assert made.value("popular-7d", "ndcg@10") > made.value("popular", "ndcg@10")
    assert made.value("composed", "ndcg@10") > 0.15
    assert made.value("ease", "ndcg@10") > 0.15
    assert made.value("random", "coverage@10") > made.value("popular", "coverage@10")
    assert made.value("popular", "popularity-lift@10") > 1
    for row in made.answer["results"]["leaderboard"]:
        if row["metric"] == "ndcg@10":
            assert row["low"] < row["value"] < row["high"]
            assert row["n"] == made.answer["results"]["split"]["users"]


def test_foretold_ratings_are_judged_where_a_strategy_foretells_them(made: Made) -> None:
    rated = {row["strategy"] for row in made.answer["results"]["leaderboard"] if row["metric"] == "rmse"}
    assert rated == {"item-knn"}
    assert 0.9 < made.value("item-knn", "rmse") < 1.05
    assert 0.65 < made.value("item-knn", "mae") < 0.85
    reasons = {row["reason"] for row in made.answer["results"]["skipped"] if row["metric"] == "rmse"}
    assert reasons == {"the strategy predicts no ratings: it has no predict(histories, items)"}


def test_slates_and_figures_of_each_user_are_kept(made: Made) -> None:
    users = made.answer["results"]["split"]["users"]
    slates = pl.read_parquet(made.folder / "slates.parquet")
    counts = slates.group_by("strategy", "user").len()
    assert counts.height == users * len(made.answer["results"]["strategies"])
    assert set(counts["len"]) == {10}
    per_user = pl.read_parquet(made.folder / "metrics.parquet")
    mean = per_user.filter(strategy="ease", metric="ndcg@10")["value"].mean()
    assert mean == pytest.approx(made.value("ease", "ndcg@10"))


def test_the_report_is_one_small_file_without_the_network(made: Made) -> None:
    text = (made.folder / "report.html").read_text()
    assert len(text.encode()) < 2 * MEGABYTE
    bare = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|src=[\"']?//|@import|<script[^>]+src|<link[^>]+href", bare)
    for name in made.answer["results"]["strategies"]:
        assert name in text
    assert "rmse" in text
    assert made.answer["plan_hash"] in text


def test_the_same_plan_is_not_computed_twice(made: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")}
    said = recloop("run", folder=made.place).stdout
    assert "reused" in said
    assert {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")} == before


def test_the_release_knows_films(made: Made) -> None:
    release = load(made.folder / "release")
    assert {"composed", "random", "popular"} <= set(release.policies)
    titles = dict(zip(release.items.ids, release.titles, strict=True))
    seen = [item for item, title in titles.items() if title in {"Star Wars (1977)", "Return of the Jedi (1983)"}]
    fan = Request(history=tuple(Event("fan", item, "rating", value=5.0) for item in seen), k=3)
    for name in ("ease", "item-knn"):
        [slate] = release.strategies[name].recommend([fan])
        assert "Empire Strikes Back, The (1980)" in {titles[item] for item in slate.ids}, name


@pytest.mark.slow
def test_movielens_1m_by_every_strategy(data_dir: Path, tmp_path: Path) -> None:
    """No timestamps in this copy, so that the guessed plan is leave-last-out; floors are those of its item sequences."""
    folder = data_dir / "ml-1m"
    files = ("init", folder / "ratings.parquet", "--items", folder / "movies.dat", "--users", folder / "users.dat")
    recloop(*files, folder=tmp_path)
    ask_for_ratings(tmp_path / "recloop.toml")
    made = Made(tmp_path, json.loads(recloop("run", "--json", folder=tmp_path).stdout))
    results = made.answer["results"]
    assert results["split"]["name"] == "leave-last-out"
    assert results["split"]["users"] == 6_040
    assert set(EVERY) - {"content"} <= set(results["strategies"])
    assert set(made.answer["left_out"]) <= {"content", "popular-7d"}
    floors = {"transitions": (0.2435, 0.1418), "ease": (0.1089, 0.0538), "popular": (0.0364, 0.0179)}
    for name, (recall, ndcg) in floors.items():
        assert made.value(name, "recall@10") == pytest.approx(recall, abs=0.01)
        assert made.value(name, "ndcg@10") == pytest.approx(ndcg, abs=0.005)
    assert made.row("composed", "ndcg@10")["low"] > made.row("transitions", "ndcg@10")["high"]
    assert made.value("item-knn", "rmse") < 0.95
