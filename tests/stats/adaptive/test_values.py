"""Adaptively weighted values: equal to loops written from the papers' formulas, and right where plain means are not."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive import (
    AdaptiveLog,
    Weighted,
    aipw,
    arm_values,
    contrast,
    evaluation_weights,
    policy_value,
    stick_breaking,
    two_point_rates,
)

# ---- Hadad and others 2021


def test_two_point_rates_against_the_integral(small: AdaptiveLog) -> None:
    found, decay = two_point_rates(small.propensities, 0.6), 0.6
    for t in (1, 2, 30, 59, 60):
        tail = quad(lambda x: x**-decay, t, 60)[0]
        for arm in range(3):
            e = small.propensities[t - 1, arm]
            wanted = e / (60 - t + 1) + (1 - e) * t**-decay / (t**-decay + tail)
            assert found[t - 1, arm] == pytest.approx(wanted, abs=1e-12)


def test_stick_breaking_against_its_recursion(small: AdaptiveLog) -> None:
    rates = two_point_rates(small.propensities)
    found, spent = stick_breaking(rates, small.propensities), np.zeros(3)
    for t in range(60):
        share = rates[t] * (1 - spent)
        np.testing.assert_allclose(found[t] ** 2 / small.propensities[t], share, atol=1e-12)
        spent += share
    np.testing.assert_allclose(spent, 1.0)


def test_constant_rates_give_the_square_root_of_the_propensity(small: AdaptiveLog) -> None:
    rates = np.repeat(1 / np.arange(60, 0, -1.0)[:, None], 3, axis=1)
    np.testing.assert_allclose(
        stick_breaking(rates, small.propensities) * math.sqrt(60), evaluation_weights(small.propensities, "constant")
    )


@pytest.mark.parametrize("weighting", ["uniform", "constant", "two-point"])
def test_values_and_contrasts_against_loops(small: AdaptiveLog, weighting) -> None:
    scores, h = aipw(small), evaluation_weights(small.propensities, weighting)
    found, apart = arm_values(scores, h), contrast(scores, h, 2, 0)
    value, variance = [], []
    for arm in range(3):
        top = sum(h[t, arm] * scores[t, arm] for t in range(60))
        total = sum(h[t, arm] for t in range(60))
        value.append(top / total)
        variance.append(sum(h[t, arm] ** 2 * (scores[t, arm] - value[arm]) ** 2 for t in range(60)) / total**2)
    np.testing.assert_allclose(found.value, value)
    np.testing.assert_allclose(found.variance, variance)
    terms = [
        h[t, 2] * (scores[t, 2] - value[2]) / h[:, 2].sum() - h[t, 0] * (scores[t, 0] - value[0]) / h[:, 0].sum()
        for t in range(60)
    ]
    assert apart.value == pytest.approx(value[2] - value[0])
    assert apart.variance == pytest.approx(sum(term**2 for term in terms))


def test_even_allocation_without_predictions_is_the_textbook_mean_of_scores() -> None:
    rng = np.random.default_rng(5)
    arms, y = rng.integers(0, 2, 400), rng.normal(size=400)
    log = AdaptiveLog.of(arms, y, np.full((400, 2), 0.5))
    scores = aipw(log, np.zeros((400, 2)))
    found = arm_values(scores, evaluation_weights(log.propensities, "constant"))
    np.testing.assert_allclose(found.value, scores.mean(axis=0))
    np.testing.assert_allclose(found.variance, scores.var(axis=0) / 400)
    low, high = found.interval()
    np.testing.assert_allclose(high - low, 2 * 1.959964 * np.sqrt(found.variance), rtol=1e-6)


@pytest.mark.parametrize("weighting", ["constant", "two-point"])
@pytest.mark.parametrize("greedy", [False, True])
def test_equal_arms_under_a_bandit_are_covered_where_the_plain_mean_is_not(worlds, greedy, weighting) -> None:
    log = worlds(21, 600, 1500, greedy=greedy)
    scores, h = aipw(log), evaluation_weights(log.propensities, weighting, decay=0.5)
    values, apart = arm_values(scores, h), contrast(scores, h, 1, 0)
    slack = 3 * (0.05 * 0.95 / 600) ** 0.5
    assert rate(values, 0.3) > 0.95 - slack
    assert rate(apart, 0.0) > 0.95 - slack
    n = log.pulled.sum(axis=1)
    mean = (log.pulled * log.rewards[..., None]).sum(axis=1) / n
    bias = (mean - 0.3).mean() / ((mean - 0.3).std() / math.sqrt(mean.size))
    assert bias < -6  # standard errors: the plain mean is too low
    assert abs((mean - 0.3).mean()) > 1.5 * abs((values.value - 0.3).mean())


def rate(found: Weighted, truth: float) -> float:
    low, high = found.interval()
    return float(((low <= truth) & (truth <= high)).mean())


def test_settings_of_weights() -> None:
    e = np.full((3, 2), 0.5)
    with pytest.raises(SettingError, match="weighting is 'best'; one of uniform, constant, two-point"):
        evaluation_weights(e, "best")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="decay is 1"):
        evaluation_weights(e, decay=1.0)


# ---- Zhan and others 2021


@pytest.fixture
def versions() -> tuple[AdaptiveLog, np.ndarray, np.ndarray, np.ndarray]:
    """A contextual bandit of four versions; the policy to be judged goes by the context."""
    rng = np.random.default_rng(9)
    x, version = rng.normal(size=(80, 1)), np.arange(80) // 20
    first = 0.1 + 0.8 / (1 + np.exp(-x[:, 0] * np.arange(4)[:, None]))
    allocation = np.stack([first, 1 - first], axis=2)
    e = allocation[version, np.arange(80)]
    arms = (rng.random(80) > e[:, 0]).astype(int)
    log = AdaptiveLog.of(arms, arms * x[:, 0] + rng.normal(size=80), e, x)
    goes = (x[:, 0] > 0) * 0.8 + 0.1
    return log, np.stack([1 - goes, goes], axis=1), allocation, version


@pytest.mark.parametrize(("weighting", "power"), [("stable-variance", -0.5), ("minimum-variance", -1.0)])
def test_contextual_weights_against_loops(versions, weighting, power) -> None:
    log, policy, allocation, version = versions
    gains = (policy * aipw(log)).sum(axis=1)
    # h[t, s]: the weight that round t gives to the context of round s
    h = np.array([[sum(policy[s] ** 2 / allocation[version[t], s]) ** power for s in range(80)] for t in range(80)])
    z = h.sum(axis=0)
    value = sum(h[t, t] * gains[t] / z[t] for t in range(80))
    variance = 0.0
    for t in range(80):
        centre = sum(h[t, s] / z[s] * h[s, s] * gains[s] / z[s] for s in range(80))
        variance += (h[t, t] * gains[t] / z[t] - centre) ** 2
    found = policy_value(log, policy, allocation, version, weighting=weighting)
    assert found.value == pytest.approx(value)
    assert found.variance == pytest.approx(variance)


@pytest.mark.parametrize(("weighting", "power"), [("stable-variance", -0.5), ("minimum-variance", -1.0)])
def test_averaged_weights_against_loops(versions, weighting, power) -> None:
    log, policy, allocation, version = versions
    gains = (policy * aipw(log)).sum(axis=1)
    h = np.zeros(80)
    for t in range(1, 80):
        h[t] = np.mean([sum(policy[s] ** 2 / allocation[version[t], s]) for s in range(t)]) ** power
    value = (h * gains).sum() / h.sum()
    found = policy_value(log, policy, allocation, version, weighting=weighting, contextual=False)
    assert found.value == pytest.approx(value)
    assert found.variance == pytest.approx((h**2 * (gains - value) ** 2).sum() / h.sum() ** 2)


def test_one_version_and_one_context_is_the_plain_mean(versions) -> None:
    log, _, _, _ = versions
    even = AdaptiveLog.of(log.arms, log.rewards, np.full((80, 2), 0.5))
    policy, plain = np.tile([0.3, 0.7], (80, 1)), {"allocation": np.full((1, 80, 2), 0.5), "version": np.zeros(80, int)}
    uniform = policy_value(even, policy, weighting="uniform")
    assert policy_value(even, policy, **plain).value == pytest.approx(uniform.value)


def test_the_value_of_a_policy_is_covered() -> None:
    """300 worlds of 800 rounds: a greedy contextual bandit that learns between five versions."""
    rng, policy = np.random.default_rng(4), np.zeros((800, 2))
    forms = [(weighting, contextual) for weighting in ("stable-variance", "minimum-variance") for contextual in (0, 1)]
    hits = dict.fromkeys(forms, 0)
    version = np.arange(800) // 160
    for _ in range(300):
        x = rng.integers(0, 2, 800)
        policy[np.arange(800), x] = 1.0
        policy[np.arange(800), 1 - x] = 0.0
        arms, y, e = np.empty(800, int), np.empty(800), np.empty((5, 800, 2))
        best = np.full(2, 0.5)
        for v in range(5):
            first = 0.1 + 0.8 * best[x] if v else np.full(800, 0.5)
            e[v] = np.stack([first, 1 - first], axis=1)
            rows = np.flatnonzero(version == v)
            arms[rows] = (rng.random(160) > e[v, rows, 0]).astype(int)
            y[rows] = rng.random(160) < 0.3 + 0.2 * (arms[rows] == x[rows])
            for context in (0, 1):
                seen = [y[: rows[-1]][(arms[: rows[-1]] == k) & (x[: rows[-1]] == context)].mean() for k in (0, 1)]
                best[context] = float(seen[0] > seen[1])
        log = AdaptiveLog.of(arms, y, e[version, np.arange(800)])
        for weighting, contextual in forms:
            found = policy_value(log, policy, e, version, weighting=weighting, contextual=bool(contextual))
            low, high = found.interval()
            hits[weighting, contextual] += int(low <= 0.5 <= high)
    assert min(hits.values()) / 300 > 0.95 - 3 * (0.05 * 0.95 / 300) ** 0.5


def test_what_a_policy_value_needs(versions) -> None:
    log, policy, allocation, version = versions
    with pytest.raises(DataError, match=r"give allocation \(V, T, K\) and version"):
        policy_value(log, policy)
    with pytest.raises(DataError, match="allocation and the recorded propensities disagree"):
        policy_value(log, policy, allocation, version[::-1])
    with pytest.raises(DataError, match="do not sum to one"):
        policy_value(log, policy * 2, allocation, version)
    with pytest.raises(DataError, match=r"the policy has the shape \(2,\)"):
        policy_value(log, [0.5, 0.5], allocation, version)
    with pytest.raises(DataError, match="a version is unknown"):
        policy_value(log, policy, allocation, version + 1)
    with pytest.raises(DataError, match=r"allocation and version have the shapes \(80, 2\)"):
        policy_value(log, policy, allocation[0], version)
    with pytest.raises(SettingError, match="weighting is 'two-point'"):
        policy_value(log, policy, allocation, version, weighting="two-point")
