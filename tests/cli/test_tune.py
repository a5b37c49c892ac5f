"""`recloop tune` from the outside: what is printed, written and refused."""

import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.cli.main import main

pytest.importorskip("optuna")

PLAN = """\
[data]
events = "events.csv"

[split]
test_fraction = 0.3

[strategies]
use = ["ease", "transitions"]

[strategies.ease]
reg = 500.0  # ridge penalty

[metrics]
names = ["ndcg", "coverage"]
k = [5, 10]

[tune.ease]
reg = {low = 1, high = 5000, log = true}
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(3)
    taste = rng.integers(0, 3, 80)
    user = np.repeat(np.arange(80), 15)
    item = (taste[user] * 10 + rng.integers(0, 12, len(user))) % 30
    times = rng.permutation(len(user)) * 3600 + 1_600_000_000
    pl.DataFrame({"user": user, "item": item, "time": times}).write_csv(tmp_path / "events.csv")
    (tmp_path / "recloop.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "recloop.toml"


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["tune", *arguments])
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_a_search_prints_writes_and_goes_on(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--trials", "3", "--write", "tuned.toml") == 0
    said = capsys.readouterr().out
    (folder,) = plan.parent.glob("tune/ease-*")
    assert "The test events of the plan were not looked at." in said
    assert f"settings: tune/{folder.name}/settings.toml" in said
    assert "Next: recloop run tuned.toml" in said
    found = json.loads((folder / "tune.json").read_text())
    snippet = tomllib.loads((folder / "settings.toml").read_text())
    assert snippet == {"strategies": {"ease": {"reg": found["best"]["settings"]["reg"]}}}
    tuned = (plan.parent / "tuned.toml").read_text()
    assert tuned == PLAN.replace("500.0", str(snippet["strategies"]["ease"]["reg"]))
    assert "  # ridge penalty" in tuned
    assert leave("--trials", "4", "--json") == 0
    (again,) = json.loads(capsys.readouterr().out)["searches"]
    assert again["trials"][:3] == found["trials"]
    assert len(again["trials"]) == 4


def test_several_metrics_give_a_front(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--trials", "4", "--metric", "ndcg@5", "--metric", "coverage", "--strategy", "ease") == 0
    said = capsys.readouterr().out
    assert "no other trial beats these" in said
    assert "coverage@5" in said
    assert len(list(plan.parent.glob("tune/ease-*"))) == 1


def test_the_page_is_whole(plan: Path) -> None:
    assert leave("--trials", "3", "--strategy", "transitions") == 0
    (page,) = plan.parent.glob("tune/transitions-*/tune.html")
    text = page.read_text()
    assert text.count("<svg") == 5, "the course, and one for each of four settings"
    assert "<h1>Settings of transitions</h1>" in text
    assert "http://www.w3.org/2000/svg" in text
    assert "script" not in text


REFUSED = [
    (["--strategy", "eese"], 2, "the plan has no strategy 'eese'. Did you mean 'ease'? Valid: ease, popular"),
    (["--metric", "ncdg@5"], 2, "there is no metric 'ncdg'. Did you mean 'ndcg'?"),
    (["--metric", "rmse"], 2, "strategy 'ease' has no rmse: it foretells no ratings; judge it by ndcg@10."),
    (["--timeout", "soon"], 2, "'soon' is no time span. It must be a number with a unit: 90s, 10m, 2h, 1d."),
    (["--trials", "0"], 2, "0 is not in the range x>=1"),
    (["--write", "recloop.toml"], 5, "recloop.toml is there already; name another file, or add --force."),
    (["--write", "elsewhere/a.toml"], 2, "elsewhere/a.toml is in another folder than recloop.toml; the paths in a"),
    (["nowhere.toml"], 4, "there is no plan at nowhere.toml; make one with: recloop init EVENTS."),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), REFUSED, ids=[" ".join(a) for a, _, _ in REFUSED])
def test_bad_input(
    plan: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    assert leave(*arguments) == code
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not list(plan.parent.glob("tune/*/study.log")), "refused before the search"


def test_a_plan_is_replaced_where_asked(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--trials", "2", "--write", "recloop.toml", "--force", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["plan"] == "recloop.toml"
    assert tomllib.loads(plan.read_text())["strategies"]["ease"] == done["searches"][0]["best"]["settings"]


def test_a_plan_that_cannot_be_changed_is_refused_before_the_search(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PLAN.replace("[strategies.ease]\nreg = 500.0  # ridge penalty\n", "ease.reg = 500.0\n")
    plan.write_text(text)
    assert leave("--write", "tuned.toml") == 5
    assert "cannot be changed line by line" in capsys.readouterr().err
    assert not (plan.parent / "tune").exists()


def test_a_missing_package_names_the_extra(
    plan: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert leave("--json") == 6
    message = json.loads(capsys.readouterr().err)["error"]["message"]
    assert message == "recloop tune needs the extra 'tune', which is not installed; pip install 'recloop[tune]'."


def test_durations() -> None:
    from recloop.cli.tune import seconds

    assert [seconds(None, None, words) for words in ("90s", "10m", "1.5h", "2d", "7", None)] == [  # type: ignore[arg-type]
        90.0,
        600.0,
        5400.0,
        172800.0,
        7.0,
        None,
    ]


def test_a_strategy_whose_package_is_missing_is_left_out_unless_it_is_named(
    plan: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.errors import ExtraError
    from recloop.strategies import available

    def missing(*_: object) -> None:
        raise ExtraError.of("this strategy", "lm")

    searched = {"ease", "transitions"}
    for name, kind in available().items():
        if name != "transitions":
            monkeypatch.setattr(kind, "_fit", missing)
    data, _, rest = PLAN.partition("[strategies]")
    metrics = "[metrics]" + rest.partition("[metrics]")[2].partition("[tune.ease]")[0]
    plan.write_text(data + metrics)
    assert leave("--trials", "2", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert [found["name"] for found in done["searches"]] == ["transitions"]
    assert done["left_out"]["ease"].endswith("pip install 'recloop[lm]'.")
    assert searched <= {*done["left_out"], "transitions"}
    assert leave("--trials", "2") == 0
    assert "pip install 'recloop[lm]'" in capsys.readouterr().out, "brackets are letters, not colours"
    assert leave("--strategy", "ease") == 6
