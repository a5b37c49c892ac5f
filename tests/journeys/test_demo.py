"""The main job, as a newcomer runs it: one command, and the loop has closed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recloop.loop.release import load
from recloop.store import Store


def demo(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recloop", "demo", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def said(place: Path) -> dict[str, object]:
    done = demo("--quick", "--seed", "1", "--out", "shop", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_decision_agrees_with_the_known_truth(said: dict[str, object]) -> None:
    assert said["verdict"] == "ship"
    assert said["served_verdict"] == "ship"
    assert said["agrees_with_truth"] is True
    truth = said["true_click_rates"]
    assert truth["composed"] > truth["popular"] > truth["random"]
    assert said["simulation"] is True


def test_the_winner_is_released_and_can_be_rolled_back(place: Path, said: dict[str, object]) -> None:
    with Store(place / "shop" / "recloop.db") as store:
        assert store.releases.active().name == said["released"] == "2-winner"
        assert store.releases.previous().name == "1-today"
        assert load(Path(store.releases.active().path)).default_policy == "composed"
        actions = [line.action for line in store.audit.lines()]
    assert actions.count("promote release") == 2
    assert {"create experiment", "experiment running", "experiment stopped"} <= set(actions)


def test_everything_is_written(place: Path, said: dict[str, object]) -> None:
    run = place / said["run"]
    expected = {"plan.json", "environment.json", "metrics.parquet", "slates.parquet", "report.html", "release"}
    assert expected <= {path.name for path in run.iterdir()}
    page = (place / "shop" / "report.html").read_text()
    assert len(page) < 2_000_000
    assert "Ship composed" in page and "simulation: made-up shop" in page and "agrees with the known truth" in page


def test_users_of_every_variant_came_over_http(said: dict[str, object]) -> None:
    assert min(said["users"].values()) > 150
    assert said["traffic"]["slates"] > 1000
    assert said["traffic"]["comments"] > 0


def test_an_earlier_demo_is_replaced_and_nothing_else_is(place: Path) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "letter.txt").write_text("keep me")
    refused = demo("--quick", "--out", "mine", cwd=place)
    assert refused.returncode == 5
    assert "holds something that is not a demo" in " ".join(refused.stderr.split())
    assert (place / "mine" / "letter.txt").read_text() == "keep me"


def test_ctrl_c_ends_the_service_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "recloop", "demo", "--quick", "--users", "300", "--out", "shop"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    database = tmp_path / "shop" / "recloop.db"
    until = time.monotonic() + 120
    while not database.exists() and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(2)  # the service is up, users are on their way
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped." in told
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in listed and f"--store {Path('shop') / 'recloop.db'}" not in listed.replace(
        str(tmp_path), ""
    )
