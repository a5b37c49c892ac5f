"""Group-sequential designs against published boundaries, multivariate-normal integrals and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from recloop.errors import DataError, SettingError
from recloop.stats import (
    GroupSequential,
    Moments,
    hwang_shih_decani_spending,
    obrien_fleming_spending,
    pocock_spending,
    power_spending,
    welch,
)
from recloop.stats.spending import Spending

FIVE = [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    [(1, 1.960, 1.960), (2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_constants_of_jennison_and_turnbull(looks: int, pocock: float, obrien_fleming: float) -> None:
    """J&T (2000), tables 2.1 and 2.3, alpha = 0.05 two-sided."""
    times = range(1, looks + 1)
    assert GroupSequential.pocock(times).boundary[-1] == pytest.approx(pocock, abs=6e-4)
    assert GroupSequential.obrien_fleming(times).boundary[-1] == pytest.approx(obrien_fleming, abs=6e-4)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        (obrien_fleming_spending, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        (pocock_spending, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_spending_boundaries_of_ldbounds(spending: Spending, published: tuple[float, ...]) -> None:
    """R package ldbounds (Casper & Perez), its examples: five even looks, alpha = 0.05 two-sided; its grid is coarser."""
    assert GroupSequential.spend(FIVE, spending).boundary == pytest.approx(published, abs=2e-4)


def test_one_sided_boundaries_of_seqbounds() -> None:
    """Julia package SeqBounds, the example of its README: alpha = 0.05 one-sided, O'Brien-Fleming spending."""
    design = GroupSequential.spend([0.25, 0.5, 0.75, 1.0], alternative="greater")
    assert design.boundary == pytest.approx((3.74955, 2.53993, 2.01604, 1.72014), abs=2e-4)


def test_one_sided_spending_of_gsdesign() -> None:
    """R package gsDesign, its default: Hwang-Shih-DeCani, gamma = -4, three looks, alpha = 0.025 one-sided."""
    design = GroupSequential.spend([1, 2, 3], hwang_shih_decani_spending(-4), 0.025, alternative="greater")
    assert design.boundary == pytest.approx((3.0107, 2.5465, 1.9992), abs=6e-5)
    assert design.power(0.0) == pytest.approx(0.025, abs=1e-9)


DESIGNS = {
    "pocock": GroupSequential.pocock([2, 3, 7]),
    "wang_tsiatis": GroupSequential.wang_tsiatis([1, 1.5, 4], 0.25, 0.01),
    "power, uneven": GroupSequential.spend([3, 4, 10], power_spending(2)),
    "one-sided": GroupSequential.spend([1, 4, 9], pocock_spending, 0.025, alternative="greater"),
    "less": GroupSequential.obrien_fleming([1, 2, 5], alternative="less"),
}


@pytest.mark.parametrize("drift", [0.0, 2.5])
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS.keys())
def test_power_against_multivariate_normal_integration(design: GroupSequential, drift: float) -> None:
    """The z of three looks are normal with covariance sqrt(I_j / I_k); scipy's integral over the region without end."""
    info = np.array(design.information)
    covariance = np.sqrt(np.minimum.outer(info, info) / np.maximum.outer(info, info))
    mean = drift * np.sqrt(info / info[-1])
    bound = np.array(design.boundary)
    low = -bound if design.alternative == "two-sided" else np.full(3, -12.0)
    inside = multivariate_normal(mean, covariance, abseps=1e-8, releps=1e-8, maxpts=400_000, seed=1)
    assert design.power(drift) == pytest.approx(1 - inside.cdf(bound, lower_limit=low), abs=2e-6)
    if not drift:
        assert design.power(0.0) == pytest.approx(design.alpha, abs=1e-8)


def test_spending_is_what_the_function_says_look_by_look() -> None:
    info = np.array([100.0, 130.0, 900.0, 1000.0])
    for spending in (obrien_fleming_spending, pocock_spending, power_spending(3), hwang_shih_decani_spending(1)):
        up, down = GroupSequential.spend(info.tolist(), spending, 0.04).crossing(0.0)
        assert up.cumsum() == pytest.approx(spending(info / 1000, 0.02), abs=1e-10)
        assert down == pytest.approx(up)


def test_boundaries_do_not_depend_on_looks_to_come_and_nothing_is_left_beyond_the_plan() -> None:
    some = GroupSequential.spend([10, 25], planned=50)
    more = GroupSequential.spend([10, 25, 50, 60], planned=50)
    assert more.boundary[:2] == some.boundary
    assert more.boundary[3] == math.inf
    assert more.power(0.0) == pytest.approx(0.05, abs=1e-9)


def test_spending_functions_end_at_alpha_and_agree_where_they_should() -> None:
    share = np.array([0.0, 0.3, 1.0])
    for spending in (obrien_fleming_spending, pocock_spending, power_spending(1.5), hwang_shih_decani_spending(-4)):
        assert spending(share, 0.03)[[0, 2]] == pytest.approx([0.0, 0.03])
    assert hwang_shih_decani_spending(0)(share, 0.03) == pytest.approx(power_spending(1)(share, 0.03))
    assert hwang_shih_decani_spending(1e-9)(share, 0.03) == pytest.approx(power_spending(1)(share, 0.03))


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_inflation_is_what_restores_the_power(power: float) -> None:
    """By scipy's multivariate normal; about 1.21 and 1.03 for five looks at power 0.9 (J&T 2000, tables 2.2 and 2.4)."""
    covariance = np.sqrt(np.minimum.outer(FIVE, FIVE) / np.maximum.outer(FIVE, FIVE))
    for design, about in ((GroupSequential.pocock(FIVE), 1.215), (GroupSequential.obrien_fleming(FIVE), 1.027)):
        inflation = design.inflation(power)
        drift = math.sqrt(inflation) * (norm.ppf(0.975) + norm.ppf(power))
        inside = multivariate_normal(
            drift * np.sqrt(np.array(FIVE) / 5), covariance, abseps=1e-7, maxpts=400_000, seed=1
        )
        bound = np.array(design.boundary)
        assert 1 - inside.cdf(bound, lower_limit=-bound) == pytest.approx(power, abs=2e-5)
        assert inflation == pytest.approx(about, abs=0.015)


def test_a_single_look_is_the_usual_test() -> None:
    once = GroupSequential.pocock([7])
    assert once.inflation(0.9) == pytest.approx(1.0, abs=1e-6)
    assert once.expected_share(1.0) == 1.0
    assert once.p_value(2.1, 0) == pytest.approx(2 * norm.sf(2.1))


def test_power_expected_size_and_p_values_by_simulation() -> None:
    rng, worlds = np.random.default_rng(3), 100_000
    design = GroupSequential.spend([1, 2.5, 3, 5], pocock_spending)
    steps = np.diff(np.array(design.information), prepend=0.0)
    for drift in (0.0, 2.8):
        increments = rng.normal(drift / math.sqrt(5) * steps, np.sqrt(steps), (worlds, 4))
        z = increments.cumsum(axis=1) / np.sqrt(design.information)
        out = np.abs(z) > design.boundary
        ended = out.any(axis=1)
        last = np.where(ended, out.argmax(axis=1), 3)
        share = (np.array(design.information)[last] / 5).mean()
        assert design.power(drift) == pytest.approx(ended.mean(), abs=6e-3)
        assert design.expected_share(drift) == pytest.approx(share, abs=4e-3)
        if not drift:  # p-values of ended experiments are uniform
            p = np.array([design.p_value(z[i, k], k) for i, k in enumerate(last[:1500].tolist())])
            for level in (0.02, 0.05, 0.3):
                assert (p < level).mean() == pytest.approx(level, abs=4 * (level / 1500) ** 0.5)


def test_the_p_value_of_an_ended_experiment_is_at_most_alpha_beyond_a_boundary() -> None:
    for design in DESIGNS.values():
        sign = -1 if design.alternative == "less" else 1
        for look, bound in enumerate(design.boundary):
            assert design.p_value(sign * (bound + 1e-6), look) <= design.alpha
        assert design.p_value(sign * (design.boundary[-1] - 1e-6), 2) > design.alpha
        assert design.p_value(sign * design.boundary[-1], 2) == pytest.approx(design.alpha, rel=1e-3)


def test_effect_at_a_look() -> None:
    a, b = Moments.from_summary(500, 0.6, 0.24), Moments.from_summary(500, 0.5, 0.25)
    design = GroupSequential.obrien_fleming([1000, 2000])
    e, once = design.effect(a, b, look=0), welch(a, b)
    assert (e.high - e.low) / (once.high - once.low) == pytest.approx(design.boundary[0] / 1.96, rel=2e-3)
    assert e.p_value == pytest.approx(2 * norm.sf(e.estimate / (a.var / 500 + b.var / 500) ** 0.5))
    less = Moments.from_summary(500, 0.58, 0.25)
    assert (design.effect(less, b, look=0).p_value, design.effect(less, b, look=0).low < 0) == (1.0, True)  # goes on
    assert 0.05 > design.effect(less, b, look=1).p_value > 2 * norm.sf(0.08 / (less.var / 500 + b.var / 500) ** 0.5)
    up = GroupSequential.obrien_fleming([1000, 2000], alternative="greater").effect(a, b, look=0)
    assert (up.high, up.low > e.low) == (math.inf, True)


def test_all_users_alike_and_a_look_that_cannot_end_it() -> None:
    one, zero = Moments.of([1.0, 1.0]), Moments.of([0.0, 0.0])
    design = GroupSequential.spend([0.01, 100], planned=100)
    same = design.effect(one, one, look=0)
    assert (design.boundary[0], same.low, same.high, same.p_value) == (math.inf, 0.0, 0.0, 1.0)
    assert design.effect(one, zero, look=0).p_value == 0.0
    early = design.effect(Moments.of([1.0, 2.0]), Moments.of([0.0, 1.0]), look=0)
    assert (early.low, early.high, early.bounded) == (-math.inf, math.inf, False)


def test_errors() -> None:
    with pytest.raises(SettingError, match=r"the information of the looks is \[2, 1\]; numbers above 0, each above"):
        GroupSequential.pocock([2, 1])
    with pytest.raises(SettingError, match="1 boundaries for 2 looks"):
        GroupSequential((1, 2), (2.0,))
    with pytest.raises(SettingError, match="the planned information is 0"):
        GroupSequential.spend([1, 2], planned=0)
    with pytest.raises(SettingError, match=r"power is 0\.01"):
        GroupSequential.pocock([1, 2]).drift(0.01)
    with pytest.raises(SettingError, match="rho is 0"):
        power_spending(0)
    with pytest.raises(SettingError, match="gamma is inf"):
        hwang_shih_decani_spending(math.inf)
    with pytest.raises(DataError, match="look 2 of 2; 0 is the first look"):
        GroupSequential.pocock([1, 2]).p_value(1.0, 2)
