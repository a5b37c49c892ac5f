"""``recloop experiment analyze`` from the shell."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from recloop.cli.main import main, recloop

PLAN = """
name = "prices"
primary = "revenue"
rule = "fixed"
[variants.old]
control = true
[variants.new]
[metrics.revenue]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp.toml").write_text(PLAN)
    pl.DataFrame({"variant": ["old", "new"] * 300, "revenue": [1, 2, 2, 3] * 150}).write_parquet("users.parquet")
    return tmp_path


def test_text_and_files(here: Path) -> None:
    words = "experiment analyze users.parquet --plan exp.toml --html a.html --markdown a.md --parquet a.parquet"
    done = CliRunner().invoke(recloop, words.split())
    assert done.exit_code == 0, done.output
    assert "Ship new. Its revenue is 2.50, against 1.50 under old" in done.output
    assert "Each row is taken for one user: the data name no users." in done.output
    assert {"a.html", "a.md", "a.parquet"} <= {path.name for path in here.iterdir()}


def test_json(here: Path) -> None:
    done = CliRunner().invoke(recloop, ["experiments", "analyze", "users.parquet", "--plan", "exp.toml", "--json"])
    assert json.loads(done.output)["verdict"]["treatment"] == "new"


def test_errors(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["experiment", "analyze", "nothing.parquet", "--plan", "exp.toml"])
    assert left.value.code == 4
    assert "there is no file nothing.parquet" in capsys.readouterr().err
    pl.DataFrame({"variant": ["old", "new"] * 300, "revenue": ["1", "2"] * 300}).write_parquet("text.parquet")
    with pytest.raises(SystemExit) as left:
        main(["experiment", "analyze", "text.parquet", "--plan", "exp.toml"])
    assert left.value.code == 3
    assert "column 'revenue' holds text" in capsys.readouterr().err
