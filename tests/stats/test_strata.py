"""Post-stratification against the formula, a regression on strata, and by simulation."""

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.stats import Comoments, Moments, cuped, ratio, stratified, welch

SLACK = 3 * (0.05 * 0.95) ** 0.5


def cells(y: np.ndarray, stratum: np.ndarray, x: np.ndarray | None = None) -> dict[int, Moments]:
    return {int(k): Moments.of(y[stratum == k], None if x is None else x[stratum == k]) for k in np.unique(stratum)}


def world(rng: np.random.Generator, n: int, m: int, lift: float = 0.0) -> tuple[dict[int, Moments], dict[int, Moments]]:
    """Skewed revenue in four strata that buy in different numbers."""
    stratum = rng.choice(4, n + m, p=[0.4, 0.3, 0.2, 0.1])
    y = (rng.random(n + m) < np.array([0.05, 0.2, 0.5, 0.9])[stratum]) * rng.lognormal(stratum / 2, 0.6)
    y[:n] *= 1 + lift
    return cells(y[:n], stratum[:n]), cells(y[n:], stratum[n:])


def test_the_formula() -> None:
    """Miratrix, Sekhon & Yu 2013: the sum over strata of (n_k / n)^2 (s_tk^2 / n_tk + s_ck^2 / n_ck)."""
    t, c = world(np.random.default_rng(0), 700, 500)
    n = sum(one.n for one in (*t.values(), *c.values()))
    share = {k: (t[k].n + c[k].n) / n for k in t}
    effect = sum(share[k] * (t[k].mean - c[k].mean) for k in t)
    inside = sum(share[k] ** 2 * (t[k].var / t[k].n + c[k].var / c[k].n) for k in t)
    # an unknown population adds the spread of the strata's effects
    between = sum(share[k] * (t[k].mean - c[k].mean - effect) ** 2 for k in t) / n
    found, known = stratified(t, c), stratified(t, c, weights=share)
    assert found.effect.estimate == pytest.approx(effect)
    assert known.effect.estimate == pytest.approx(effect)
    wide, narrow = (one.effect.high - one.effect.low for one in (found, known))
    assert (wide / narrow) ** 2 == pytest.approx((inside + between) / inside, rel=1e-9)
    assert (narrow / 2 / 1.96) ** 2 == pytest.approx(inside, rel=0.01)


def test_one_stratum_is_the_plain_difference() -> None:
    rng = np.random.default_rng(1)
    t, c = Moments.of(rng.normal(5, 1, 40)), Moments.of(rng.normal(4, 2, 60))
    found = stratified({"all": t}, {"all": c}).effect
    plain = welch(t, c)
    for name in ("estimate", "low", "high", "p_value", "relative_low", "relative_high"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name))


def test_it_agrees_with_indicators_as_covariates() -> None:
    rng = np.random.default_rng(2)
    stratum = rng.choice(3, 4000)
    y = np.array([1.0, 4.0, 9.0])[stratum] + rng.normal(size=4000)
    rows = np.column_stack([y, np.eye(3)[stratum]])
    one = stratified(cells(y[:2000], stratum[:2000]), cells(y[2000:], stratum[2000:]))
    two = cuped(Comoments.of(rows[:2000]), Comoments.of(rows[2000:]))
    width = one.effect.high - one.effect.low
    assert two.effect.estimate == pytest.approx(one.effect.estimate, abs=0.02 * width)
    assert two.effect.high - two.effect.low == pytest.approx(width, rel=0.01)
    assert two.effect.relative_high - two.effect.relative_low == pytest.approx(
        one.effect.relative_high - one.effect.relative_low, rel=0.01
    )
    assert one.variance_reduction > 0.9


def test_a_ratio_of_one_stratum() -> None:
    rng = np.random.default_rng(3)
    arms = []
    for _ in range(2):
        x = 1.0 + rng.poisson(4, 300)
        arms.append(Moments.of(rng.binomial(x.astype(int), 0.3).astype(float), x))
    found, plain = stratified({0: arms[0]}, {0: arms[1]}).effect, ratio(*arms)
    assert (found.low, found.high, found.relative_low) == pytest.approx((plain.low, plain.high, plain.relative_low))


def clicks(rng: np.random.Generator, n: int, lift: float) -> dict[int, Moments]:
    """Clicks per slate; the strata differ in how much they come and in how much they click."""
    stratum = rng.choice(3, n)
    slates = 1 + rng.poisson(np.array([1, 5, 15])[stratum])
    clicked = rng.binomial(slates, np.array([0.1, 0.2, 0.4])[stratum] * (1 + lift))
    return cells(clicked.astype(float), stratum, slates.astype(float))


@pytest.mark.parametrize("kind", ["revenue", "clicks per slate"])
def test_error_rate_and_coverage(kind: str) -> None:
    worlds, true, rng = 400, 0.2, np.random.default_rng(4)
    alarms = covered = 0
    less = []
    for _ in range(worlds):
        for lift in (0.0, true):
            shop = kind == "revenue"
            arms = world(rng, 600, 400, lift) if shop else (clicks(rng, 400, lift), clicks(rng, 600, 0.0))
            found = stratified(*arms)
            e = found.effect
            if lift:
                covered += e.relative_low <= true <= e.relative_high
            else:
                alarms += e.p_value < 0.05
                less.append(found.variance_reduction)
    assert alarms / worlds == pytest.approx(0.05, abs=SLACK / worlds**0.5)
    assert covered / worlds == pytest.approx(0.95, abs=SLACK / worlds**0.5)
    assert np.mean(less) > 0.2


def test_errors() -> None:
    t, c = world(np.random.default_rng(5), 500, 500)
    with pytest.raises(DataError, match="stratum 'x' has 0 users in the control; at least 10 in each arm; merge it"):
        stratified({**t, "x": Moments.of(np.arange(12.0))}, c)
    with pytest.raises(DataError, match="stratum 3 has 0 users in the treatment"):
        stratified({k: v for k, v in t.items() if k != 3}, c)
    with pytest.raises(DataError, match=r"at least 400 in each arm"):
        stratified(t, c, minimum=400)
    with pytest.raises(DataError, match="there are no strata"):
        stratified({}, {})
    with pytest.raises(SettingError, match="minimum is 1; at least 2"):
        stratified(t, c, minimum=1)
    with pytest.raises(SettingError, match="the weights and the strata differ in 'de', 3"):
        stratified(t, c, weights={0: 1, 1: 1, 2: 1, "de": 2})
    with pytest.raises(SettingError, match="none is negative"):
        stratified(t, c, weights={0: 1, 1: 1, 2: 1, 3: -1})
    empty = {0: Moments.of(np.zeros(20), np.zeros(20))}
    with pytest.raises(DataError, match="denominator of the ratio sums to zero"):
        stratified(empty, empty)
