"""Curves of trainings reach the loggers that are installed; each training is a run of its own."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="needs the extra lm")

from recloop.errors import ExtraError, SettingError
from recloop.neural.loggers import logger_for

TWO_TRAININGS = """
import torch
from recloop.neural import Recipe
from recloop.neural.train import train

for name in ("one", "two"):
    network = torch.nn.Linear(1, 1)
    x = torch.ones(8, 1)
    train(network, lambda x: (network(x) ** 2).mean(), lambda epoch, rng: iter([x, x]), Recipe(epochs=2), steps=2,
          description=name, validate=lambda: 0.5)
"""


def trained(logger: str, folder: Path, **variables: str) -> None:
    import os

    given = {**os.environ, "RECLOOP_LOGGER": logger, "RECLOOP_LOGS": str(folder), **variables}
    found = subprocess.run([sys.executable, "-c", TWO_TRAININGS], env=given, cwd=folder, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_an_unknown_logger_offers_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "tensorbord")
    with pytest.raises(SettingError, match=r"RECLOOP_LOGGER is 'tensorbord'.*tensorboard"):
        logger_for("x", None)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_logger_that_is_missing_names_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec(name):
        pytest.skip(f"{name} is installed")
    monkeypatch.setenv("RECLOOP_LOGGER", name)
    with pytest.raises(ExtraError, match=rf"recloop\[{name}\]"):
        logger_for("x", None)


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    trained("tensorboard", tmp_path)
    assert {path.parent.name for path in tmp_path.rglob("events.out.*")} == {"one", "two"}


def test_mlflow(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    trained("mlflow", tmp_path, MLFLOW_TRACKING_URI="")
    import sqlite3

    with sqlite3.connect(tmp_path / "mlflow.db") as found:
        runs = dict(found.execute("select name, status from runs"))
        points = found.execute("select count(*) from metrics where key = 'validation'").fetchone()[0]
    assert runs == {"one": "FINISHED", "two": "FINISHED"}
    assert points == 4


def test_weights_and_biases(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="needs the extra wandb")
    trained("wandb", tmp_path, WANDB_MODE="offline", WANDB_SILENT="true")
    assert len(list(tmp_path.rglob("run-*.wandb"))) == 2
