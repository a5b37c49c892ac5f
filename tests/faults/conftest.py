"""What every fault needs, and the table at the end: fault, tries, lost, duplicated, wrong answers."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .shop import Service, Tally, released

ROW = "fault"


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two releases: ``one`` serves ``blend``, ``two`` serves ``popular``; only to be read."""
    return released(tmp_path_factory.mktemp("releases"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services, and kills at the end those that still run."""
    started: list[Service] = []

    def begin(store: Path | str, release: Path | None = None, **how: Any) -> Service:
        started.append(Service(store, release, **how))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """Counts what went wrong; at the end nothing may have."""
    counted = Tally(request.node.originalname.removeprefix("test_").replace("_", " "))
    yield counted
    record_property(ROW, "|".join(map(str, counted.row())))
    assert counted.tries > 0
    assert counted.row()[2:] == (0, 0, 0), counted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``small_disk("4m")``: a folder on a disk of that size, or a skip that says why there is none."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        try:
            words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [
        str(value).split("|")
        for outcome in ("", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "teardown"
        for key, value in report.user_properties
        if key == ROW
    ]
    if not rows:
        return
    terminalreporter.section("faults")
    form = "{:<52} {:>7} {:>6} {:>11} {:>14}"
    terminalreporter.write_line(form.format("fault", "tries", "lost", "duplicated", "wrong answers"))
    for row in rows:
        terminalreporter.write_line(form.format(*row))
