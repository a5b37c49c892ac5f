"""The laws that every policy obeys. A stranger's policy passes them in one line."""

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recloop.compose import Choices, Outcomes, Policy
from recloop.data.histories import Histories


class PolicyContract(ABC):
    """Subclass, give ``make`` and ``requests``, and pytest runs the laws.

    Example:
        ``class TestMine(PolicyContract): make = staticmethod(lambda: MyPolicy(...))``
    """

    k = 5
    order_free = True
    """Whether the order of outcomes must not matter; not so for a policy that forgets the oldest, say."""

    @abstractmethod
    def make(self) -> Policy:
        """A policy over fitted strategies."""

    @abstractmethod
    def requests(self) -> Histories:
        """At least eight histories, one of them empty."""

    def _outcomes(self, policy: Policy, n: int = 40) -> Outcomes:
        """Rewards of arms; where the policy sees features, those of its own choices, with what it saw."""
        rng = np.random.default_rng(7)
        arms, rewards = rng.choice(np.array(policy.arms), n).tolist(), rng.integers(0, 2, n).astype(float)
        histories = self.requests()
        histories = histories.take(np.arange(n) % len(histories))
        told = policy.choose(policy.initial_state(), histories, self.k, rng).details
        features = np.array([one["features"] for one in told]) if told and "features" in told[0] else None
        taken = [rng.permutation(self.k)[: int(reward)].tolist() for reward in rewards]
        return Outcomes(arms, rewards, features, np.full(n, 1 / len(policy.arms)), told, taken)

    def test_slates_hold_distinct_items_that_may_be_shown(self) -> None:
        """No item twice, nothing of the history, nothing that is not allowed, excluded or not a candidate."""
        policy, histories = self.make(), self.requests()
        n, n_items = len(histories), histories.n_items
        allowed = np.arange(n_items) % 3 != 0
        candidates: list[NDArray[np.int64] | None] = [np.arange(n_items)[row % 2 :: 2] for row in range(n)]
        candidates[0] = None
        exclude = [np.array([1 + row % 4]) for row in range(n)]
        choices = policy.choose(
            policy.initial_state(),
            histories,
            self.k,
            np.random.default_rng(0),
            allowed=allowed,
            exclude=exclude,
            candidates=candidates,
        )
        for row, shown in enumerate(choices.rankings.items):
            items = shown[shown >= 0]
            assert len(set(items.tolist())) == len(items)
            assert allowed[items].all()
            assert not set(items) & set(histories.block(row, row + 1).items)
            assert not set(items) & set(exclude[row])
            limit = candidates[row]
            assert limit is None or set(items) <= set(limit)

    def test_padding_comes_last_and_the_shapes_fit(self) -> None:
        """Items, scores and sources agree about which places are filled; k above the catalogue is padded."""
        policy, histories = self.make(), self.requests()
        k = histories.n_items + 3
        choices = policy.choose(policy.initial_state(), histories, k, np.random.default_rng(0))
        filled = choices.rankings.items >= 0
        assert filled.shape == (len(histories), k)
        assert not (np.diff(filled.astype(int), axis=1) > 0).any()
        assert (np.isfinite(choices.rankings.scores) == filled).all()
        assert ((choices.sources != "") == filled).all()
        assert not filled[:, histories.n_items :].any()

    def test_propensities_are_probabilities_and_travel_with_the_choice(self) -> None:
        """At least 0, summing to 1, and the one of the arm that was chosen is the one reported."""
        policy, histories = self.make(), self.requests()
        state = policy.update(policy.initial_state(), self._outcomes(policy))
        share = policy.propensities(state, histories)
        assert share.shape == (len(histories), len(policy.arms))
        assert (share >= 0).all()
        np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-9)
        choices = policy.choose(state, histories, self.k, np.random.default_rng(3))
        arm = [policy.arms.index(name) for name in choices.arms]
        np.testing.assert_allclose(choices.propensities, share[np.arange(len(arm)), arm], rtol=1e-9)
        if choices.allocation is not None:
            np.testing.assert_allclose(choices.allocation, share, rtol=1e-9)

    def test_the_size_of_a_batch_changes_nothing(self) -> None:
        """One by one gives what all at once gives, arms too."""
        policy, histories = self.make(), self.requests()
        state = policy.update(policy.initial_state(), self._outcomes(policy))
        rng = np.random.default_rng(5)
        singles = [policy.choose(state, histories.block(i, i + 1), self.k, rng) for i in range(len(histories))]
        _same(policy.choose(state, histories, self.k, np.random.default_rng(5)), singles)

    def test_update_is_pure(self) -> None:
        """The old state is as it was, and the same outcomes give the same new one."""
        policy = self.make()
        state = policy.initial_state()
        before = copy.deepcopy(state)
        first = policy.update(state, self._outcomes(policy))
        assert state == before
        assert policy.update(state, self._outcomes(policy)) == first
        assert policy.initial_state() == before

    def test_replay_gives_the_same_state(self) -> None:
        """Outcomes one by one, in batches, or in another order: the same state, but for the rounding of sums."""
        policy = self.make()
        outcomes = self._outcomes(policy)
        at_once = policy.update(policy.initial_state(), outcomes)
        state = policy.initial_state()
        for place in reversed(range(len(outcomes))) if self.order_free else range(len(outcomes)):
            state = policy.update(state, outcomes.take(np.array([place])))
        _alike(state, at_once)

    def test_the_state_survives_json(self) -> None:
        """What is stored and read back chooses the same."""
        policy, histories = self.make(), self.requests()
        state = policy.update(policy.initial_state(), self._outcomes(policy))
        stored = json.loads(json.dumps(state, allow_nan=False))
        assert stored == state
        kept = policy.choose(stored, histories, self.k, np.random.default_rng(1))
        _same(policy.choose(state, histories, self.k, np.random.default_rng(1)), [kept])

    def test_ranks_as_a_strategy_does(self) -> None:
        """``rank`` is repeatable and row by row the same."""
        policy, histories = self.make(), self.requests()
        whole = policy.rank(histories, self.k)
        rows = [policy.rank(histories.block(i, i + 1), self.k).items for i in range(len(histories))]
        np.testing.assert_array_equal(whole.items, np.concatenate(rows))

    def test_nobody_asks(self) -> None:
        """No requests, no slates."""
        policy, histories = self.make(), self.requests()
        choices = policy.choose(policy.initial_state(), histories.block(0, 0), self.k, np.random.default_rng(0))
        assert len(choices) == 0
        assert choices.rankings.items.shape == (0, self.k)


def _alike(one: Any, other: Any) -> None:
    if isinstance(one, Mapping):
        assert list(one) == list(other)
        for name, value in one.items():
            _alike(value, other[name])
    elif isinstance(one, Sequence) and not isinstance(one, str):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _alike(a, b)
    else:
        assert one == (pytest.approx(other, rel=1e-9, abs=1e-12) if isinstance(one, float) else other)


def _same(whole: Choices, parts: list[Choices]) -> None:
    np.testing.assert_array_equal(whole.rankings.items, np.concatenate([part.rankings.items for part in parts]))
    np.testing.assert_array_equal(whole.arms, np.concatenate([part.arms for part in parts]))
    np.testing.assert_array_equal(whole.sources, np.concatenate([part.sources for part in parts]))
    np.testing.assert_allclose(whole.propensities, np.concatenate([part.propensities for part in parts]), rtol=1e-9)
