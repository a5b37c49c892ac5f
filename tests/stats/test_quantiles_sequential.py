"""Anytime-valid quantiles: the bound against its definition, coverage at every look, ties, and two arms."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from recloop.errors import DataError, SettingError
from recloop.stats import quantile_difference_sequence, quantile_sequence
from recloop.stats.mixture import rho_square
from recloop.stats.quantiles_sequential import _Ranks


@pytest.mark.parametrize(("n", "q", "k"), [(30, 0.5, 20), (50, 0.9, 49), (7, 0.2, 0)])
def test_the_martingale_is_a_likelihood_ratio_averaged_over_betas(n: int, q: float, k: int) -> None:
    """Howard and Ramdas (2022): the mixture over Beta(r q, r (1 - q)), here by quadrature."""
    ranks = _Ranks.of(np.arange(n), q, 20.0)
    averaged = quad(lambda p: binom.pmf(k, n, p) * beta.pdf(p, 20 * q, 20 * (1 - q)), 0, 1, epsabs=0)[0]
    assert ranks.log[k] == pytest.approx(math.log(averaged / binom.pmf(k, n, q)), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_the_interval_holds_all_ranks_that_are_not_rejected(alpha: float) -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = quantile_sequence(values, 0.8, alpha, planned=400)
    ordered = np.sort(values)
    kept = np.flatnonzero(_Ranks.of(values, 0.8, 1 / rho_square(400, alpha)).log <= -math.log(alpha))
    assert (found.low, found.high) == (ordered[kept[0] - 1], ordered[kept[-1]])
    assert found.low < found.mean < found.high


def test_too_few_values_have_no_bounds() -> None:
    found = quantile_sequence([1.0, 2.0], 0.5, planned=100)
    assert (found.low, found.high, found.n) == (-math.inf, math.inf, 2)


def test_width_shrinks_to_within_twice_that_of_a_single_look() -> None:
    values = np.random.default_rng(1).random(10_000)
    found = quantile_sequence(values, 0.5, planned=10_000)
    once = np.diff(np.quantile(values, 0.5 + np.array([-1, 1]) * 1.96 * 0.5 / 100))[0]
    assert 1.3 < (found.high - found.low) / once < 1.8


DISTRIBUTIONS = {
    "cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "ties": lambda rng, shape: rng.poisson(0.7, shape).astype(float),
}
TRUTH = {
    ("cauchy", 0.5): (0.0, 0.0),
    ("cauchy", 0.9): (3.0776835, 3.0776835),
    ("ties", 0.5): (1, 1),
    ("ties", 0.9): (2, 2),
}


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_coverage_at_every_one_of_twenty_looks(name: str, q: float) -> None:
    rng, worlds = np.random.default_rng(2), 150
    lost = 0
    for values in DISTRIBUTIONS[name](rng, (worlds, 1000)):
        looks = [quantile_sequence(values[:n], q, planned=1000) for n in range(50, 1001, 50)]
        low, high = TRUTH[name, q]
        lost += any(look.low > low or look.high < high for look in looks)
    assert lost / worlds < 0.05 + 3 * (0.05 * 0.95 / worlds) ** 0.5


def test_two_arms_cover_the_difference_and_the_ratio_at_every_look() -> None:
    rng, worlds, lost, alarms = np.random.default_rng(3), 120, 0, 0
    for _ in range(worlds):
        t, c, same = rng.lognormal(0.3, 1, 600), rng.lognormal(0, 1, 600), rng.lognormal(0, 1, 600)
        looks = [quantile_difference_sequence(t[:n], c[:n], planned=1200) for n in range(30, 601, 30)]
        true, ratio = math.exp(0.3) - 1, math.exp(0.3) - 1
        lost += any(not (e.low <= true <= e.high and e.relative_low <= ratio <= e.relative_high) for e in looks)
        alarms += any(
            quantile_difference_sequence(same[:n], c[:n], planned=1200).p_value < 0.05 for n in range(30, 601, 30)
        )
    slack = 3 * (0.05 * 0.95 / worlds) ** 0.5
    assert lost / worlds < 0.05 + slack
    assert alarms / worlds < 0.05 + slack


def test_two_arms_are_narrower_than_two_intervals_at_half_of_alpha() -> None:
    rng = np.random.default_rng(4)
    t, c = rng.normal(0.3, 1, 800), rng.normal(0, 1, 500)
    e = quantile_difference_sequence(t, c, 0.7, planned=1300)
    one, two = (quantile_sequence(x, 0.7, 0.025, planned=650) for x in (t, c))
    assert e.high - e.low < 0.9 * ((one.high - two.low) - (one.low - two.high))


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.45])
def test_p_value_belongs_to_the_interval(shift: float) -> None:
    """With the prior's weight as it is, zero is left out exactly below the p-value."""
    rng = np.random.default_rng(5)
    t, c = np.round(rng.normal(shift, 1, 700), 1), np.round(rng.normal(0, 1, 500), 1)
    e = quantile_difference_sequence(t, c, planned=1200)
    assert (e.p_value < 0.05) == (e.low > 0 or e.high < 0)
    # by brute force over all pairs of ranks that one value allows
    weight = 1 / (2 * rho_square(1200))
    ranks = [_Ranks.of(x, 0.5, weight) for x in (t, c)]
    least = math.inf
    for place in np.unique(np.concatenate([t, c])):
        sums = [r.log[(r.values < place).sum() : (r.values <= place).sum() + 1].min() for r in ranks]
        least = min(least, sum(sums))
    assert e.p_value == pytest.approx(min(math.exp(-least), 1.0))


def test_relative_change_needs_a_control_above_zero() -> None:
    rng = np.random.default_rng(6)
    t, c = rng.normal(0, 1, 300), rng.normal(0, 1, 300)
    e = quantile_difference_sequence(t, c, planned=600)
    assert math.isnan(e.relative)
    assert not e.bounded
    f = quantile_difference_sequence(t + 10, c + 10, planned=600)
    assert f.relative_low < f.relative < f.relative_high
    assert f.low == pytest.approx(e.low)


def test_errors() -> None:
    with pytest.raises(DataError, match="0 of 0 values are NaN or infinite; at least one value"):
        quantile_sequence([], planned=10)
    with pytest.raises(DataError, match="1 of 2 values are NaN"):
        quantile_sequence([1.0, math.nan], planned=10)
    with pytest.raises(SettingError, match="q is 1"):
        quantile_sequence([1.0], 1, planned=10)
    with pytest.raises(SettingError, match="planned is 1"):
        quantile_difference_sequence([1.0], [2.0], planned=1)
