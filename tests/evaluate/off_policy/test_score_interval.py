"""The lopsided interval: its ends, where it is Student's t, where it serves, and that it holds where t does not."""

import numpy as np
import pytest
from scipy.special import softmax

from recloop.evaluate.off_policy import Logged, Target, diagnose, effective_rewards, judge_policies, snips
from recloop.evaluate.off_policy.calibration import Calibration
from recloop.evaluate.off_policy.gate import objections
from recloop.evaluate.off_policy.score_interval import score_interval, weights_to_come


def test_its_ends_are_those_that_the_test_does_not_reject() -> None:
    value, error = 0.2, 0.05
    low, high, method = score_interval(value, error, 10**9)
    for end in (low, high):
        assert abs(value - end) / (error * np.sqrt(end / value)) == pytest.approx(1.959964, abs=1e-5)
    assert high - value > value - low
    assert method == "score, by user"
    low, high, _ = score_interval(3.0, 0.01, 500)  # little noise: Student's t
    assert (low, high) == pytest.approx((3 - 1.9647 * 0.01, 3 + 1.9647 * 0.01), abs=1e-4)
    low, high, _ = score_interval(25.0, 5.0, 10**9)  # a Poisson count of 25: x + z^2/2 -+ z sqrt(x + z^2/4)
    assert (low, high) == pytest.approx((16.9344, 36.9070), abs=1e-4)


def test_weights_that_are_missing_from_the_log_widen_it() -> None:
    names, behaviour = ["a", "b"], np.tile([0.99, 0.01], (200, 1))
    unlucky = Logged.of(["a"] * 200, np.ones(200), np.full(200, 0.99), names=names, behaviour=behaviour)
    target = Target.of("even", unlucky, [0.5, 0.5])
    weights = target.chances / unlucky.propensities
    expected = 0.25 / 0.99 + 0.25 / 0.01
    assert weights_to_come(unlucky, target, weights) == pytest.approx(expected / np.square(weights).mean())
    lucky = Logged.of(["b"] * 200, np.ones(200), np.full(200, 0.01), names=names, behaviour=behaviour)
    assert weights_to_come(lucky, Target.of("even", lucky, [0.5, 0.5]), np.full(200, 50.0)) == 1.0  # never narrower
    blind = Logged.of(["a"] * 200, np.ones(200), np.full(200, 0.99), names=names)
    assert weights_to_come(blind, target, weights) == 1.0
    # rewards of b alone: the log holds none of the squares that make the error
    model = np.tile([0.01, 1.0], (200, 1))
    foretold = 0.25 / 0.99 * 0.01 + 0.25 / 0.01
    assert weights_to_come(unlucky, target, weights, model) == pytest.approx(
        foretold / (np.square(weights) * 0.01).mean()
    )
    assert weights_to_come(blind, target, weights, model) == 1.0


def test_rewards_below_zero_keep_students_t() -> None:
    rng = np.random.default_rng(4)
    done = rng.integers(0, 2, 3000)
    rewards = np.where(rng.random(3000) < 0.2, 1.0, 0.0)
    names = np.array(["a", "b"])[done]
    found = {
        low: judge_policies(
            log := Logged.of(names, rewards + low, np.full(3000, 0.5)),
            [Target.of("a", log, [0.9, 0.1])],
            rng=np.random.default_rng(0),
        ).policies[0]
        for low in (0.0, -1.0)
    }
    assert found[0.0].method == "score, by user"
    assert found[-1.0].method == "Student's t, by user"
    assert found[-1.0].high - found[-1.0].value == pytest.approx(found[-1.0].value - found[-1.0].low)
    one = found[0.0]
    assert (one.lift[1] > 0 or one.lift[2] < 0) == (one.p_value < 0.05)  # the interval and the test say the same


class FarApart:
    """A simulated log of twenty actions whose policy wants the opposite of another one, of which the value is known.

    Args:
        rounds: of each log.
        logging, wanted: temperatures of the two policies.
    """

    def __init__(self, rounds: int, logging: float, wanted: float) -> None:
        self._rounds, self._temperatures = rounds, (logging, wanted)
        self._taste = np.random.default_rng(7).normal(size=(5, 20)) / np.sqrt(5)
        self._level = np.random.default_rng(8).normal(size=20) / 2
        _, chances, rate = self._world(np.random.default_rng(9), 100_000)
        self.truth = float((chances * rate).sum(axis=1).mean())

    def _world(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        score = self._level + rng.normal(size=(n, 5)) @ self._taste
        logging, wanted = self._temperatures
        return softmax(logging * score, axis=1), softmax(wanted * score, axis=1), 1 / (1 + np.exp(3 - score))

    def log(self, rng: np.random.Generator) -> tuple[Logged, Target]:
        behaviour, wanted, rate = self._world(rng, self._rounds)
        row = np.arange(self._rounds)
        done = (rng.random(self._rounds)[:, None] > behaviour.cumsum(axis=1)).sum(axis=1).clip(0, 19)
        log = Logged.of(
            done.astype(str), (rng.random(self._rounds) < rate[row, done]) * 1.0, behaviour[row, done],
            names=[str(name) for name in range(20)], behaviour=behaviour,
        )  # fmt: skip
        return log, Target.of("wanted", log, wanted)


def test_it_holds_where_weights_are_skewed_and_t_does_not() -> None:
    world = FarApart(1000, -0.5, 1.0)
    held, wide = np.zeros(2), np.zeros(2)
    for seed in range(250):
        log, target = world.log(np.random.default_rng([seed, 5]))
        weights = target.chances / log.propensities
        terms = snips(weights, log.rewards)
        by_score = score_interval(terms.value, terms.error() * np.sqrt(weights_to_come(log, target, weights)), 1000)
        both = terms.interval(), by_score
        held += [one.low <= world.truth <= one.high for one in both]
        wide += [one.high - one.low for one in both]
    assert held[0] / 250 < 0.91
    assert held[1] / 250 > 0.925
    assert wide[1] / wide[0] < 1.25


def test_what_the_gate_lets_pass_holds_where_policies_are_far_apart() -> None:
    """A simulation: it must not pick the logs that lack heavy rewarded rounds, whose estimates are too low."""
    world = FarApart(3000, -0.7, 1.2)
    held: list[bool] = []
    by_luck: list[bool] = []
    for seed in range(200):
        log, target = world.log(np.random.default_rng([seed, 6]))
        weights = target.chances / log.propensities
        terms, factor = snips(weights, log.rewards), weights_to_come(log, target, weights)
        low, high, _ = score_interval(terms.value, terms.error() * np.sqrt(factor), 3000)
        against = objections(log, target, weights, diagnose(weights), Calibration(1.0, -1, 1.0, 0), factor=factor)
        if not any(one.refuses for one in against):
            held.append(low <= world.truth <= high)
        if effective_rewards(weights, log.rewards) >= 20:
            by_luck.append(low <= world.truth <= high)
    assert len(held) > 100
    assert np.mean(held) > 0.94
    assert np.mean(by_luck) < np.mean(held)
