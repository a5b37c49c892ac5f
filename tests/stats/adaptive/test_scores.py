"""The log and its scores: checked at the door, and equal to loops written from the formulas."""

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive import AdaptiveLog, aipw, ridge, running_means


def test_running_means_against_a_loop(small: AdaptiveLog) -> None:
    found = running_means(small)
    for t in range(small.rounds):
        for arm in range(3):
            seen = small.rewards[:t][small.arms[:t] == arm]
            whole = small.rewards[:t].mean() if t else 0.0
            assert found[t, arm] == pytest.approx(seen.mean() if seen.size else whole, abs=1e-12)


def test_scores_against_a_loop(small: AdaptiveLog) -> None:
    m, found = running_means(small), aipw(small)
    for t in range(small.rounds):
        for arm in range(3):
            hit = small.arms[t] == arm
            wanted = m[t, arm] + (small.rewards[t] - m[t, arm]) / small.propensities[t, arm] * hit
            assert found[t, arm] == pytest.approx(wanted, abs=1e-12)


def test_ridge_against_a_solve_per_batch(small: AdaptiveLog) -> None:
    found = ridge(small, refit_every=13, penalty=2.0)
    x = np.column_stack([np.ones(60), small.contexts])
    for t in range(60):
        known = t // 13 * 13
        mean = small.rewards[:known].mean() if known else 0.0
        for arm in range(3):
            rows = np.flatnonzero(small.arms[:known] == arm)
            gram = x[rows].T @ x[rows] + 2.0 * np.eye(3)
            slopes = np.linalg.solve(gram, x[rows].T @ (small.rewards[rows] - mean))
            assert found[t, arm] == pytest.approx(mean + x[t] @ slopes, abs=1e-10)


@pytest.mark.parametrize("model", [running_means, lambda log: ridge(log, refit_every=7)])
def test_a_prediction_never_sees_its_own_round_or_a_later_one(small: AdaptiveLog, model) -> None:
    for t in (0, 1, 20, 42):
        other = small.rewards.copy()
        other[t:] += 100
        changed = AdaptiveLog.of(small.arms, other, small.propensities, small.contexts)
        np.testing.assert_array_equal(model(small)[: t + 1], model(changed)[: t + 1])


@pytest.mark.parametrize("model", [running_means, lambda log: ridge(log, refit_every=7)])
def test_leading_axes_are_logs_of_their_own(small: AdaptiveLog, model) -> None:
    two = AdaptiveLog.of(
        *(np.stack([c, c[::-1]]) for c in (small.arms, small.rewards, small.propensities, small.contexts))
    )
    back = AdaptiveLog.of(*(c[::-1] for c in (small.arms, small.rewards, small.propensities, small.contexts)))
    np.testing.assert_allclose(aipw(two, model(two))[0], aipw(small, model(small)), atol=1e-12)
    np.testing.assert_allclose(aipw(two, model(two))[1], aipw(back, model(back)), atol=1e-12)


def test_scores_are_right_on_average_whatever_the_predictions() -> None:
    rng = np.random.default_rng(3)
    e = np.tile([0.1, 0.9], (200_000, 1))
    arms = (rng.random(200_000) < 0.9).astype(int)
    log = AdaptiveLog.of(arms, np.where(arms == 0, 2.0, 5.0) + rng.normal(size=200_000), e)
    good, bad = aipw(log), aipw(log, np.full((200_000, 2), -3.0))
    np.testing.assert_allclose(good.mean(axis=0), [2, 5], atol=0.05)
    np.testing.assert_allclose(bad.mean(axis=0), [2, 5], atol=0.2)
    assert (good.var(axis=0) < bad.var(axis=0) / 4).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"propensities": [[1.0, 0.0], [0.5, 0.5]]}, r"arm 1 had a propensity of zero in 1 rounds; .*floor"),
        ({"propensities": [[0.6, 0.6], [0.5, 0.5]]}, "do not sum to one"),
        ({"propensities": [[-0.5, 1.5], [0.5, 0.5]]}, "or one is negative"),
        ({"propensities": [[0.5, 0.5]]}, r"shapes \(2,\), \(2,\) and \(1, 2\)"),
        ({"rewards": [np.nan, 1.0]}, "1 of 2 values of the rewards are NaN"),
        ({"arms": [0, 2]}, "whole numbers from 0 to 1"),
        ({"arms": [0.0, 1.0]}, "whole numbers from 0 to 1"),
        ({"contexts": [[1.0]]}, r"contexts have the shape \(1, 1\)"),
        ({"arms": [], "rewards": [], "propensities": np.zeros((0, 2))}, "the log has no round"),
    ],
)
def test_a_log_that_cannot_be_read(change: dict, words: str) -> None:
    given = {"arms": [0, 1], "rewards": [1.0, 0.0], "propensities": [[0.5, 0.5], [0.5, 0.5]]} | change
    with pytest.raises(DataError, match=words):
        AdaptiveLog.of(**given)


def test_wrong_models(small: AdaptiveLog) -> None:
    with pytest.raises(DataError, match=r"predictions have the shape \(60, 2\)"):
        aipw(small, np.zeros((60, 2)))
    with pytest.raises(DataError, match="no contexts; use running_means"):
        ridge(AdaptiveLog.of(small.arms, small.rewards, small.propensities))
    with pytest.raises(SettingError, match="refit_every is 0"):
        ridge(small, refit_every=0)
