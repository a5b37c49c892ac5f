"""In expectation over all that could have been logged, estimators that claim no bias give the truth exactly."""

from itertools import product

import numpy as np
import pytest

from recloop.evaluate.off_policy import (
    blurred_weights,
    cascade,
    category_tables,
    category_weights,
    clipped,
    doubly_robust,
    independent,
    ips,
    marginal_weights,
    pseudo_inverse,
    pseudo_inverse_weights,
    reward_interaction,
    shrunk_doubly_robust,
    standard,
    switch,
    switch_doubly_robust,
)

BEHAVIOUR = np.array([0.5, 0.3, 0.2])
TARGET = np.array([0.1, 0.2, 0.7])
MEANS = np.array([0.2, 0.5, 0.9])
MODEL = np.array([0.4, 0.1, 0.3])  # wrong on purpose
TRUTH = float(TARGET @ MEANS)
WEIGHTS = TARGET / BEHAVIOUR
BASELINE = np.full(3, TARGET @ MODEL)


def test_ips_and_doubly_robust_have_no_bias_though_the_model_is_wrong() -> None:
    # each action with its mean reward, weighed by how often it is logged
    assert BEHAVIOUR @ ips(WEIGHTS, MEANS).over[0] == pytest.approx(TRUTH, abs=1e-12)
    assert BEHAVIOUR @ doubly_robust(WEIGHTS, MEANS, MODEL, BASELINE).over[0] == pytest.approx(TRUTH, abs=1e-12)


def test_clipping_and_shrinking_are_off_by_what_they_cut() -> None:
    cut = BEHAVIOUR @ (WEIGHTS - np.minimum(WEIGHTS, 2.0))
    assert BEHAVIOUR @ clipped(WEIGHTS, MEANS, 2.0).over[0] == pytest.approx(TRUTH - cut * MEANS[2], abs=1e-12)
    left = BEHAVIOUR * (WEIGHTS - 4 * WEIGHTS / (WEIGHTS**2 + 4))
    shrunk = BEHAVIOUR @ shrunk_doubly_robust(WEIGHTS, MEANS, MODEL, BASELINE, 4.0).over[0]
    assert shrunk == pytest.approx(TRUTH - left @ (MEANS - MODEL), abs=1e-12)
    off = 0.7 * (MODEL[2] - MEANS[2])  # the third action's weight, 3.5, is above the threshold: the model stands for it
    beyond = np.full(3, 0.7 * MODEL[2])
    assert BEHAVIOUR @ switch(WEIGHTS, MEANS, beyond, 2.0).over[0] == pytest.approx(TRUTH + off, abs=1e-12)
    found = BEHAVIOUR @ switch_doubly_robust(WEIGHTS, MEANS, MODEL, BASELINE, 2.0).over[0]
    assert found == pytest.approx(TRUTH + off, abs=1e-12)


def test_a_model_that_is_right_needs_no_right_propensities() -> None:
    baseline = np.full(3, TARGET @ MEANS)
    wrong = np.array([3.0, 0.1, 7.0])
    assert BEHAVIOUR @ doubly_robust(wrong, MEANS, MEANS, baseline).over[0] == pytest.approx(TRUTH, abs=1e-12)


def test_learned_categories_of_many_actions_shrink_little() -> None:
    """A simulation: 300 actions with ten rounds each, of which the policy takes the half that is logged less."""
    rng, actions, n = np.random.default_rng(4), 300, 3000
    truth = rng.dirichlet(np.full(6, 0.7), actions)
    effect = np.linspace(0, 1, 6)
    good = np.argsort(truth @ effect)[actions // 2 :]
    behaviour, target = np.full(actions, 1.4 / actions), np.zeros(actions)
    behaviour[good], target[good] = 0.6 / actions, 2 / actions
    wanted, found = float(target @ truth @ effect), {1.0: [], 20.0: []}
    for _ in range(20):
        done = rng.choice(actions, n, p=behaviour)
        codes = (rng.random(n)[:, None] > truth[done].cumsum(axis=1)).sum(axis=1).clip(0, 5)[:, None]
        for strength, values in found.items():
            tables = category_tables(codes, done, actions, strength)
            weights = category_weights(codes, tables, np.tile(target, (n, 1)), np.tile(behaviour, (n, 1)))
            values.append(ips(weights, effect[codes[:, 0]]).value)
    little, much = (abs(np.mean(values) - wanted) for values in found.values())
    assert little < 0.03
    assert much > 2 * little


def test_marginal_weights_have_no_bias_where_the_description_tells_all() -> None:
    given = np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])  # chance of each description given each action
    earns = np.array([0.3, 0.8])
    truth = float(TARGET @ given @ earns)
    seen = BEHAVIOUR @ given
    weights = marginal_weights(np.tile(TARGET, (2, 1)), np.tile(BEHAVIOUR, (2, 1)), given.T)
    assert (seen * weights) @ earns == pytest.approx(truth, abs=1e-12)
    assert weights.max() < WEIGHTS.max()
    # taken over the drawn description: the mean weight stays 1
    drawn = blurred_weights(TARGET[None], BEHAVIOUR[None], np.arange(3), given)
    assert BEHAVIOUR @ drawn == pytest.approx(1.0, abs=1e-12)
    assert drawn == pytest.approx(given @ weights, abs=1e-12)


SLOTS = np.array([[0.6, 0.4], [0.3, 0.7]])  # chance of item 0 or 1 at each of two places
WANTED = np.array([[0.1, 0.9], [0.8, 0.2]])
SLATES = np.array(list(product([0, 1], [0, 1])))
PLACES = np.arange(2)
OFTEN = SLOTS[PLACES, SLATES].prod(axis=1)
ASKED = WANTED[PLACES, SLATES].prod(axis=1)
RATIOS = (WANTED / SLOTS)[PLACES, SLATES]


def test_slate_estimators_under_the_user_that_each_supposes() -> None:
    alone = np.array([[0.2, 0.5], [0.4, 0.1]])[PLACES, SLATES]  # each place by itself
    truth = ASKED @ alone.sum(axis=1)
    for estimator in (standard, independent, reward_interaction):
        assert OFTEN @ estimator(RATIOS, alone).over[0] == pytest.approx(truth, abs=1e-12)
    assert OFTEN @ pseudo_inverse(RATIOS, alone.sum(axis=1)).over[0] == pytest.approx(truth, abs=1e-12)
    below = alone.copy()
    below[:, 1] *= 1 - alone[:, 0]  # a user who clicked the first does not look at the second
    truth = ASKED @ below.sum(axis=1)
    assert OFTEN @ reward_interaction(RATIOS, below).over[0] == pytest.approx(truth, abs=1e-12)
    assert abs(OFTEN @ independent(RATIOS, below).over[0] - truth) > 0.01
    rng = np.random.default_rng(1)
    model = rng.random((2, 2, 2))  # of the second place, given the first's item: wrong on purpose
    expected = np.column_stack([model[0, 0, SLATES[:, 0]], model[1, SLATES[:, 0], SLATES[:, 1]]])
    baseline = np.column_stack([np.full(4, WANTED[0] @ model[0, 0]), (WANTED[1] * model[1, SLATES[:, 0]]).sum(axis=1)])
    assert OFTEN @ cascade(RATIOS, below, expected, baseline).over[0] == pytest.approx(truth, abs=1e-12)


def test_pseudo_inverse_of_rankings_without_repeats() -> None:
    slates = np.array([[a, b] for a in range(4) for b in range(4) if a != b])
    rng = np.random.default_rng(2)
    even, wanted = np.full(12, 1 / 12), rng.dirichlet(np.ones(12))
    earns = rng.random(4)[slates[:, 0]] + rng.random(4)[slates[:, 1]]  # a sum over places
    weights = pseudo_inverse_weights(slates, even, wanted, 4)
    assert (even * weights) @ earns == pytest.approx(wanted @ earns, abs=1e-10)
    product_ = np.array([[a, b] for a in range(2) for b in range(2)])
    closed = RATIOS.sum(axis=1) - 1
    assert pseudo_inverse_weights(product_, OFTEN, ASKED, 2) == pytest.approx(closed, abs=1e-10)
