"""The frame of the commands: help, misspelt names, exit codes, errors as sentences or as one JSON document."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recloop.cli.main import COMMANDS, main


def leave(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert "recloop demo" in text


def test_a_misspelt_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["strategis"]) == 2
    assert "there is no command 'strategis'. Did you mean 'strategies'?" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_option_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["strategies", "--jsn"]) == 2
    assert "--jsn" in capsys.readouterr().err


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["strategies", "eese", "--json"]) == 4
    document = json.loads(capsys.readouterr().err)
    assert document["error"]["kind"] == "MissingError"
    assert "there is no strategy 'eese'. Did you mean 'ease'?" in document["error"]["message"]


def test_strategies_with_their_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["strategies", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"random", "popular", "transitions", "item-knn", "ease", "ials", "content"} <= set(found)
    assert all(entry["doc"] for one in found.values() for entry in one["settings"].values())


def test_help_is_quick_because_nothing_heavy_loads() -> None:
    code = (
        "import sys; from recloop.cli.main import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch','polars','scipy','sqlalchemy','starlette'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip().endswith("[]")


def test_reading_a_misspelt_store_makes_no_empty_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["experiments", "list"], ["releases", "list"], ["keys", "list"], ["rollback"]):
        assert leave([*command, "--store", "nope.db"]) == 4
        assert "there is no store at nope.db; name one with --store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
