"""The always-valid interval: its boundary, the chance it spends, and its error rate under continuous peeking."""

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from recloop.errors import DataError, SettingError
from recloop.stats import Moments, always_valid, running_intersection, sequential_inflation, welch
from recloop.stats.crossing import crossing_chance
from recloop.stats.sequences import GROWTH, boundary, height, spent

A, B = Moments.from_summary(500, 0.6, 0.24), Moments.from_summary(400, 0.5, 0.25)


def test_a_line_is_crossed_with_the_known_chance() -> None:
    """P(B(t) >= a + b t before 1) = Phi(-a - b) + exp(-2ab) Phi(b - a), by the reflection principle with drift."""
    times = np.geomspace(0.003, 1, 60)
    for a, b in ((1.0, 1.0), (2.0, 0.3), (1.5, -0.4)):
        known = ndtr(-a - b) + math.exp(-2 * a * b) * ndtr(b - a)
        assert crossing_chance(lambda t, a=a, b=b: a + b * t, times) == pytest.approx(known, rel=2e-4)


@pytest.mark.parametrize("c", [2.0, 2.5675, 4.0, 7.5])
def test_the_chance_spent_is_that_of_crossing_the_boundary(c: float) -> None:
    """The constants against the integral at 240 times: chords lie below the curve, so that it is a little above."""

    def curve(t: np.ndarray) -> np.ndarray:
        late = np.sqrt(t * (c * c + GROWTH * np.log(np.maximum(t, 1))))
        return np.where(t <= 1, c * t**0.25, late)

    times = np.concatenate([np.geomspace(1e-3, 1, 80), np.geomspace(1, 1e8, 160)[1:]])
    integral = crossing_chance(curve, times)
    assert spent(c) < integral < 1.02 * spent(c)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.001, 1e-12, 1e-30])
def test_boundary_spends_alpha_and_height_inverts_it(alpha: float) -> None:
    for share in (0.02, 0.7, 1.0, 1.3, 40.0):
        z = boundary(share, alpha)
        assert 2 * spent(height(z, share)) == pytest.approx(alpha, rel=1e-6)
        assert boundary(share, alpha, one_sided=True) == pytest.approx(boundary(share, 2 * alpha))


def test_boundary_has_no_step_at_the_planned_size_and_the_interval_keeps_shrinking() -> None:
    shares = np.geomspace(0.001, 1000, 2001)
    z = np.array([boundary(share, 0.05) for share in shares])
    assert np.abs(np.diff(np.log(z))).max() < 0.002
    assert (np.diff(z / np.sqrt(shares)) < 0).all()


@pytest.mark.parametrize(("alpha", "most"), [(0.1, 1.39), (0.05, 1.311), (0.01, 1.23), (0.001, 1.17)])
def test_width_at_the_planned_size_over_that_of_a_single_look(alpha: float, most: float) -> None:
    assert 1.1 < boundary(1.0, alpha) / -ndtri(alpha / 2) < most
    a, b = Moments.from_summary(5000, 0.6, 0.24), Moments.from_summary(5000, 0.5, 0.25)
    once, ever = welch(a, b, alpha), always_valid(a, b, alpha, planned=10_000)
    assert 1.1 < (ever.high - ever.low) / (once.high - once.low) < most


@pytest.mark.parametrize("planned", [300, 900, 2000])
def test_p_value_belongs_to_the_interval(planned: int) -> None:
    e = always_valid(A, B, planned=planned)
    z = e.estimate / (A.var / 500 + B.var / 400) ** 0.5
    assert boundary(900 / planned, e.p_value) == pytest.approx(abs(z))
    assert (e.p_value < 0.05) == (e.low > 0)
    assert always_valid(A, B, e.p_value, planned=planned).low == pytest.approx(0, abs=1e-9)


def test_alternatives() -> None:
    both, up = (always_valid(A, B, planned=900, alternative=how) for how in ("two-sided", "greater"))
    down = always_valid(B, A, planned=900, alternative="less")
    assert up.p_value == pytest.approx(both.p_value / 2)
    assert both.low < up.low
    assert up.high == math.inf
    assert (down.low, down.high, down.p_value) == (-math.inf, pytest.approx(-up.low), pytest.approx(up.p_value))
    assert always_valid(A, B, planned=900, alternative="less").p_value == 1.0


def test_all_users_alike() -> None:
    one, zero = Moments.of([1.0, 1.0]), Moments.of([0.0, 0.0])
    assert always_valid(one, one, planned=10).p_value == 1.0
    assert always_valid(one, zero, planned=10).p_value == 0.0


def test_bad_settings() -> None:
    with pytest.raises(SettingError, match="planned is 0"):
        always_valid(A, B, planned=0)
    with pytest.raises(SettingError, match="alternative is 'more'"):
        always_valid(A, B, planned=10, alternative="more")  # type: ignore[arg-type]


def test_error_from_the_first_look_to_fifty_times_the_planned_size() -> None:
    """20,000 Gaussian walks: three fifths of alpha may go until the planned size, all of it until the end of time."""
    rng, worlds, planned = np.random.default_rng(5), 20_000, 400
    looks = np.unique(np.geomspace(4, 50 * planned, 600).astype(int))
    sums, met = np.zeros(worlds), np.zeros((2, worlds), dtype=bool)
    early = 0.0
    for n, step in zip(looks.tolist(), np.diff(looks, prepend=0).tolist(), strict=True):
        sums += rng.normal(0, math.sqrt(step), worlds)
        z, share = sums / math.sqrt(n), n / planned
        met |= [np.abs(z) > boundary(share, 0.05), z > boundary(share, 0.05, one_sided=True)]
        early = met[0].mean() if share <= 1 else early
    slack = 3 * (0.05 * 0.95 / worlds) ** 0.5
    assert (met.mean(axis=1) < 0.05 + slack).all()
    assert (met.mean(axis=1) > 0.035).all()  # looks are few, not continuous
    assert 0.02 < early < 0.03 + slack


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
            for a, b in [(share_of(users, t), share_of(users, c))]
        ]
        fixed += any(one for one, _ in alarms)
        ever += any(two for _, two in alarms)
    assert fixed / worlds > 0.20  # peeking at an interval made for one look
    assert ever / worlds < 0.05 + 3 * (0.05 * 0.95 / worlds) ** 0.5


def share_of(users: int, ones: float) -> Moments:
    p = ones / users
    return Moments(int(users), p, users * p * (1 - p))


def test_inflation_restores_the_power_by_simulation() -> None:
    rng, worlds, looks = np.random.default_rng(6), 4000, 800
    drift = math.sqrt(sequential_inflation()) * (ndtri(0.975) + ndtri(0.8))
    shares = np.arange(1, looks + 1) / looks
    z = rng.normal(drift / looks, looks**-0.5, (worlds, looks)).cumsum(axis=1) / np.sqrt(shares)
    found = (z > [boundary(share, 0.05) for share in shares.tolist()]).any(axis=1).mean()
    assert 0.77 < found < 0.815  # looks are few, not continuous: a little less
    with pytest.raises(SettingError, match="power is 0"):
        sequential_inflation(power=0)


# ---- running intersection


def looks_at(*differences: float) -> list:
    control = [Moments.from_summary(n, 1.0, 1.0) for n in 1000 * np.arange(1, len(differences) + 1)]
    treated = [Moments.from_summary(c.n, 1.0 + d, 1.0) for c, d in zip(control, differences, strict=True)]
    return [always_valid(t, c, planned=4000) for t, c in zip(treated, control, strict=True)]


def test_intersection_never_grows() -> None:
    looks = looks_at(0.1, -0.02, 0.06, 0.05)
    found = running_intersection(looks)
    assert found.low == tuple(np.maximum.accumulate([e.low for e in looks]))
    assert found.high == tuple(np.minimum.accumulate([e.high for e in looks]))
    assert found.p_value == tuple(np.minimum.accumulate([e.p_value for e in looks]))
    assert found.empty is None
    assert found.sentence == "The intervals of 4 looks have values in common."


def test_an_empty_intersection_says_so() -> None:
    found = running_intersection(looks_at(0.5, 0.5, -0.2, -0.2))
    assert found.empty == 2
    assert math.isnan(found.low[2])
    assert math.isnan(found.high[3])
    assert not math.isnan(found.low[1])
    assert found.sentence.startswith("No value lies in all intervals up to look 3 of 4. That happens in at most 5.0%")


def test_intersection_of_no_looks_and_of_wrong_ones() -> None:
    assert running_intersection([]).low == ()
    with pytest.raises(DataError, match="intervals by 'Welch' hold at one look"):
        running_intersection([welch(A, B)])
    with pytest.raises(DataError, match=r"different rules: always valid at 0\.01, always valid at 0\.05"):
        running_intersection([always_valid(A, B, alpha, planned=900) for alpha in (0.05, 0.01)])
