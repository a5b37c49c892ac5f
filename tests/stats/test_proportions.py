"""Intervals of shares against Newcombe's table, statsmodels, and the likelihood maximised by brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, test_proportions_2indep

from recloop.errors import DataError, SettingError
from recloop.stats import Effect, Moments, miettinen_nurminen, newcombe, wilson

test_proportions_2indep.__test__ = False  # statsmodels' function, not a test
share = Moments.of_share

# R. G. Newcombe, Statistics in Medicine 17 (1998), table II: contrasts (a) to (h), methods 10 and 6; all of them are
# recomputed below, by statsmodels and by brute force
PUBLISHED = [
    ((56, 70), (48, 80), (0.0524, 0.3339), (0.0528, 0.3382)),
    ((9, 10), (3, 10), (0.1705, 0.8090), (0.1700, 0.8406)),
    ((6, 7), (2, 7), (0.0582, 0.8062), (0.0342, 0.8534)),
    ((5, 56), (0, 29), (-0.0381, 0.1926), (-0.0326, 0.1933)),
    ((0, 10), (0, 20), (-0.1611, 0.2775), (-0.1658, 0.2844)),
    ((0, 10), (0, 10), (-0.2775, 0.2775), (-0.2879, 0.2879)),
    ((10, 10), (0, 20), (0.6791, 1.0000), (0.7156, 1.0000)),
    ((10, 10), (0, 10), (0.6075, 1.0000), (0.6636, 1.0000)),
]
counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(("t", "c", "hybrid", "score"), PUBLISHED)
def test_published(t: tuple[int, int], c: tuple[int, int], hybrid: tuple[float, float], score: object) -> None:
    for method, limits in ((newcombe, hybrid), (miettinen_nurminen, score)):
        e = method(share(*t), share(*c))
        assert (e.low, e.high) == pytest.approx(limits, abs=6e-5), e.method


@pytest.mark.parametrize(("ones", "n", "alpha"), [(81, 263, 0.05), (0, 20, 0.05), (1, 148, 0.01), (29, 29, 0.1)])
def test_wilson_against_statsmodels(ones: int, n: int, alpha: float) -> None:
    assert wilson(ones, n, alpha)[1:3] == pytest.approx(proportion_confint(ones, n, alpha, "wilson"), abs=1e-12)


@pytest.mark.parametrize(("t", "c"), [((56, 70), (48, 80)), ((30, 1000), (18, 900)), ((7, 5000), (20, 5000))])
def test_against_statsmodels(t: tuple[int, int], c: tuple[int, int]) -> None:
    hybrid, score = newcombe(share(*t), share(*c)), miettinen_nurminen(share(*t), share(*c))
    assert (hybrid.low, hybrid.high) == pytest.approx(confint_proportions_2indep(*t, *c, method="newcomb"), abs=1e-9)
    oracle = test_proportions_2indep(*t, *c, method="score", compare="diff", correction=True)
    assert score.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    ratio = confint_proportions_2indep(*t, *c, method="score", compare="ratio", correction=True)
    assert (score.relative_low + 1, score.relative_high + 1) == pytest.approx(ratio, rel=1e-6)


# statsmodels 0.14 inverts its own score test of differences to limits that are not those of the table above
def brute_score(t: tuple[int, int], c: tuple[int, int], delta: float) -> float:
    """The score statistic with the restricted likelihood maximised numerically."""

    def less(x: float) -> float:
        return -float(binom.logpmf(*t, x + delta) + binom.logpmf(*c, x))

    x = minimize_scalar(less, bounds=(max(0, -delta), min(1, 1 - delta)), method="bounded", options={"xatol": 1e-13}).x
    n = t[1] + c[1]
    variance = ((x + delta) * (1 - x - delta) / t[1] + x * (1 - x) / c[1]) * n / (n - 1)
    return (t[0] / t[1] - c[0] / c[1] - delta) / math.sqrt(variance)


@pytest.mark.parametrize(("t", "c"), [row[:2] for row in PUBLISHED] + [((5, 56), (1, 29)), ((3, 4000), (9, 2000))])
def test_the_score_interval_ends_where_the_score_test_rejects(t: tuple[int, int], c: tuple[int, int]) -> None:
    e = miettinen_nurminen(share(*t), share(*c))
    assert brute_score(t, c, e.low) == pytest.approx(1.959964, abs=2e-3)
    assert e.high == 1 or brute_score(t, c, e.high) == pytest.approx(-1.959964, abs=2e-3)


@pytest.mark.parametrize(("t", "c"), [row[:2] for row in PUBLISHED])
def test_the_hybrid_interval_of_the_table_against_statsmodels(t: tuple[int, int], c: tuple[int, int]) -> None:
    e = newcombe(share(*t), share(*c))
    assert (e.low, e.high) == pytest.approx(confint_proportions_2indep(*t, *c, method="newcomb"), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(counts, counts, st.sampled_from([0.01, 0.05, 0.2]))
def test_one_p_value_serves_both_scales(t: tuple[int, int], c: tuple[int, int], alpha: float) -> None:
    for method in (newcombe, miettinen_nurminen):
        e = method(share(*t), share(*c), alpha)
        assert -1 <= e.low <= e.estimate <= e.high <= 1
        assert 0 <= e.p_value <= 1
        if abs(e.p_value - alpha) < 1e-6:
            continue
        assert (e.low > 0 or e.high < 0) == (e.p_value < alpha)
        if e.bounded:
            assert -1 <= e.relative_low <= e.relative + 1e-12
            assert e.relative <= e.relative_high + 1e-12
            assert (e.relative_low > 0 or e.relative_high < 0) == (e.p_value < alpha)
        else:
            assert c[0] == 0
            assert math.isnan(e.relative)


@settings(deadline=None, max_examples=40)
@given(counts, counts)
def test_swapping_the_arms_turns_the_interval_around(t: tuple[int, int], c: tuple[int, int]) -> None:
    for method in (newcombe, miettinen_nurminen):
        one, two = method(share(*t), share(*c)), method(share(*c), share(*t))
        assert (one.low, one.high) == pytest.approx((-two.high, -two.low), abs=1e-9)
        assert one.p_value == pytest.approx(two.p_value, rel=1e-6, abs=1e-9)


def test_rare_events_of_many_users_keep_their_figures() -> None:
    """Against the Poisson limit: with 1e8 users a share of 1e-6 is a rate; the score test of two equal samples then is
    (120 - 90)^2 / (120 + 90)."""
    e = miettinen_nurminen(share(120, 10**8), share(90, 10**8))
    assert e.p_value == pytest.approx(math.erfc(30 / math.sqrt(210) / math.sqrt(2)), rel=1e-5)
    assert e.low * 1e8 == pytest.approx(1.61, abs=0.02)
    assert e.high * 1e8 == pytest.approx(58.93, abs=0.02)


def coverage(method: object, p: float, q: float, n: int) -> float:
    """Exact: every pair of counts with its probability."""
    covered = 0.0
    t_odds, c_odds = binom.pmf(np.arange(n + 1), n, p), binom.pmf(np.arange(n + 1), n, q)
    for i in np.flatnonzero(t_odds > 1e-5):
        for j in np.flatnonzero(c_odds > 1e-5):
            e: Effect = method(share(int(i), n), share(int(j), n))
            covered += t_odds[i] * c_odds[j] * (e.low <= p - q <= e.high)
    return covered


@pytest.mark.parametrize("method", [newcombe, miettinen_nurminen])
@pytest.mark.parametrize(("p", "q", "n"), [(0.03, 0.03, 150), (0.08, 0.04, 150), (0.5, 0.3, 30)])
def test_coverage_of_small_shares(method: object, p: float, q: float, n: int) -> None:
    assert 0.94 <= coverage(method, p, q, n) <= 0.985


def test_bad_shares() -> None:
    with pytest.raises(DataError, match="5 of 4 users; a share counts between none and all"):
        share(5, 4)
    with pytest.raises(DataError, match="a share of no users"):
        wilson(0, 0)
    with pytest.raises(DataError, match="an arm has no users"):
        newcombe(share(0, 0), share(1, 2))
    with pytest.raises(DataError, match=r"other values than zero and one.*use stats\.welch"):
        miettinen_nurminen(Moments.of([0.0, 2.0]), share(1, 2))
    with pytest.raises(SettingError, match="alpha is 2"):
        newcombe(share(1, 2), share(1, 2), alpha=2)
