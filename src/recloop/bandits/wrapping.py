"""A bandit around another one: it learns what that one learns, and changes how probable arms are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from recloop.bandits.contract import Bandit
from recloop.bandits.indices import KLUCB, UCB1, EpsilonGreedy
from recloop.bandits.linear import LinTS, LinUCB
from recloop.bandits.outcomes import Checked
from recloop.bandits.state import Array, State
from recloop.bandits.thompson import BetaThompson, GaussianThompson

Inner = EpsilonGreedy | UCB1 | KLUCB | BetaThompson | GaussianThompson | LinUCB | LinTS
"""What may stand inside: bandits that believe something of the expected reward of each arm."""


class Wrapping(Bandit, frozen=True, kw_only=True):
    """Keeps the state of the bandit inside under its own name; a wrapping one writes ``_share``.

    Attributes:
        bandit: the one inside.
    """

    bandit: Inner = BetaThompson()

    @property
    def contextual(self) -> bool:  # type: ignore[override]
        """Whether the one inside sees features."""
        return self.bandit.contextual

    @property
    def rates(self) -> bool:  # type: ignore[override]
        """Whether rewards must lie in [0, 1]."""
        return True

    def _fits(self, arms: Sequence[str]) -> None:
        """Refuse arms for which the settings are not made."""

    def initial(self, arms: Sequence[str], *, features: int = 0) -> State:
        """As of every bandit, for arms that the settings are made for."""
        self._fits(arms)
        return Bandit.initial(self, arms, features=features)

    def offer(self, state: State, arms: Sequence[str]) -> State:
        """As of every bandit, for arms that the settings are made for."""
        self._fits(arms)
        return Bandit.offer(self, state, arms)

    def n_features(self, state: State) -> int:
        """How many features the state was made for."""
        return self.bandit.n_features(state)

    def _fresh(self, features: int) -> dict[str, Array]:
        return self.bandit._fresh(features)  # noqa: SLF001

    def _common(self, features: int) -> dict[str, Array]:
        return self.bandit._common(features)  # noqa: SLF001

    def _outcomes(self, state: State) -> float:
        return self.bandit._outcomes(state)  # noqa: SLF001

    def _inside(self, state: State, **common: Any) -> State:
        """The state of the bandit inside; what it computes of it is kept with the whole."""
        derived = {} if common else state.derived
        return replace(state, bandit=self.bandit.name, common={**state.common, **common}, derived=derived)

    def _learn(self, state: State, came: Checked) -> State:
        after = self.bandit._learn(self._inside(state), came)  # noqa: SLF001
        return replace(after, bandit=self.name, common={**state.common, **after.common})
