"""Users seen in both arms: against the definition computed by brute force, and by simulation."""

import numpy as np
import pytest
import scipy.stats

from recloop.errors import DataError
from recloop.stats import Moments, paired, ratio
from recloop.stats.comoments import Comoments
from recloop.stats.crossed import crossed


def visits(rng: np.random.Generator, users: int = 400, lift: float = 0.0) -> np.ndarray:
    """Columns y_t, x_t, y_c, x_c of users whose sessions are alike and fall into either arm by a coin."""
    sessions = rng.poisson(2, users) + 1
    treated = rng.binomial(sessions, 0.5)
    taste = rng.beta(2, 6, users)
    y_t, y_c = rng.binomial(treated, np.minimum(taste + lift, 1)), rng.binomial(sessions - treated, taste)
    return np.column_stack([y_t, treated, y_c, sessions - treated]).astype(float)


def test_against_the_mean_of_linearised_users() -> None:
    rows = visits(np.random.default_rng(1))
    y_t, x_t, y_c, x_c = rows.T
    r_t, r_c = y_t.sum() / x_t.sum(), y_c.sum() / x_c.sum()
    each = (y_t - r_t * x_t) / x_t.mean() - (y_c - r_c * x_c) / x_c.mean()
    found = crossed(Comoments.of(rows))
    error = each.std(ddof=1) / np.sqrt(len(rows))
    t = scipy.stats.t(len(rows) - 1)
    assert found.estimate == pytest.approx(r_t - r_c, rel=1e-12)
    assert (found.high - found.low) / 2 == pytest.approx(t.ppf(0.975) * error, rel=1e-9)
    assert found.p_value == pytest.approx(2 * t.sf(abs(r_t - r_c) / error), rel=1e-9)


def test_against_the_jackknife() -> None:
    rows = visits(np.random.default_rng(2), users=300)
    sums = rows.sum(axis=0) - rows
    leave_one_out = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    n = len(rows)
    error = np.sqrt((n - 1) / n * np.square(leave_one_out - leave_one_out.mean()).sum())
    found = crossed(Comoments.of(rows))
    half = scipy.stats.t(n - 1).ppf(0.975)
    assert (found.high - found.low) / 2 / half == pytest.approx(error, rel=0.02)


def test_users_who_are_in_both_arms_once_are_pairs() -> None:
    rng = np.random.default_rng(3)
    t, c = rng.normal(1.2, 1, 80), rng.normal(1.0, 1, 80)
    ones = np.ones(80)
    found, pairs = crossed(Comoments.of(np.column_stack([t, ones, c, ones]))), paired(t, c)
    for name in ("estimate", "low", "high", "p_value", "relative", "relative_low", "relative_high"):
        assert getattr(found, name) == pytest.approx(getattr(pairs, name), rel=1e-9), name


def test_users_of_one_arm_each_are_two_samples() -> None:
    rng = np.random.default_rng(4)
    x = rng.poisson(3, 2000) + 1
    y = rng.binomial(x, 0.3)
    side = rng.random(2000) < 0.5
    rows = np.column_stack([y * side, x * side, y * ~side, x * ~side])
    found = crossed(Comoments.of(rows))
    plain = ratio(*(Moments.of(y[at], x[at]) for at in (side, ~side)))
    assert found.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=2e-3)


def test_the_sequence_is_wider_and_decides_less() -> None:
    sums = Comoments.of(visits(np.random.default_rng(5), lift=0.1))
    once, ever = crossed(sums), crossed(sums, planned=400)
    assert ever.low < once.low < once.high < ever.high
    assert once.p_value < ever.p_value < 1
    assert (ever.low > 0) == (ever.p_value < 0.05)
    assert ever.estimate == once.estimate


def test_error_rate_and_what_independence_would_cost() -> None:
    """No difference: 5% false alarms; taken as two samples the interval is wider, since users resemble themselves."""
    rng = np.random.default_rng(6)
    worlds = [visits(rng, users=300) for _ in range(600)]
    false = sum(crossed(Comoments.of(rows)).p_value < 0.05 for rows in worlds)
    assert 0.030 <= false / 600 <= 0.075
    rows = worlds[0]
    found = crossed(Comoments.of(rows))
    there = [rows[rows[:, side + 1] > 0][:, side : side + 2] for side in (0, 2)]
    apart = ratio(*(Moments.of(part[:, 0], part[:, 1]) for part in there))
    assert apart.high - apart.low > 1.02 * (found.high - found.low)


def test_what_cannot_be_read() -> None:
    with pytest.raises(DataError, match="the denominator of a ratio sums to zero; wait for more data"):
        crossed(Comoments.of([[1.0, 1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]]))
    with pytest.raises(DataError, match="1 users are too few"):
        crossed(Comoments.of([[1.0, 1.0, 1.0, 2.0]]))
    same = crossed(Comoments.of([[1.0, 1.0, 1.0, 1.0]] * 5), planned=10)
    assert (same.estimate, same.p_value, same.low, same.high) == (0.0, 1.0, 0.0, 0.0)
