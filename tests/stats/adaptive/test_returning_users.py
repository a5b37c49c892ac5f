"""Users who come again: what one user does hangs together, so deviations are summed per user."""

import numpy as np
import pytest

from recloop.stats.adaptive import (
    AdaptiveLog,
    aipw,
    arm_values,
    contrast,
    evaluation_weights,
    read_adaptive,
    with_floor,
)

USERS, VISITS = 150, 8


def worlds(seed: int, count: int) -> tuple[AdaptiveLog, np.ndarray]:
    """Users who like much or little whatever the arm; an arm's share follows its lead, with a floor."""
    rng = np.random.default_rng(seed)
    users = np.tile(np.arange(USERS), VISITS)
    liking = rng.choice([0.1, 0.7], (count, USERS))[:, users]
    rounds = len(users)
    arms, chances = np.empty((count, rounds), int), np.empty((count, rounds, 2))
    rewards = (rng.random((count, rounds)) < liking).astype(float)
    pulls, gains = np.ones((count, 2)), np.full((count, 2), 0.4)
    for start in range(0, rounds, 50):
        part = slice(start, start + 50)
        lead = np.clip((gains / pulls) @ [1, -1] * 4, -1, 1) / 2 + 0.5
        share = with_floor(np.stack([lead, 1 - lead], axis=1), 0.1)
        arm = (rng.random((count, 50)) > share[:, :1]).astype(int)
        arms[:, part], chances[:, part] = arm, share[:, None]
        for k in (0, 1):
            pulls[:, k] += (arm == k).sum(axis=1)
            gains[:, k] += (rewards[:, part] * (arm == k)).sum(axis=1)
    return AdaptiveLog.of(arms, rewards, chances), users


def test_against_a_loop_over_users() -> None:
    log, users = worlds(0, 1)
    scores, weights = aipw(log)[0], evaluation_weights(log.propensities)[0]
    found = arm_values(scores, weights, users)
    total = weights.sum(axis=0)
    value = (weights * scores).sum(axis=0) / total
    by_user = [(weights[users == u] * (scores[users == u] - value)).sum(axis=0) for u in range(USERS)]
    np.testing.assert_allclose(found.variance, np.square(by_user).sum(axis=0) / total**2)
    gap = contrast(scores, weights, 1, 0, users)
    shares = [part / total for part in by_user]
    assert gap.variance == pytest.approx(sum((one[1] - one[0]) ** 2 for one in shares))


def test_one_visit_each_changes_nothing() -> None:
    log, _ = worlds(1, 1)
    one = AdaptiveLog.of(log.arms[0], log.rewards[0], log.propensities[0])
    alone = np.random.default_rng(0).permutation(one.rounds)
    plain, same = (read_adaptive(one, ["a", "b"], "a", users=users) for users in (None, alone))
    for before, after in zip(plain.arms, same.arms, strict=True):
        assert (after.value, after.low) == pytest.approx((before.value, before.low))


def test_intervals_of_a_value_hold_for_returning_users_and_those_of_rounds_do_not() -> None:
    log, users = worlds(2, 300)
    scores, weights = aipw(log), evaluation_weights(log.propensities)
    truth = 0.4
    covered = {}
    for name, units in (("users", users), ("rounds", None)):
        low, high = arm_values(scores, weights, units).interval(0.1)
        covered[name] = ((low <= truth) & (truth <= high)).mean()
    assert 0.86 < covered["users"] < 0.94
    assert covered["rounds"] < 0.86
