"""Beta-Bernoulli Thompson sampling: beliefs as numbers, probabilities by quadrature, learning as a pure function."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.config import ThompsonConfig
from recloop.compose.policy import Choices, Outcomes, Policy, State
from recloop.compose.rules import Rules
from recloop.compose.slate import SlatePolicy
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError
from recloop.stats.adaptive.best_arm import probability_best, with_floor
from recloop.stats.adaptive.mixture_design import mixture

FORMAT = 1


class ThompsonPolicy(Policy):
    """Thompson sampling over named arms, each a slate policy.

    An arm is drawn with the probability that it is the best one under the beliefs, computed by quadrature, mixed with
    even draws and raised to the floor where the settings say so: the propensity in the decision is exact, not
    estimated. The state holds counts per arm, without the prior:
    ``{"format": 1, "arms": {"a": [successes, failures], …}}``. Arms come and go: a late reward of an arm that is no
    longer offered is kept in the state.
    """

    config: ThompsonConfig

    def __init__(self, config: ThompsonConfig, arms: Mapping[str, SlatePolicy]) -> None:
        if not arms:
            raise SettingError(
                "the policy 'thompson' has no arm", advice="name at least one: [policy.arms.a] sources = [...]"
            )
        self.config = config
        self.arms = tuple(arms)
        self.policies = tuple(arms.values())
        self.items = self.policies[0].items

    def initial_state(self) -> State:
        """No successes and no failures for any arm."""
        return {"format": FORMAT, "arms": {arm: [0.0, 0.0] for arm in self.arms}}

    def arm(self, name: str) -> SlatePolicy:
        """The slate policy of an arm."""
        return self.policies[self.arms.index(name)]

    def propensities(self, state: State, histories: Histories) -> NDArray[np.float64]:
        """(n, n_arms), the same for every request."""
        counts = _counts(state)
        seen = np.array([counts.get(arm, (0.0, 0.0)) for arm in self.arms], dtype=np.float64)
        share = probability_best(seen[:, 0] + self.config.prior_successes, seen[:, 1] + self.config.prior_failures)
        if self.config.mixture:
            share = mixture(share, 1 + seen.sum(), self.config.mixture)
        share = with_floor(share, self.config.floor)
        return np.broadcast_to(share, (len(histories), len(share)))

    def _choose(
        self, state: State, histories: Histories, k: int, uniform: NDArray[np.float64], rules: Rules
    ) -> Choices:
        n = len(histories)
        share = self.propensities(state, histories)
        bounds = np.cumsum(share, axis=1)
        drawn = (uniform[:, None] * bounds[:, -1:] >= bounds[:, :-1]).sum(axis=1)
        items, scores = np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32)
        sources, fallbacks = np.full((n, k), "", dtype=object), np.full(n, "", dtype=object)
        failures: dict[str, str] = {}
        details: list[Mapping[str, Any]] = [{}] * n
        for arm, policy in enumerate(self.policies):
            rows = np.flatnonzero(drawn == arm)
            if len(rows):
                part = policy._choose({}, histories.take(rows), k, uniform[rows], rules.take(rows))  # noqa: SLF001
                items[rows], scores[rows] = part.rankings.items, part.rankings.scores
                sources[rows], fallbacks[rows] = part.sources, part.fallbacks
                failures |= part.failures
                for row, told in zip(rows.tolist(), part.details or (), strict=False):
                    details[row] = told
        return Choices(
            rankings=Rankings(items, scores),
            sources=sources,
            arms=np.array(self.arms, dtype=object)[drawn],
            propensities=share[np.arange(n), drawn],
            allocation=share,
            fallbacks=fallbacks,
            failures=failures,
            details=details if any(details) else None,
        )

    def _update(self, state: State, outcomes: Outcomes) -> State:
        counts = {arm: list(pair) for arm, pair in _counts(state).items()}
        names, place = np.unique(np.asarray(outcomes.arms, dtype=str), return_inverse=True)
        rewards = np.asarray(outcomes.rewards, dtype=np.float64)
        successes = np.bincount(place, weights=rewards, minlength=len(names))
        failures = np.bincount(place, weights=1.0 - rewards, minlength=len(names))
        for name, won, lost in zip(names.tolist(), successes.tolist(), failures.tolist(), strict=True):
            pair = counts.setdefault(name, [0.0, 0.0])
            pair[0] += won
            pair[1] += lost
        return {"format": FORMAT, "arms": counts}


def _counts(state: State) -> Mapping[str, tuple[float, float]]:
    if state.get("format") != FORMAT:
        raise SettingError(
            f"the state of the policy has the format {state.get('format')!r}",
            allowed=f"format {FORMAT} is wanted",
            advice="start from initial_state() and replay the outcomes",
        )
    counts: Mapping[str, tuple[float, float]] = state["arms"]
    return counts
