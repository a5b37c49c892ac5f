"""Futility bounds against published designs, multivariate-normal integrals and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from recloop.errors import SettingError
from recloop.stats import (
    Futility,
    GroupSequential,
    hwang_shih_decani_spending,
    obrien_fleming_spending,
    pocock_spending,
)


def one_sided(looks: int, alpha: float = 0.025) -> GroupSequential:
    return GroupSequential.spend(range(1, looks + 1), hwang_shih_decani_spending(-4), alpha, alternative="greater")


def test_the_default_design_of_gsdesign() -> None:
    """R package gsDesign, ``gsDesign()`` as its manual prints it: k = 3, test.type = 4, alpha 0.025, beta 0.1."""
    found = Futility.spend(one_sided(3), hwang_shih_decani_spending(-2), power=0.9)
    assert found.bounds == pytest.approx((-0.24, 0.94, 2.00), abs=0.005)
    assert found.design.boundary == pytest.approx((3.01, 2.55, 2.00), abs=0.005)
    assert found.inflation == pytest.approx(1.070, abs=5e-4)
    assert found.inflation / 3 == pytest.approx(0.357, abs=5e-4)
    _, lost = found.crossing(found.drift)
    assert lost == pytest.approx((0.0148, 0.0289, 0.0563), abs=5e-5)  # its column Spend+
    _, futile = found.crossing(0.0)
    assert futile[0] == pytest.approx(0.4057, abs=5e-5)  # its nominal p of the first lower bound


def test_against_integrals_of_the_multivariate_normal() -> None:
    """Two looks at 0.4 and 1: the chances to win and to be futile, by scipy's integral."""
    design = GroupSequential.spend([0.4, 1.0], obrien_fleming_spending)
    found = Futility.spend(design, pocock_spending, power=0.8)
    low, high = found.bounds[0], design.boundary[0]
    mean = found.drift * np.sqrt([0.4, 1.0])
    joint = multivariate_normal(mean, [[1.0, math.sqrt(0.4)], [math.sqrt(0.4), 1.0]])
    last = design.boundary[1]
    missed = joint.cdf([high, last]) - joint.cdf([low, last])
    _, lost = found.crossing(found.drift)
    assert lost[1] == pytest.approx(missed, abs=1e-5)
    assert lost.sum() == pytest.approx(0.2, abs=1e-9)
    assert lost[0] == pytest.approx(float(pocock_spending(np.array([0.4]), 0.2)[0]), abs=1e-9)


def test_by_simulation_power_is_kept_and_alpha_whoever_goes_on() -> None:
    rng = np.random.default_rng(4)
    found = Futility.spend(GroupSequential.spend([1, 2, 3, 4]), power=0.8)
    times = np.arange(1, 5) / 4
    walks = np.cumsum(rng.normal(0, 0.5, (40_000, 4)), axis=1)

    def first(hit: np.ndarray) -> np.ndarray:
        return np.where(hit.any(axis=1), hit.argmax(axis=1), 9)

    for drift, power in ((0.0, None), (found.drift, 0.8)):
        z = (walks + drift * times) / np.sqrt(times)
        win, end = first(z >= found.design.boundary), first(z < found.bounds)
        obeyed = (win < end).mean()
        if power:
            assert obeyed == pytest.approx(power, abs=3.3 * math.sqrt(0.16 / 40_000))
        else:
            assert (win < 9).mean() == pytest.approx(0.025, abs=3.3 * math.sqrt(0.025 / 40_000))  # whoever goes on
            assert obeyed < 0.025
            share = np.append(times, 1.0)[np.minimum(np.minimum(win, end), 4)].mean()
            assert share == pytest.approx(found.expected_share(0.0), abs=0.005)
            assert share < 0.6


def test_bounds_never_pass_the_boundary_and_more_power_lowers_them() -> None:
    tough, mild = (Futility.spend(one_sided(5), hwang_shih_decani_spending(1), power=p) for p in (0.6, 0.95))
    for one in (tough, mild):
        assert all(low <= high for low, high in zip(one.bounds, one.design.boundary, strict=True))
        assert one.bounds[-1] == one.design.boundary[-1]
    assert mild.inflation > 1
    for power in (0.05, 1.0):
        with pytest.raises(SettingError, match="power is"):
            Futility.spend(GroupSequential.spend([1, 2]), power=power)
    with pytest.raises(SettingError, match="the last look has no boundary"):
        Futility.spend(GroupSequential.spend([1, 2, 3], planned=2))
