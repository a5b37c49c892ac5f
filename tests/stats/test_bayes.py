"""Beliefs against closed forms, other quadrature, and draws."""

import math

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.special import betaln
from scipy.stats import beta, norm

from recloop.errors import DataError, SettingError
from recloop.stats import Beta, Moments, Normal, beliefs

EVEN = (1.0, 1.0)


def chance_above(one: Beta, two: Beta) -> float:
    """P(two > one) for whole numbers: E. Miller, "Formulas for Bayesian A/B testing" (2015), equation 6."""
    i = np.arange(int(two.a))
    terms = betaln(one.a + i, one.b + two.b) - np.log(two.b + i) - betaln(1 + i, two.b) - betaln(one.a, one.b)
    return float(np.exp(terms).sum())


def loss_of(one: Beta, two: Beta) -> float:
    """E[max(two - one, 0)] in closed form: C. Stucchio, "Bayesian A/B testing at VWO" (2015), section on expected loss."""
    up_two, up_one = Beta(two.a + 1, two.b), Beta(one.a + 1, one.b)
    return two.mean * chance_above(one, up_two) - one.mean * chance_above(up_one, two)


@pytest.mark.parametrize(("a", "b"), [((3, 10), (5, 9)), ((100, 1000), (120, 1000)), ((0, 40), (900, 90_000))])
def test_two_shares_against_the_closed_forms(a: tuple[int, int], b: tuple[int, int]) -> None:
    one, two = (Beta.of(*counts, prior=EVEN) for counts in (a, b))
    found = beliefs({"a": one, "b": two})
    assert found["b"].best == pytest.approx(chance_above(one, two), abs=1e-9)
    assert found["a"].best == pytest.approx(chance_above(two, one), abs=1e-9)
    assert found["a"].loss == pytest.approx(loss_of(one, two), rel=1e-7, abs=1e-12)
    assert found["b"].loss == pytest.approx(loss_of(two, one), rel=1e-7, abs=1e-12)


def test_a_small_case_against_double_integration() -> None:
    one, two = Beta(3, 5), Beta(4, 4)

    def joint(y: float, x: float) -> float:
        return float(beta.pdf(x, 3, 5) * beta.pdf(y, 4, 4))

    found = beliefs({"one": one, "two": two})
    assert found["two"].best == pytest.approx(dblquad(joint, 0, 1, lambda x: x, 1)[0], abs=1e-8)
    lost = dblquad(lambda y, x: (y - x) * joint(y, x), 0, 1, lambda x: x, 1)[0]
    assert found["one"].loss == pytest.approx(lost, abs=1e-8)
    assert (found["one"].low, found["one"].high) == pytest.approx(beta.interval(0.95, 3, 5))


def test_two_means_against_the_closed_forms() -> None:
    """P = Phi(d), loss = s (d Phi(d) + phi(d)) with d the difference in units of its spread s."""
    arms = {"a": Normal(0.10, 0.0004), "b": Normal(0.13, 1e-9)}
    found, s = beliefs(arms), math.sqrt(0.0004 + 1e-9)
    d = 0.03 / s
    assert found["b"].best == pytest.approx(norm.cdf(d), abs=1e-10)
    assert found["a"].loss == pytest.approx(s * (d * norm.cdf(d) + norm.pdf(d)), rel=1e-9)
    assert found["b"].loss == pytest.approx(s * (norm.pdf(d) - d * norm.sf(d)), rel=1e-7)


def test_four_arms_against_draws_and_in_both_directions() -> None:
    arms = {"a": Beta(5, 95), "b": Beta(70, 930), "c": Beta(0.5, 20), "d": Beta(60, 940)}
    draws = np.array([np.random.default_rng(1).beta(arm.a, arm.b, 400_000) for arm in arms.values()])
    for better, values in (("higher", draws), ("lower", -draws)):
        found = beliefs(arms, better=better)  # type: ignore[arg-type]
        best = np.bincount(values.argmax(axis=0), minlength=4) / values.shape[1]
        loss = (values.max(axis=0) - values).mean(axis=1)
        assert [one.best for one in found.values()] == pytest.approx(best.tolist(), abs=4e-3)
        assert [one.loss for one in found.values()] == pytest.approx(loss.tolist(), rel=0.01)
        assert sum(one.best for one in found.values()) == pytest.approx(1.0)


def test_five_equal_arms() -> None:
    found = beliefs({str(i): Normal(2.0, 3.0) for i in range(5)})
    most = quad(lambda x: x * 5 * norm.pdf(x) * norm.cdf(x) ** 4, -12, 12)[0] * math.sqrt(3)
    for one in found.values():
        assert one.best == pytest.approx(0.2)
        assert one.loss == pytest.approx(most, rel=1e-9)


def test_prior_and_data_make_the_posterior() -> None:
    assert Beta.of(3, 10, prior=(2, 8)) == Beta(5, 15)
    seen = Moments.from_summary(100, 3.0, 25.0)
    assert Normal.of(seen, prior=None) == Normal(3.0, 0.25)
    found = Normal.of(seen, prior=(1.0, 0.5))  # precisions 2 and 4 add up
    assert (found.mean, found.variance) == (pytest.approx((2 * 1 + 4 * 3) / 6), pytest.approx(1 / 6))


def test_chance_to_win_is_calibrated_over_the_prior() -> None:
    """Truths from the prior: where the chance is said to be p, p of them win."""
    rng, said, won = np.random.default_rng(2), [], []
    for _ in range(600):
        truth = rng.beta(20, 80, 2)
        counts = rng.binomial(300, truth)
        found = beliefs({str(i): Beta.of(int(k), 300, prior=(20, 80)) for i, k in enumerate(counts)})
        said.append(found["1"].best)
        won.append(truth[1] > truth[0])
    middle = (np.array(said) > 0.6) & (np.array(said) < 0.9)
    assert np.mean(np.array(won)[middle]) == pytest.approx(np.array(said)[middle].mean(), abs=0.1)


def test_errors() -> None:
    with pytest.raises(DataError, match="5 successes of 4 users"):
        Beta.of(5, 4, prior=EVEN)
    with pytest.raises(SettingError, match=r"the prior is Beta\(0, 1\); both above 0"):
        Beta.of(1, 4, prior=(0, 1))
    with pytest.raises(DataError, match="all 2 users have one value"):
        Normal.of(Moments.of([1.0, 1.0]), prior=None)
    with pytest.raises(SettingError, match="the prior's variance is 0"):
        Normal.of(Moments.of([1.0, 2.0]), prior=(0.0, 0.0))
    with pytest.raises(SettingError, match="1 arms; at least 2"):
        beliefs({"a": Beta(1, 1)})
    with pytest.raises(SettingError, match="better is 'up'"):
        beliefs({"a": Beta(1, 1), "b": Beta(1, 1)}, better="up")  # type: ignore[arg-type]
