"""`recloop compose tune` from the outside, and the policy it finds run, released and loaded."""

import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.cli.main import main
from recloop.data.histories import Histories
from recloop.loop.release import load

pytest.importorskip("optuna")

PLAN = """\
[data]
events = "events.csv"
items = "items.csv"

[split]
test_fraction = 0.3

[strategies]
use = ["ease", "transitions"]

[metrics]
names = ["ndcg", "coverage", "novelty"]
k = [5]

[policy]
candidates = 20  # the shop is small

[run]
refit = false
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(3)
    n = 250
    taste = rng.integers(0, 3, n)
    user = np.repeat(np.arange(n), 16)
    item = (taste[user] * 10 + rng.integers(0, 12, len(user))) % 30
    times = rng.permutation(len(user)) * 3600 + 1_600_000_000
    pl.DataFrame({"user": user, "item": item, "time": times}).write_csv(tmp_path / "events.csv")
    pl.DataFrame(
        {"item": range(30), "category": [("cups", "lamps", "hats")[one // 10] for one in range(30)]}
    ).write_csv(tmp_path / "items.csv")
    (tmp_path / "recloop.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "recloop.toml"


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


SEARCH = ("compose", "tune", "--metric", "ndcg", "--metric", "novelty", "--weigh", "novelty", "--trials", "14")


def test_found_written_run_and_served(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        leave(
            *SEARCH,
            "--write",
            "tuned.toml",
            "--take",
            "balanced",
            "--guard",
            "ndcg@5>=80%",
            "--guard",
            "coverage@5>=0.1",
            "--guard",
            "new>=0.01",
            "--json",
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    folder = Path(found["folder"])
    assert found["aims"] == ["ndcg@5", "novelty@5"]
    assert len(found["trials"]) == 14
    assert found["guards"] == ["ndcg@5 at least 80% of the baseline's", "coverage@5 at least 0.1", "new at least 0.01"]
    assert all(set(trial["values"]) == {"ndcg@5", "novelty@5", "coverage@5", "new"} for trial in found["trials"])
    assert {path.name for path in folder.iterdir()} >= {"front.json", "front.parquet", "front.svg", "front.html"}
    assert (folder / "front.svg").read_text().startswith("<svg")
    page = (folder / "front.html").read_text()
    assert "Which to take" in page
    assert "The test events of the plan were not looked at." in page
    for pick in found["picks"]:
        assert set(pick["confirmed"]) == {*found["aims"], "coverage@5", "new"}
        assert {one["strategy"] for one in pick["against"]} >= {"ease", "transitions"}
        assert tomllib.loads((folder / f"policy-{pick['name']}.toml").read_text())["policy"]["sources"]
    tuned = tomllib.loads(Path("tuned.toml").read_text())["policy"]
    chosen = next(pick for pick in found["picks"] if "balanced" in pick["name"])
    assert tuned["sources"] == chosen["policy"]["sources"]

    # the same command goes on where it was
    guards = ("--guard", "ndcg@5>=80%", "--guard", "coverage@5>=0.1", "--guard", "new>=0.01")
    assert leave(*SEARCH, *guards, "--json") == 0
    assert json.loads(capsys.readouterr().out)["trials"] == found["trials"]

    # a run of the plan learns the objectives anew, and its release holds them
    Path("tuned.toml").write_text(
        Path("tuned.toml").read_text().split("[policy]")[0]
        + '[policy]\nsources = ["ease", "transitions"]\ncandidates = 20\n[policy.objectives]\nweights = {novelty = 0.5}\n'
        + 'constraints = [{of = "new", at_least = 0.15}]\n'
    )
    assert leave("run", "tuned.toml", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    header = json.loads((Path(answer["folder"]) / "run.json").read_text())
    assert header["constraints"][0].startswith("new at least 0.15: met")
    release = load(Path(answer["folder"]) / "release")
    assert release.objectives is not None
    shown = release.policy().rank(Histories.of([[1, 2], []], n_items=30), 5)
    assert (shown.items >= 0).all()


def test_people_read_a_table(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(*SEARCH[:-1], "8") == 0
    said = capsys.readouterr().out
    assert "of 8 policies are beaten by no other" in said
    assert "on other users, 95% interval" in said
    assert "front.html" in said


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--guard", "ndcg"), 2, "'ndcg' is no guardrail"),
        (("--guard", "recal@5>=1"), 2, "the guardrail is on 'recal@5'"),
        (("--guard", "rmse>=1"), 2, "policies are not judged by rmse"),
        (("--guard", "margin>=98%"), 2, "the objective 'margin' needs the column 'margin' of the catalogue"),
        (("--weigh", "novel"), 2, "there is no objective 'novel' to weigh"),
        (("--source", "eese"), 2, "'eese' is no trained strategy of the plan"),
        (("--metric", "rmse"), 2, "policies are not judged by rmse"),
        (("--write", "recloop.toml"), 5, "recloop.toml is there already"),
    ],
)
def test_what_is_refused(
    plan: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    assert leave(*SEARCH[:6], "--trials", "3", *words) == code
    assert message in capsys.readouterr().err
