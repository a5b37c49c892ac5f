"""``recloop evaluate``: files and stores, for people and programs, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.cli.main import main
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    done = rng.random(2000) < 0.5
    table = pl.DataFrame(
        {
            "action": np.where(done, "[b]", "a"),
            "reward": (rng.random(2000) < 0.1 + 0.2 * done) * 1.0,
            "propensity": np.full(2000, 0.5),
            "target_new": np.where(done, 0.9, 0.1),
        }
    )
    table.write_parquet(tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


def test_a_file_in_the_terminal_and_as_a_page(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "judged.html"
    assert (
        run("evaluate", "--off-policy", str(log), "--policy", "new", "--policy", "always:[b]", "--page", str(page)) == 0
    )
    said = capsys.readouterr().out
    assert "2,000 rounds of 2,000 users" in said
    assert "always:[b] would have earned 0.3" in said
    assert "better" in said
    assert "Every estimator" in page.read_text()
    assert run("evaluate", "--off-policy", str(log), "--page", str(tmp_path / "judged.svg")) == 0
    assert (tmp_path / "judged.svg").read_text().startswith("<svg")


def test_one_document(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "--off-policy", str(log), "--estimator", "ips", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (new,) = told["policies"]
    assert (new["policy"], new["estimator"], told["concludes"]) == ("new", "ips", {"new": True})
    assert new["low"] < 0.28 < new["high"]
    assert new["missing"] is None  # only the chances of what was logged are known


def test_what_is_refused(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "--off-policy", str(log), "--policy", "nwe") == 2
    assert "there is no policy 'nwe'" in capsys.readouterr().err
    assert run("evaluate", "--off-policy", str(tmp_path / "gone.csv")) == 4
    assert run("evaluate", "--off-policy", str(log), "--page", "judged.pdf") == 2
    assert "the page is judged.pdf; a file that ends in .html or .svg" in capsys.readouterr().err.replace("\n", " ")


def test_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    with Store(tmp_path / "store.db") as store:
        arms = ["a" if draw else "b" for draw in rng.random(400) < 0.5]
        store.append_decisions(
            [Decision(f"d{n}", f"u{n}", 100.0 + n, (SlateItem("tea", 1.0),), "bandit", arm=arm, propensity=0.5,
                      allocation={"a": 0.5, "b": 0.5}) for n, arm in enumerate(arms)]
        )  # fmt: skip
        store.append_events([Event(f"u{n}", "tea", "click", 101.0 + n, id=f"e{n}", decision=f"d{n}")
                             for n, arm in enumerate(arms) if rng.random() < (0.6 if arm == "a" else 0.2)])  # fmt: skip
    assert run("evaluate", "--off-policy", str(tmp_path / "store.db"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["policy"] for one in told["policies"]] == ["always:a", "uniform", "always:b"]
    assert told["source"].startswith("400 slates of policy bandit")
    assert all(one["anytime"] for one in told["policies"])
