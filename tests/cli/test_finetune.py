"""`recloop finetune` from the outside."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("transformers", reason="needs the extra lm")
pytest.importorskip("openvino", reason="needs the extra text")

from recloop.cli.main import main
from recloop.language import load_encoder


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path) -> Path:
    rng = np.random.default_rng(3)
    user = np.repeat(np.arange(30), 6)
    item = (user % 3) * 4 + rng.integers(0, 4, len(user))
    times = rng.permutation(len(user)) * 3600 + 1_600_000_000
    pl.DataFrame({"user": user, "item": item, "time": times}).write_csv(tmp_path / "events.csv")
    titles = [f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("shoe", "lamp", "book", "song")]
    pl.DataFrame({"item": np.arange(12), "title": titles}).write_csv(tmp_path / "items.csv")
    (tmp_path / "recloop.toml").write_text(
        '[data]\nevents = "events.csv"\nitems = "items.csv"\n[strategies]\nuse = ["content"]\n'
        f'[finetune]\nencoder = "{tiny_encoder}"\ntune = "head"\nsteps = 3\n[finetune.recipe]\nepochs = 2\nbatch = 16\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RECLOOP_LOGGER", "none")
    return tmp_path / "recloop.toml"


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["finetune", *arguments])
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_it_writes_an_encoder_and_says_what_it_came_to(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--out", "tuned") == 0
    said = capsys.readouterr().out
    assert "co-consumed" in said
    assert "1 of 1" in said
    assert 'set encoder = "tuned" in [strategies.content], then recloop run' in said
    first = load_encoder("tuned")
    assert leave("--out", "whole", "--whole-log", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fingerprint"] == load_encoder("whole").fingerprint != first.fingerprint
    assert document["stages"][0]["name"] == "co-consumed"
    assert len(document["stages"][0]["histories"][0]["losses"]) == 2


def test_a_folder_that_is_there_is_kept(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plan.parent / "tuned").mkdir()
    assert leave("--out", "tuned") == 5
    assert "exists already" in capsys.readouterr().err


def test_a_wrong_setting_names_its_table(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text(plan.read_text().replace('tune = "head"', 'tune = "haed"'))
    assert leave("--out", "tuned") == 2
    assert "[finetune] tune is 'haed'. Did you mean 'head'?" in capsys.readouterr().err.replace("; D", ". D")
