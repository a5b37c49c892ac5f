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


def fit(tiny_encoder: Path, data: Dataset | None = None, **settings: Any) -> LmRanker:
    usual = {"encoder": str(tiny_encoder), "candidates": 10, "epochs": 2, "width": 8, "length": 8, "events": 4}
    return LmRanker(**{**usual, **settings}).fit(data or small_shop())


@pytest.mark.parametrize(
    "settings",
    [{"reads": "texts", "tune": "full"}, {"reads": "texts", "tune": "lora"}, {"reads": "vectors", "tune": "top"}],
    ids=lambda settings: " ".join(settings.values()),
)
def test_the_encoder_may_learn_too(settings: dict[str, str], tiny_encoder: Path, tmp_path: Path) -> None:
    data = small_shop()
    strategy = fit(tiny_encoder, data, **settings)
    scores = strategy.score(data.histories())
    assert np.isfinite(scores).all()
    assert ((scores > 0).sum(axis=1) == 10).all()  # candidates have probabilities, all others follow below 0
    assert scores.max() < 1
    strategy.save(tmp_path / "model")
    np.testing.assert_array_equal(LmRanker.load(tmp_path / "model").score(data.histories()), scores)
    one = np.concatenate([strategy.score(data.histories().block(row, row + 1)) for row in range(5)])
    np.testing.assert_allclose(one, scores[:5], atol=1e-4)
