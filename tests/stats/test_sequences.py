"""The always-valid interval: formula, tuning, and its error rate under continuous peeking, by simulation."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from recloop.errors import SettingError
from recloop.stats import Moments, always_valid, welch
from recloop.stats.sequences import boundary, rho_square


@pytest.mark.parametrize(("planned", "alpha"), [(1000, 0.05), (250, 0.01)])
def test_rho_makes_the_interval_narrowest_at_the_planned_size(planned: int, alpha: float) -> None:
    found = minimize_scalar(
        lambda log_rho: boundary(planned, math.exp(log_rho), alpha), bounds=(-16, 0), method="bounded"
    )
    assert boundary(planned, rho_square(planned, alpha), alpha) == pytest.approx(found.fun, rel=1e-6)


def test_boundary_is_the_published_formula() -> None:
    n, rho, alpha = 700, 0.09, 0.05  # radius for unit variance, theorem 2.2
    radius = math.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * math.log(math.sqrt(n * rho**2 + 1) / alpha))
    assert boundary(n, rho**2, alpha) / math.sqrt(n) == pytest.approx(radius)


def test_p_value_belongs_to_the_interval() -> None:
    a, b = Moments.from_summary(400, 0.6, 0.24), Moments.from_summary(300, 0.5, 0.25)
    e = always_valid(a, b, planned=1000)
    z = e.estimate / (a.var / 400 + b.var / 300) ** 0.5
    assert boundary(700, rho_square(1000), e.p_value) == pytest.approx(abs(z))
    assert (e.p_value < 0.05) == (e.low > 0)


def test_at_the_horizon_it_is_about_half_as_wide_again_as_a_single_look() -> None:
    a, b = Moments.from_summary(5000, 0.6, 0.24), Moments.from_summary(5000, 0.5, 0.25)
    once, ever = welch(a, b), always_valid(a, b, planned=10_000)
    assert 1.5 < (ever.high - ever.low) / (once.high - once.low) < 1.6


def test_planned_must_be_named() -> None:
    with pytest.raises(SettingError, match="planned is 0"):
        always_valid(Moments.of([1.0, 2.0]), Moments.of([1.0, 2.0]), planned=0)


def test_peeking_a_hundred_times_keeps_the_error_rate() -> None:
    """A/A over 400 worlds of 4,000 users with a look after every percent: a false alarm at any look counts."""
    worlds, looks, step = 400, 100, 20
    rng = np.random.default_rng(11)
    y = (rng.random((worlds, 2, looks, step)) < 0.1).sum(-1).cumsum(-1).astype(float)  # users with a purchase
    n = step * np.arange(1, looks + 1)
    fixed = ever = 0
    for clicks in y:
        alarms = [
            (welch(a, b).p_value < 0.05, always_valid(a, b, planned=2 * looks * step).p_value < 0.05)
            for users, t, c in zip(n[4:], clicks[0, 4:], clicks[1, 4:], strict=True)
            for a, b in [(share(users, t), share(users, c))]
        ]
        fixed += any(one for one, _ in alarms)
        ever += any(two for _, two in alarms)
    assert fixed / worlds > 0.20  # peeking at an interval made for one look
    assert ever / worlds < 0.05 + 3 * (0.05 * 0.95 / worlds) ** 0.5


def share(users: int, ones: float) -> Moments:
    p = ones / users
    return Moments(int(users), p, users * p * (1 - p))
