import importlib.util

import numpy as np
import pytest
from tests.loop.test_selection import NAMES, strategies, validation  # noqa: F401  fixtures

from recloop.compose import SlateConfig, SlotsConfig, policy_config
from recloop.compose.config import slates_of
from recloop.data.rankings import Rankings
from recloop.errors import DataError
from recloop.loop.blending import blended, calibration, is_learned

installed = pytest.mark.skipif(not importlib.util.find_spec("lightgbm"), reason="the extra 'blend' is not installed")


def test_calibration_pools_what_falls() -> None:
    # chances 1/4, 2/4, 1/4 at scores 1, 2, 3: the last two pool to 3/8 (Ayer et al. 1955)
    scores = np.repeat(np.array([3.0, 2.0, 1.0], np.float32), 4)[None]
    relevant = np.array([[1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0]], bool)
    found = calibration(Rankings(np.arange(12, dtype=np.int32)[None], scores), relevant)
    assert found.scores == [1.0, 2.0, 3.0]
    assert found.chances == pytest.approx([0.25, 0.375, 0.375])


def test_calibration_finds_the_chances_of_a_known_world() -> None:
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.random((2000, 20)), axis=1).astype(np.float32)
    relevant = rng.random(scores.shape) < 0.5 * scores**2
    found = calibration(Rankings(np.tile(np.arange(20, dtype=np.int32), (2000, 1)), scores), relevant)
    at = np.linspace(0.1, 0.95, 18)
    assert len(found.scores) <= 32
    assert abs(found.of(at) - 0.5 * at**2).max() < 0.04  # 1,250 draws a knot: deviation up to .014


def test_nothing_to_calibrate() -> None:
    empty = Rankings(np.full((1, 2), -1, np.int32), np.full((1, 2), -np.inf, np.float32))
    with pytest.raises(DataError, match="a source brought no candidates to calibrate"):
        calibration(empty, np.zeros((1, 2), bool))


def test_what_needs_no_learning_stays(strategies, validation) -> None:  # noqa: F811
    config = SlateConfig(sources=list(NAMES))
    assert not is_learned(config)
    assert blended(config, strategies, validation) == (config, {})


def test_every_slate_of_a_policy_learns(strategies, validation) -> None:  # noqa: F811
    slate = {"sources": list(NAMES[:2]), "fusion": "comb-mnz", "scale": "calibrated"}
    arms = {"kind": "thompson", "arms": {"a": slate, "b": {"sources": [NAMES[0]]}}}
    config = policy_config(
        {"kind": "slots", "slots": {"hero": {"size": 1, "policy": slate}, "row": {"size": 2, "policy": arms}}}
    )
    assert is_learned(config)
    made, models = blended(config, strategies, validation)
    assert models == {}
    assert isinstance(made, SlotsConfig)
    assert not is_learned(made)
    learned = [set(one.calibration) for one in slates_of(made).values()]
    assert learned == [set(NAMES[:2]), set(NAMES[:2]), set()]


@installed
def test_a_model_is_named_by_what_it_holds(strategies, validation) -> None:  # noqa: F811
    config = SlateConfig(sources=list(NAMES), fusion="learned")
    made, models = blended(config, strategies, validation, seed=1)
    assert isinstance(made, SlateConfig)
    assert list(models) == [made.model]
    assert models[made.model].startswith("tree\n")
    assert blended(config, strategies, validation, seed=1)[1] == models
