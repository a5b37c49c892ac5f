"""Probabilities that mean what they say."""

import json

import numpy as np
import pytest
from scipy.special import expit

from recloop.compose.objectives.calibrated import Curve, Reliability
from recloop.strategies.lm_ranker.calibration import expected_calibration_error


def distorted(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Raw probabilities that are far too sure, and what came."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.2, n)
    return expit(3 * odds + 1), (rng.random(n) < expit(odds)).astype(float)


@pytest.mark.parametrize(("n", "kind"), [(20_000, "isotonic"), (1_500, "platt")])
def test_the_curve_mends_what_is_too_sure(n: int, kind: str) -> None:
    curve = Curve.of(*distorted(n))
    raw, came = distorted(20_000, seed=1)
    assert curve.kind == kind
    assert expected_calibration_error(raw, came) > 0.1
    assert expected_calibration_error(curve(raw), came) < 0.02
    if kind == "platt":  # the true curve is a sigmoid of the log-odds: slope 1/3, shift -1/3
        assert (curve.slope, curve.shift) == pytest.approx((1 / 3, -1 / 3), abs=0.12)


def test_the_curve_keeps_the_order_and_stays_inside() -> None:
    raw, came = distorted(30_000)
    curve = Curve.of(raw, came)
    grid = np.linspace(0, 1, 1001)
    told = curve(grid)
    assert (np.diff(told) >= 0).all()
    inside = (grid > curve.x[0]) & (grid < curve.x[-1])
    assert (np.diff(told[inside]) > 0).all()  # centred: what differed still differs
    assert ((told > 0) & (told < 1)).all()
    assert np.isnan(curve(np.array([np.nan])))[0]
    back = Curve.from_dict(json.loads(json.dumps(curve.to_dict())))
    assert back(grid).tolist() == told.tolist()


def test_reliability_is_that_of_other_rows() -> None:
    told = np.array([0.2] * 500 + [0.8] * 500)
    came = np.array([1.0] * 100 + [0.0] * 400 + [1.0] * 350 + [0.0] * 150)
    mixed = np.random.default_rng(0).permutation(1000)  # equal chances stand in no order
    told, came = told[mixed], came[mixed]
    found = Reliability.of(told, told, came)
    assert found.after == pytest.approx(0.05, abs=0.03)  # (0 + |.8 - .7|) / 2, and chance inside the bins
    assert found.rate == pytest.approx(0.45)
    assert sum(one.rows for one in found.bins) == 1000
    assert [one.foretold for one in found.bins] == pytest.approx([0.2] * 5 + [0.8] * 5)
    # 350 x 400 pairs are right, and those inside a group count half
    right = 350 * 400 + 0.5 * (100 * 400 + 350 * 150)
    assert found.auc == pytest.approx(right / (450 * 550))
    assert "click" in found.picture("Is a click as likely as foretold?")
    assert Reliability.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_nothing_came() -> None:
    found = Reliability.of(np.full(30, 0.1), np.full(30, 0.1), np.zeros(30))
    assert np.isnan(found.auc)
    assert json.dumps(found.to_dict(), allow_nan=False)
