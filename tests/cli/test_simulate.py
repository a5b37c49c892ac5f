"""``recloop simulate``: a labelled comparison, a report, and errors that say the way out."""

import json
from pathlib import Path

import pytest

from recloop.cli.main import main
from recloop.testing.strategy import small_shop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shop = small_shop(users=120, items=30, length=8)
    events = shop.events.select("kind", "time").with_columns(
        user=shop.user_ids.array[shop.events["user"].to_numpy()].astype(str),
        item=shop.item_ids.array[shop.events["item"].to_numpy()].astype(str),
    )
    events.write_csv(tmp_path / "events.csv")
    (tmp_path / "recloop.toml").write_text('[data]\nevents = "events.csv"\n[simulate]\nfactors = 8\nvisits = 1.0\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *words])
    return int(ended.value.code or 0)


def test_the_whole_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("recloop.toml", "--strategy", "ials", "--days", "3", "--users", "50", "--k", "5")
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulation"] is True
    assert {line["policy"] for line in found["lines"]} == {"none", "random", "popular", "ials"}
    assert {one["name"] for one in found["fidelity"]} >= {"popularity", "history length", "held-out likelihood"}
    assert any("Attention falls" in note for note in found["notes"])
    page = (folder / "simulation.html").read_text()
    assert "No user saw these slates" in page
    assert "<script" not in page
    assert run(*words) == 0
    said = capsys.readouterr().out
    assert said.startswith("simulation 50 users, 3 days; no user saw these slates")
    assert "popular baseline" in said
    assert run("events.csv", "--days", "1", "--users", "20", "--html", "other.html", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["days"] == 1
    assert (folder / "other.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--baseline", "populer"), "the baseline is 'populer'. Did you mean 'popular'?"),
        (("--policy", "p"), "the policy 'p' is of no release; name its folder with --release."),
        (("--strategy", "eese"), "there is no strategy 'eese'. Did you mean 'ease'?"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert folder.exists()
    assert run("recloop.toml", *words) in {2, 4}
    assert sentence in capsys.readouterr().err


def test_a_misspelt_knob_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = folder / "recloop.toml"
    plan.write_text(plan.read_text().replace("factors", "factor"))
    assert run("recloop.toml") == 2
    assert "[simulate] has no setting 'factor'. Did you mean 'factors'?" in capsys.readouterr().err
