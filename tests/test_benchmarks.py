"""Every benchmark says what it measures, has a place in the README beside it, and runs with ``make bench``."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SHARED = {"accuracy/protocol", "regret/grids", "regret/peers", "regret/runs", "regret/worlds"}
SCRIPTS = sorted({str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.py")} - SHARED)
README = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    specification = importlib.util.spec_from_file_location("run_benchmarks", FOLDER / "run.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], capture_output=True, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_helps(name: str, runner: ModuleType) -> None:
    done = script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage:")
    assert len(runner.measures(name)) > 40
    for option in runner.SHORT.get(name, ()):
        if option.startswith("--"):
            assert option in done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_is_in_the_readme_with_its_command(name: str) -> None:
    assert f"python benchmarks/{name}.py" in README


def test_all_of_them_run(runner: ModuleType) -> None:
    assert set(runner.SHORT) == set(SCRIPTS) - {"run"}


def test_a_failure_is_told_and_the_rest_runs(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text('"""Breaks."""\nraise SystemExit(3)\n')
    (tmp_path / "good.py").write_text('"""Counts."""\nimport sys\nprint("counted", sys.argv[1:])\n')
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    monkeypatch.setattr(runner, "SHORT", {"bad": (), "good": ("--few",)})
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(SystemExit, match="failed: bad"):
        runner.main()
    said = capfd.readouterr().out
    assert "== Counts.\n   python benchmarks/good.py --few\n" in said
    assert "counted ['--few']" in said


def test_a_misspelt_name_is_refused() -> None:
    done = script("run", "classical")
    assert done.returncode == 2
    assert "there is no benchmark 'classical': choose from accuracy/cold_items," in done.stderr
