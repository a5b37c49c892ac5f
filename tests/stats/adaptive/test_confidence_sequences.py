"""Confidence sequences under a bandit: equal to loops written from the formulas, and their error rate at all rounds."""

import math

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive import (
    AdaptiveLog,
    Band,
    BoundedScores,
    aipw,
    average_effect,
    betting,
    bounded_contrast,
    bounded_value,
    empirical_bernstein,
    lyapunov,
    lyapunov_p_values,
    mixing_rate,
    mixture,
)
from recloop.stats.mixture import boundary, rho_square

# ---- Lyapunov


@pytest.mark.parametrize("centred", [True, False])
def test_lyapunov_against_a_loop(centred: bool) -> None:
    scores = np.random.default_rng(1).gamma(2.0, 1.0, 50)
    band, square = lyapunov(scores, planned=40, variance=3.0, centred=centred), rho_square(40) / 3.0
    for t in range(1, 51):
        part = scores[:t]
        v = ((part - part.mean() * centred) ** 2).sum()
        half = math.sqrt(2 * (v * square + 1) / (t**2 * square) * math.log(math.sqrt(v * square + 1) / 0.05))
        assert band.estimate[t - 1] == pytest.approx(part.mean())
        assert band.high[t - 1] - part.mean() == pytest.approx(half)
        assert part.mean() - band.low[t - 1] == pytest.approx(half)


def test_lyapunov_agrees_with_the_sequence_of_two_arms() -> None:
    """With a variance of v per round it is as wide as the asymptotic sequence for a common variance."""
    scores = np.tile([1.0, -1.0], 500)
    band = lyapunov(scores, planned=1000, variance=1.0)
    assert band.high[-1] == pytest.approx(boundary(1000 * rho_square(1000), 0.05) / math.sqrt(1000))


def test_p_values_fall_below_alpha_where_zero_is_left_out() -> None:
    scores = np.random.default_rng(2).normal(0.15, 1.0, (20, 800))
    band, p = (f(scores, planned=500, variance=1.0) for f in (lyapunov, lyapunov_p_values))
    np.testing.assert_array_equal(p < 0.05, (band.low > 0) | (band.high < 0))
    assert 0.2 < (p[:, -1] < 0.05).mean() < 1.0


def test_bands_may_be_cut_by_those_before() -> None:
    band = Band(np.zeros(3), np.array([-2.0, -1.0, -3.0]), np.array([2.0, 3.0, 1.0])).intersection()
    assert band.low.tolist() == [-2.0, -1.0, -1.0]
    assert band.high.tolist() == [2.0, 2.0, 1.0]
    assert bool(band.covers(0.5))
    assert not bool(band.covers(1.5))


# ---- the mixture design


def test_mixture_keeps_every_arm_above_the_even_share() -> None:
    t = np.arange(1, 1001)
    e = mixture(np.tile([1.0, 0.0, 0.0], (1000, 1)), t, decay=0.2)
    np.testing.assert_allclose(e.sum(axis=1), 1.0)
    np.testing.assert_allclose(e[:, 1], t**-0.2 / 3)
    assert (mixing_rate(t, 0.2) * t**0.25 >= 1).all()


def test_the_mixture_may_not_fade_too_fast() -> None:
    with pytest.raises(SettingError, match=r"decay is 0.25; .*slower than t\^\(-1/4\)"):
        mixing_rate([1, 2], 0.25)
    with pytest.raises(SettingError, match="round 0 is named"):
        mixing_rate([0, 1])
    with pytest.raises(SettingError, match="does not sum to one"):
        mixture([0.5, 0.2], 3)


@pytest.mark.parametrize("design_based", [False, True])
@pytest.mark.parametrize("greedy", [False, True])
def test_the_average_effect_is_covered_at_all_rounds(worlds, greedy, design_based) -> None:
    log = worlds(31, 400, 1500, greedy=greedy, mixed=True)
    band = average_effect(log, 1, 0, planned=1500, variance=2.0, design_based=design_based)
    assert band.covers(0.0).mean() > 0.95 - 3 * (0.05 * 0.95 / 400) ** 0.5


def test_design_based_is_the_published_interval() -> None:
    rng = np.random.default_rng(8)
    e = np.stack([1 - (chance := rng.uniform(0.2, 0.8, 40)), chance], axis=1)
    arms, y = (rng.random(40) < chance).astype(int), rng.random(40)
    band = average_effect(AdaptiveLog.of(arms, y, e), 1, 0, planned=40, variance=1.0, design_based=True)
    effects = arms * y / chance - (1 - arms) * y / (1 - chance)
    bounds = arms * y**2 / chance**2 + (1 - arms) * y**2 / (1 - chance) ** 2
    eta, s = rho_square(40), bounds.sum()
    half = math.sqrt(2 * (s * eta + 1) / (40**2 * eta) * math.log(math.sqrt(s * eta + 1) / 0.05))
    assert band.estimate[-1] == pytest.approx(effects.mean())
    assert band.high[-1] - band.estimate[-1] == pytest.approx(half)


def test_drifting_effects_are_followed_by_the_design_based_interval() -> None:
    rng, t = np.random.default_rng(6), np.arange(1, 2001)
    effect = 0.4 * np.sin(t / 300)
    truth = np.cumsum(effect) / t
    e = np.full((300, 2000, 2), 0.5)
    arms = rng.integers(0, 2, (300, 2000))
    y = (rng.random((300, 2000)) < 0.5 + effect * (arms - 0.5)).astype(float)
    band = average_effect(AdaptiveLog.of(arms, y, e), 1, 0, planned=2000, variance=2.0, design_based=True)
    assert ((band.low <= truth) & (truth <= band.high)).all(axis=1).mean() > 0.95 - 3 * (0.05 * 0.95 / 300) ** 0.5


# ---- bounded rewards


@pytest.mark.parametrize("floor", [0.0, 0.5, 3.0])
def test_bounded_scores_have_their_floor_and_their_mean(floor: float) -> None:
    """Given the past, the mean over arms and rewards of each score is exactly its target."""
    e, m = np.array([0.05, 0.25, 0.7]), np.array([0.9, 0.2, 0.5])
    p = np.array([0.1, 0.6, 0.95])  # chance of a reward of 1
    value, gap = np.zeros(2), np.zeros(2)
    for arm in range(3):
        for reward, chance in ((0.0, e[arm] * (1 - p[arm])), (1.0, e[arm] * p[arm])):
            log = AdaptiveLog.of([arm], [reward], [e])
            one = bounded_value(log, 0, predictions=m[None], floor=floor)
            two = bounded_contrast(log, 0, 2, predictions=m[None], floor=floor)
            for scores in (one, two):
                assert min(scores.of_value.min(), scores.of_rest.min()) >= -scores.floor
            value += chance * np.array([one.of_value[0], one.of_rest[0]])
            gap += chance * np.array([two.of_value[0], two.of_rest[0]])
    np.testing.assert_allclose(value, [0.1, 0.9])
    np.testing.assert_allclose(two.low + (two.high - two.low) * gap[0], 0.1 - 0.95)
    np.testing.assert_allclose(gap.sum(), 1.0)


def some_scores(seed: int = 3, floor: float = 1.0) -> BoundedScores:
    rng = np.random.default_rng(seed)
    arms = (rng.random(120) < 0.4).astype(int)
    log = AdaptiveLog.of(arms, rng.beta(2, 3, 120), np.tile([0.6, 0.4], (120, 1)))
    return bounded_value(log, 1, floor=floor)


def bets(x: np.ndarray, ceiling: float, alpha: float, largest: float) -> tuple[list[float], list[float]]:
    means, stakes, squares, mean, variance = [], [], 0.25, ceiling / 2, 0.25
    for t in range(1, len(x) + 1):
        means.append(mean)
        stakes.append(min(math.sqrt(2 * math.log(1 / alpha) / (variance * t * math.log(1 + t))), largest))
        mean = min((ceiling / 2 + x[:t].sum()) / (t + 1), ceiling)
        squares += (x[t - 1] - mean) ** 2
        variance = squares / (t + 1)
    return means, stakes


def test_empirical_bernstein_against_a_loop() -> None:
    scores = some_scores()
    ends = []
    for column in (scores.of_value, scores.of_rest):
        x = column / 2
        means, stakes = bets(x, 0.5, 0.025, 0.5)
        won = spent = stake = 0.0
        best, row = 0.0, []
        for xi, m, b in zip(x, means, stakes, strict=True):
            won, stake = won + b * xi, stake + b
            spent += (xi - m) ** 2 * (-math.log(1 - b) - b)
            best = max(best, 2 * (won - math.log(40) - spent) / stake)
            row.append(best)
        ends.append(np.array(row))
    band = empirical_bernstein(scores)
    np.testing.assert_allclose(band.low, ends[0], atol=1e-12)
    np.testing.assert_allclose(band.high, 1 - ends[1], atol=1e-12)


def test_betting_against_a_loop_over_candidates() -> None:
    scores, grid = some_scores(), 40
    band = betting(scores, grid=grid)
    ends = []
    for column in (scores.of_value, scores.of_rest):
        _, stakes = bets(column / 2, 0.5, 0.025, math.inf)
        row = np.zeros(120)
        for m in np.arange(1, grid) / grid:
            capital = 1.0
            for t, (score, b) in enumerate(zip(column, stakes, strict=True)):
                capital *= 1 + min(b / 2, 0.5 / (m + 1)) * (score - m)
                assert capital > 0
                if capital >= 40:
                    row[t:] = np.maximum(row[t:], m)
        ends.append(row)
    assert ends[0].max() > 0
    np.testing.assert_allclose(band.low, ends[0], atol=1e-12)
    np.testing.assert_allclose(band.high, 1 - ends[1], atol=1e-12)


def test_capital_falls_as_the_candidate_grows() -> None:
    """Hence the candidates that remain are an interval, and the search may stop at the first that nobody got rich on."""
    scores = some_scores(floor=2.0)
    _, stakes = bets(scores.of_value / 3, 1 / 3, 0.025, math.inf)
    m = np.linspace(0.01, 0.99, 99)[:, None]
    growth = 1 + np.minimum(np.array(stakes) / 3, 0.5 / (m + 2)) * (scores.of_value - m)
    assert (np.diff(np.cumprod(growth, axis=1), axis=0) < 0).all()


@pytest.mark.parametrize("method", [empirical_bernstein, lambda s: betting(s, grid=60)])
@pytest.mark.parametrize("greedy", [False, True])
def test_bounded_sequences_hold_at_all_rounds(worlds, method, greedy) -> None:
    log = worlds(41, 200, 600, greedy=greedy)
    slack = 3 * (0.05 * 0.95 / 200) ** 0.5
    value, gap = method(bounded_value(log, 0)), method(bounded_contrast(log, 0, 1))
    assert value.covers(0.3).mean() > 0.95 - slack
    assert gap.covers(0.0).mean() > 0.95 - slack
    assert ((value.high - value.low)[:, -1] < 0.9).mean() > 0.7  # and they say something


def test_bounds_in_another_unit() -> None:
    rng = np.random.default_rng(12)
    arms, y = rng.integers(0, 2, 300), rng.random(300)
    log, scaled = (AdaptiveLog.of(arms, r, np.full((300, 2), 0.5)) for r in (y, 3 * y - 1))
    one, two = betting(bounded_value(log, 1)), betting(bounded_value(scaled, 1, low=-1, high=2))
    np.testing.assert_allclose(two.low, 3 * one.low - 1)
    np.testing.assert_allclose(two.high, 3 * one.high - 1)
    np.testing.assert_allclose(two.estimate, 3 * one.estimate - 1)


def test_what_bounded_sequences_need() -> None:
    log = AdaptiveLog.of([0, 1], [0.0, 3.0], np.full((2, 2), 0.5))
    with pytest.raises(DataError, match="rewards run from 0 to 3; 0 to 1 was promised"):
        bounded_value(log, 0)
    with pytest.raises(SettingError, match="low is below high"):
        bounded_value(log, 0, low=3, high=0)
    with pytest.raises(SettingError, match="the floor is -1"):
        bounded_contrast(log, 0, 1, high=3, floor=-1)
    with pytest.raises(SettingError, match="grid is 1"):
        betting(bounded_value(log, 0, high=3), grid=1)
    with pytest.raises(SettingError, match="variance is 0"):
        lyapunov(aipw(log)[:, 0], planned=100, variance=0)
