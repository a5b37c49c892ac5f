"""The normal mixture: formula, tuning, one-sided inversion, and its error rate at every look."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from recloop.errors import SettingError
from recloop.stats import Moments, confidence_sequence, msprt
from recloop.stats.mixture import boundary, closed_one_sided_boundary, one_sided_boundary, p_value, rho_square

A, B = Moments.from_summary(400, 0.6, 0.24), Moments.from_summary(300, 0.5, 0.25)


@pytest.mark.parametrize(("planned", "alpha"), [(1000, 0.05), (250, 0.01)])
def test_rho_makes_the_interval_narrowest_at_the_planned_size(planned: int, alpha: float) -> None:
    found = minimize_scalar(
        lambda log_rho: boundary(planned * math.exp(log_rho), alpha), bounds=(-16, 0), method="bounded"
    )
    assert boundary(planned * rho_square(planned, alpha), alpha) == pytest.approx(found.fun, rel=1e-6)


def test_boundary_is_the_published_formula() -> None:
    n, rho, alpha = 700, 0.09, 0.05  # radius for unit variance, Waudby-Smith and others (2024), theorem 2.2
    radius = math.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * math.log(math.sqrt(n * rho**2 + 1) / alpha))
    assert boundary(n * rho**2, alpha) / math.sqrt(n) == pytest.approx(radius)


def test_closed_one_sided_boundary_is_the_published_formula() -> None:
    n, rho, alpha = 700, 0.09, 0.05  # the appendix on one-sided sequences
    log = math.log(1 + math.sqrt(n * rho**2 + 1) / (2 * alpha))
    radius = math.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * log)
    assert closed_one_sided_boundary(n * rho**2, alpha) / math.sqrt(n) == pytest.approx(radius)


@pytest.mark.parametrize("side", [-1, 0, 1])
@pytest.mark.parametrize(("z", "v"), [(2.5, 8.0), (-0.7, 0.3), (4.1, 30.0)])
def test_p_value_is_one_over_the_likelihood_averaged_over_effects(z: float, v: float, side: int) -> None:
    """By quadrature over drifts from N(0, v), or from the half of it that the side names."""

    def averaged(low: float, high: float) -> float:
        return quad(lambda d: math.exp(d * z - d * d / 2) * norm.pdf(d, 0, math.sqrt(v)), low, high)[0]

    mean = {0: averaged(-40, 40), 1: 2 * averaged(0, 40), -1: 2 * averaged(-40, 0)}[side]
    assert p_value(z, v, side) == pytest.approx(min(1 / mean, 1.0), rel=1e-7)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
@pytest.mark.parametrize("v", [0.01, 1.0, 8.0, 500.0])
def test_one_sided_inversion_is_exact_and_just_below_the_closed_form(v: float, alpha: float) -> None:
    z = one_sided_boundary(v, alpha)
    assert p_value(z, v, 1) == pytest.approx(alpha, rel=1e-8)
    assert z < closed_one_sided_boundary(v, alpha)
    if alpha <= 0.05:
        assert z > 0.97 * closed_one_sided_boundary(v, alpha)
    assert z < boundary(v, alpha)


def test_p_value_belongs_to_the_interval() -> None:
    e = confidence_sequence(A, B, planned=1000)
    z = e.estimate / (A.var / 400 + B.var / 300) ** 0.5
    assert boundary(700 * rho_square(1000), e.p_value) == pytest.approx(abs(z))
    assert (e.p_value < 0.05) == (e.low > 0)


def test_each_alternative_has_one_end_and_the_other_way_round_mirrors() -> None:
    up, down = (confidence_sequence(*arms, planned=1000, alternative="greater") for arms in ((A, B), (B, A)))
    mirror = confidence_sequence(B, A, planned=1000, alternative="less")
    assert up.high == up.relative_high == math.inf
    assert (mirror.low, mirror.high, mirror.p_value) == (-math.inf, pytest.approx(-up.low), pytest.approx(up.p_value))
    assert down.p_value == 1.0
    assert (up.p_value < 0.05) == (up.low > 0) == (up.relative_low > 0)


def test_all_users_alike() -> None:
    one, zero = Moments.of([1.0, 1.0]), Moments.of([0.0, 0.0])
    assert confidence_sequence(one, one, planned=10).p_value == 1.0
    assert confidence_sequence(one, zero, planned=10).p_value == 0.0
    assert confidence_sequence(one, zero, planned=10, alternative="less").p_value == 1.0


def test_bad_settings() -> None:
    with pytest.raises(SettingError, match="alternative is 'up'; 'two-sided', 'greater' or 'less'"):
        confidence_sequence(A, B, planned=10, alternative="up")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="planned is 1"):
        confidence_sequence(A, B, planned=1)
    with pytest.raises(SettingError, match="mixing_variance is 0"):
        msprt(A, B, mixing_variance=0)


def test_msprt_is_the_published_formula() -> None:
    """Johari and others (2022), section 4, with V the variance of the difference and theta_0 = 0."""
    tau, v = 0.05**2, A.var / 400 + B.var / 300
    ratio = math.sqrt(v / (v + tau)) * math.exp(tau * 0.1**2 / (2 * v * (v + tau)))
    e = msprt(A, B, mixing_variance=tau)
    assert e.p_value == pytest.approx(1 / ratio)
    radius = math.sqrt(v * (v + tau) / tau * (2 * math.log(1 / 0.05) + math.log((v + tau) / v)))
    assert e.high - e.estimate == pytest.approx(radius)
    assert msprt(Moments.of([1.0, 1.0]), Moments.of([1.0, 1.0]), mixing_variance=1).p_value == 1.0


def test_error_over_two_thousand_looks() -> None:
    """20,000 Gaussian walks over 64 times the planned size: a mixture may ever err with chance alpha, and nearly does.

    It would reach alpha at endless time; over these looks two-sided and one-sided stay below, and use over half.
    """
    rng, worlds, planned = np.random.default_rng(5), 20_000, 100
    looks = np.unique(np.geomspace(1, 64 * planned, 250).astype(int))
    sums, met = np.zeros(worlds), np.zeros((2, worlds), dtype=bool)
    two, one = rho_square(planned), rho_square(planned, 0.1)
    for n, step in zip(looks.tolist(), np.diff(looks, prepend=0).tolist(), strict=True):
        sums += rng.normal(0, math.sqrt(step), worlds)
        z = sums / math.sqrt(n)
        met |= [np.abs(z) > boundary(n * two, 0.05), z > one_sided_boundary(n * one, 0.05)]
    assert (met.mean(axis=1) < 0.05 + 3 * (0.05 * 0.95 / worlds) ** 0.5).all()
    assert (met.mean(axis=1) > 0.02).all()
