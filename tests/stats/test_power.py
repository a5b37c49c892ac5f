"""Sizes against statsmodels, published examples, and experiments that are run at the size that was computed."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from recloop.errors import SettingError
from recloop.stats import (
    Moments,
    always_valid,
    detectable_change,
    sample_size,
    sample_size_of_shares,
    sequential_inflation,
    welch,
)
from recloop.stats.duration import days_needed, users_by_day
from recloop.stats.many_treatments import dunnett, per_comparison
from recloop.stats.power import (
    chance_to_find,
    sample_size_of_margin,
    sample_size_of_preference,
)
from recloop.stats.sequences import boundary


@pytest.mark.parametrize(("effect", "alpha", "power", "share"), [(0.2, 0.05, 0.8, 0.5), (0.05, 0.01, 0.9, 0.2)])
def test_against_statsmodels(effect: float, alpha: float, power: float, share: float) -> None:
    control = NormalIndPower().solve_power(effect, alpha=alpha, power=power, ratio=share / (1 - share))
    users = sample_size(1.0, effect, alpha=alpha, power=power, share=share)
    assert users == pytest.approx(control / (1 - share), abs=1.5)
    found = NormalIndPower().power(effect, users * (1 - share), alpha, share / (1 - share))
    assert chance_to_find(1.0, effect, users, alpha=alpha, share=share) == pytest.approx(found, abs=1e-9)
    # Student's t asks for a user or two more an arm than the normal
    student = TTestIndPower().solve_power(effect, alpha=alpha, power=power, ratio=share / (1 - share)) / (1 - share)
    assert 0 < student - users < 12


def test_one_mean_against_statsmodels() -> None:
    wins, losses = 0.30, 0.22
    deviation = math.sqrt(wins + losses - (wins - losses) ** 2)
    one_sample = NormalIndPower().solve_power((wins - losses) / deviation, alpha=0.05, power=0.9, ratio=0)
    assert sample_size_of_preference(wins, losses, power=0.9) == math.ceil(one_sample - 1e-6)


def test_shares_against_statsmodels() -> None:
    users = sample_size_of_shares(0.10, 0.12)
    assert power_proportions_2indep(0.02, 0.10, users / 2).power == pytest.approx(0.8, abs=0.001)


def test_shares_published() -> None:
    # 10% against 12%, 80% power: 3,839 an arm with unpooled variances (Fleiss, Levin, Paik, equation 4.14 gives 3,841 pooled)
    assert sample_size_of_shares(0.10, 0.12) == pytest.approx(2 * 3839, abs=2)


def test_means_published() -> None:
    """Examples from books and papers; a one-sided test at 5% is the two-sided one at 10%."""
    # Chow, Shao, Wang (2nd edition, page 61): sd 10, margin 5, no true difference, one-sided 5%, power 80%: 50 an arm
    assert math.ceil(sample_size_of_margin(100.0, 5.0, alpha=0.10) / 2) == 50
    # Rosner, Fundamentals of Biostatistics (7th edition, pages 302-303), one-sided 5%, power 80%, twice as many in B: 85 in A
    users = sample_size(18.23**2, 132.86 - 127.44, alpha=0.10, share=1 / 3, treatment_variance=15.34**2)
    assert math.ceil(users / 3) == 85
    # Kohavi, Longbotham, Sommerfield, Henne (DMKD 18, 2009), section 3.1, by the rule 16 variance / change^2 an arm,
    # which rounds 2 (1.96 + 0.84)^2 = 15.7 up
    for variance, change, published in ((30.0**2, 0.05 * 3.75, 409_600), (0.05 * 0.95, 0.0025, 121_600)):
        assert sample_size(variance, change) / 2 == pytest.approx(published * 15.698 / 16, rel=1e-3)


def test_dunnett_published() -> None:
    # Dunnett, "New tables for multiple comparisons with a control", Biometrics 20 (1964), two-sided 5%, infinite df
    for treatments, critical in ((1, 1.96), (2, 2.21), (3, 2.35), (4, 2.44), (5, 2.51)):
        assert scipy.stats.norm.isf(dunnett(0.05, treatments) / 2) == pytest.approx(critical, abs=0.006)


@pytest.mark.parametrize(("treatments", "share", "alpha"), [(2, 0.5, 0.05), (3, 0.3, 0.01), (4, 0.7, 0.1)])
def test_dunnett_against_the_normal_in_many_dimensions(treatments: int, share: float, alpha: float) -> None:
    each = dunnett(alpha, treatments, share)
    c = np.full(treatments, scipy.stats.norm.isf(each / 2))
    alike = np.full((treatments, treatments), share)
    np.fill_diagonal(alike, 1.0)
    normal = scipy.stats.multivariate_normal(cov=alike, seed=1)
    assert 1 - normal.cdf(c, lower_limit=-c) == pytest.approx(alpha, abs=2e-5)
    assert per_comparison(alpha, treatments) < each < alpha


def test_the_change_that_can_be_found_turns_sample_size_around() -> None:
    settings = {"alpha": 0.02, "power": 0.9, "share": 0.3, "correlation": 0.5, "inflation": 1.3}
    users = sample_size(3.0, 0.1, **settings)
    assert detectable_change(3.0, users, **settings) == pytest.approx(0.1, rel=1e-3)


def test_a_ratio_is_sized_from_a_pilot() -> None:
    pilot = Moments.of([1.0, 0.0, 3.0, 2.0], [5.0, 2.0, 9.0, 4.0])
    assert sample_size(pilot.unit_variance, 0.01) > sample_size(pilot.unit_variance, 0.02) > 0


def test_a_covariate_saves_what_its_correlation_says() -> None:
    """Found with the wanted power where the covariate is taken out, at the size that was computed for it."""
    rng, rho = np.random.default_rng(1), 0.7
    users = sample_size(1.0, 0.2, correlation=rho)
    assert users == pytest.approx(sample_size(1.0, 0.2) * (1 - rho * rho), abs=1)
    found = 0
    for _ in range(1000):
        before, rest = rng.normal(size=(2, users))
        y = rho * before + math.sqrt(1 - rho * rho) * rest
        treated = np.arange(users) % 2 == 0
        left = y - rho * before + 0.2 * treated
        found += welch(Moments.of(left[treated]), Moments.of(left[~treated])).p_value < 0.05
    assert found / 1000 == pytest.approx(0.8, abs=0.04)


def test_a_sequential_experiment_has_the_power_it_was_sized_for() -> None:
    """Looked at 40 times on the way to the size that was computed, and found at any of them."""
    rng, looks = np.random.default_rng(2), 40
    arm = sample_size(1.0, 0.2, inflation=sequential_inflation()) // 2
    at = np.linspace(arm / looks, arm, looks).astype(int)
    steps = np.sqrt(np.diff(at, prepend=0))
    sums = np.cumsum(rng.normal(size=(600, 2, looks)) * steps, axis=2) + np.array([[0.2], [0.0]]) * at
    found = 0
    for path in sums / at:
        for users, t, c in zip(at.tolist(), *path.tolist(), strict=True):
            arms = Moments.from_summary(users, t, 1.0), Moments.from_summary(users, c, 1.0)
            if always_valid(*arms, planned=2 * arm).p_value < 0.05:
                found += 1
                break
    assert found / 600 == pytest.approx(0.8, abs=0.05)
    wide, rare = (boundary(1.0, alpha) / NormalDist().inv_cdf(1 - alpha / 2) for alpha in (0.05, 0.01))
    assert 1 < sequential_inflation() < wide**2  # what is found on the way pays for some of the width
    assert rare < wide  # what is rare costs less to watch


def test_a_preference_is_found_at_its_size() -> None:
    rng = np.random.default_rng(3)
    users = sample_size_of_preference(0.35, 0.25)
    votes = rng.choice([1.0, -1.0, 0.0], (1500, users), p=[0.35, 0.25, 0.4])
    z = votes.mean(1) / (votes.std(1, ddof=1) / math.sqrt(users))
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.035)


def test_a_guardrail_holds_at_its_size() -> None:
    rng = np.random.default_rng(4)
    arm = sample_size_of_margin(1.0, 0.15) // 2
    gaps = rng.normal(0, math.sqrt(2 / arm), 4000)
    held = gaps - 1.959964 * math.sqrt(2 / arm) > -0.15
    assert held.mean() == pytest.approx(0.8, abs=0.02)
    assert (
        sample_size_of_margin(1.0, 0.15, loss=0.05)
        > sample_size_of_margin(1.0, 0.15)
        > sample_size_of_margin(1.0, 0.15, loss=-0.05)
    )


def test_days() -> None:
    curve = [500.0, 300.0, 200.0]
    assert users_by_day(curve, 2).tolist() == [500.0, 800.0]
    assert users_by_day(curve, 5).tolist() == pytest.approx([500, 800, 1000, 1333.3333, 1666.6667])
    assert days_needed(800, curve) == 2
    assert days_needed(801, curve) == 3
    assert days_needed(400, curve, traffic=0.5) == 2
    assert days_needed(1.0, [0.0]) == math.inf
    fortnight = [700.0] * 7 + [100.0] * 7
    assert users_by_day(fortnight, 15)[-1] == 5600 + 100  # as the last week, not as the first days


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample_size(1.0, 0.0), r"the change to find is 0\.0; it is finite and not zero"),
        (lambda: sample_size(1.0, math.inf), "the change to find is inf; it is finite and not zero"),
        (lambda: sample_size(1.0, 0.1, power=1.2), r"power is 1\.2"),
        (lambda: sample_size(1.0, 0.1, share=1.0), "treatment's share"),
        (lambda: sample_size(-1.0, 0.1), "none is negative"),
        (lambda: sample_size(1.0, 0.1, correlation=1.0), r"correlation is 1\.0; it lies between -1 and 1"),
        (lambda: sample_size(1.0, 0.1, inflation=0.9), r"inflation is 0\.9; at least 1: ending early costs users"),
        (lambda: sample_size_of_shares(0.0, 0.1), r"a share of users is 0\.0"),
        (lambda: sample_size_of_margin(1.0, 0.1, loss=0.1), "a loss as large as the margin never passes"),
        (lambda: sample_size_of_preference(0.3, 0.3), "as many users prefer one as the other"),
        (lambda: sample_size_of_preference(0.7, 0.4), "two shares of users, at most 1 together"),
        (lambda: detectable_change(1.0, 1), "1 users"),
        (lambda: chance_to_find(1.0, 0.1, 1), "1 users"),
        (lambda: dunnett(0.05, 0), "0 treatments; at least 1"),
        (lambda: dunnett(0.05, 2, 1.0), "treatment's share of users lies between 0 and 1"),
        (lambda: per_comparison(0.05, 0), "0 treatments; at least 1"),
        (lambda: users_by_day([], 3), "at least one number, none below 0"),
        (lambda: users_by_day([1.0], 0), "0 days; 1 to 3650"),
        (lambda: days_needed(10, [1.0], traffic=0.0), r"traffic is 0\.0"),
    ],
)
def test_bad_settings(call: object, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        call()
