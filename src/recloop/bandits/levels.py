"""Thousands of arms in groups: first the group (a strategy, a category), then the arm within."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.bandits.outcomes import Outcomes, Places
from recloop.bandits.state import Array, State
from recloop.bandits.thompson import BetaThompson
from recloop.errors import SettingError


class TwoLevel:
    """Thompson sampling of a group, then of an arm within it, with Beta beliefs on both.

    Groups learn from the rewards of all their arms, so a decision looks at the groups and at the arms of one of them:
    10,000 arms in 100 groups cost as 100 + 100. Source: S. Pandey, D. Chakrabarti, D. Agarwal, "Multi-armed bandit
    problems with dependent arms" (ICML 2007), their two-level policy.

    Args:
        groups: group of each arm, in the order of ``arms``.
        arms: distinct names.
        bandit: of both levels; Beta Thompson sampling from even priors where None.

    >>> two = TwoLevel(["new", "new", "old"], ["a", "b", "c"])
    >>> state = two.update(two.initial(), Outcomes(["a", "c"], [1.0, 0.0]))
    >>> two.propensities(state).round(4).tolist()  # 5/6 for the group, then 2/3 against 1/3
    [0.5556, 0.2778, 0.1667]
    """

    def __init__(self, groups: Sequence[str], arms: Sequence[str], bandit: BetaThompson | None = None) -> None:
        if len(groups) != len(arms):
            raise SettingError(f"{len(groups)} groups came with {len(arms)} arms", allowed="one each")
        self.bandit = bandit or BetaThompson(prior="fixed")
        self.arms = tuple(arms)
        self.groups = tuple(dict.fromkeys(groups))
        place = {name: at for at, name in enumerate(self.groups)}
        self.group_of: NDArray[np.intp] = np.array([place[name] for name in groups], dtype=np.intp)

    def initial(self) -> tuple[State, State]:
        """The states of the groups and of the arms before the first outcome."""
        return self.bandit.initial(self.groups), self.bandit.initial(self.arms)

    def propensities(self, state: tuple[State, State]) -> Array:
        """(n_arms,) the chance of each arm: that of its group times that within it, both by quadrature."""
        of_groups = self.bandit.propensities(state[0])[0]
        chance = np.empty(len(self.arms))
        for group in range(len(self.groups)):
            within = np.flatnonzero(self.group_of == group)
            chance[within] = of_groups[group] * self.bandit.propensities(_only(state[1], within))[0]
        return chance

    def choose(self, state: tuple[State, State], n: int, rng: np.random.Generator) -> Places:
        """(n,) places in ``arms``."""
        groups = self.bandit.choose(state[0], np.empty((n, 0)), rng)
        chosen = np.empty(n, dtype=np.intp)
        for group in np.unique(groups).tolist():
            rows, within = np.flatnonzero(groups == group), np.flatnonzero(self.group_of == group)
            chosen[rows] = self.bandit.choose(_only(state[1], within), np.empty((len(rows), 0)), rng)
        return chosen

    def update(self, state: tuple[State, State], outcomes: Outcomes) -> tuple[State, State]:
        """The states after outcomes; the old ones are as they were."""
        places = state[1].places(outcomes.arms)
        return (
            self.bandit.update(state[0], Outcomes(self.group_of[places], outcomes.rewards, order=outcomes.order)),
            self.bandit.update(state[1], Outcomes(places, outcomes.rewards, order=outcomes.order)),
        )


def _only(state: State, within: Places) -> State:
    """The state with some of its arms on offer."""
    return State(state.bandit, state.arms, tuple(within.tolist()), state.per_arm, state.common)
