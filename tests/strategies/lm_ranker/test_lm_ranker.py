"""The ranker of candidates: its laws, what it learns, how sure it is, and that it is served without torch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("onnxscript", reason="needs the extra lm")
pytest.importorskip("openvino", reason="needs the extra text")

from recloop.data.dataset import Dataset
from recloop.strategies.lm_ranker.calibration import Calibration, expected_calibration_error
from recloop.strategies.lm_ranker.strategy import LmRanker
from recloop.testing.strategy import StrategyContract, small_shop


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "none")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path):
    TestVectors.settings["encoder"] = str(tiny_encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECLOOP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class TestVectors(StrategyContract):
    make = LmRanker
    settings: ClassVar[dict[str, Any]] = {"candidates": 10, "epochs": 2, "width": 8}
