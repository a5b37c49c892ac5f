import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .shell import COMMAND, PLAN, QUIET, Service, catalogue, log


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log, a catalogue and a plan, in which commands run."""
    log().write_csv(tmp_path / "events.csv")
    catalogue().write_csv(tmp_path / "items.csv")
    (tmp_path / "recloop.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``recloop run`` has been: only to be read."""
    folder = tmp_path_factory.mktemp("finished")
    log().write_csv(folder / "events.csv")
    catalogue().write_csv(folder / "items.csv")
    (folder / "recloop.toml").write_text(PLAN)
    done = subprocess.run(
        [*COMMAND, "run"], cwd=folder, env=os.environ | QUIET, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def ran(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder in which ``recloop run`` has been, in which commands run."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``small_disk("200k")``: a folder on a disk of that size, or a skip that says why there is none."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={options}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=10)
        except OSError as error:
            pytest.skip(f"no small disk here: {error}")
        if done.returncode:
            pytest.skip(f"no small disk here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, timeout=10, check=True)


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Starts services, and kills at the end those that still run."""
    started: list[Service] = []

    def begin(folder: Path, *options: str) -> Service:
        started.append(Service(folder, *options))
        return started[-1]

    yield begin
    for one in started:
        one.end(9)
