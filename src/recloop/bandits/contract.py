"""The contract of a bandit: settings that read a state, say how probable each arm is, and make the next state."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from recloop.bandits.outcomes import Checked, Outcomes, Places, draw
from recloop.bandits.state import Array, State, Value
from recloop.errors import SettingError
from recloop.stats.adaptive.best_arm import with_floor
from recloop.stats.adaptive.mixture_design import mixture


class Bandit(msgspec.Struct, frozen=True, kw_only=True, tag_field="name", forbid_unknown_fields=True):
    """Settings of an algorithm, and its pure functions. What it learns is a ``State``, which goes in and comes out.

    A new one writes ``_fresh`` (what is kept of an arm before its first outcome), ``_share`` and ``_learn``.

    Attributes:
        floor: the least chance that any arm has, at most one over the number of arms; 0 is none.
        mixture: how fast the share of even draws falls with n outcomes, n ** -mixture; 0 mixes none in.
    """

    floor: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    mixture: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0

    contextual: ClassVar[bool] = False
    """Whether its choices depend on features."""
    rates: ClassVar[bool] = False
    """Whether rewards must lie in [0, 1]."""
    ties: ClassVar[bool] = False
    """Whether arms may tie, so that one of them is drawn."""
    needs_propensities: ClassVar[bool] = False
    """Whether outcomes must tell the chance that their arm had."""

    # ---- what an algorithm writes

    def _fresh(self, features: int) -> dict[str, Array]:
        """What is kept of an arm before its first outcome: name → array of one arm."""
        raise NotImplementedError

    def _common(self, features: int) -> dict[str, Array]:  # noqa: ARG002
        """What is kept beside the arms."""
        return {}

    def _share(self, state: State, features: Array | None) -> Array:
        """(n, n_offered), or (1, n_offered) where the features do not matter."""
        raise NotImplementedError

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        """(n, n_offered) numbers of which the greatest is chosen, each with its share; None draws from the shares."""
        return None

    def _learn(self, state: State, came: Checked) -> State:
        """The state after outcomes that were checked."""
        raise NotImplementedError

    # ---- what everybody calls

    @property
    def name(self) -> str:
        """The algorithm, as configurations call it."""
        return str(self.__struct_config__.tag)

    def initial(self, arms: Sequence[str], *, features: int = 0) -> State:
        """The state before the first outcome.

        Args:
            arms: distinct names.
            features: how many numbers come with each choice; 0 where the algorithm sees none.

        Raises:
            SettingError: no arm, an arm named twice, or features are missing or not wanted.
        """
        if not arms:
            raise SettingError(f"the bandit '{self.name}' has no arm", advice="name at least one")
        if len(set(arms)) < len(arms):
            twice = next(arm for arm in arms if list(arms).count(arm) > 1)
            raise SettingError(f"the arm '{twice}' is named twice")
        if self.contextual and features < 1:
            raise SettingError(
                f"the bandit '{self.name}' learns from features, and there are {features}",
                advice="name some, or take one without: beta",
            )
        self._floors(len(arms))
        width = features if self.contextual else 0
        fresh = self._fresh(width)
        per_arm = {name: np.repeat(value[None], len(arms), axis=0) for name, value in fresh.items()}
        return State(self.name, tuple(arms), tuple(range(len(arms))), per_arm, self._common(width))

    def offer(self, state: State, arms: Sequence[str]) -> State:
        """The state in which these arms may be chosen: new ones begin fresh, others keep what is known of them.

        Raises:
            SettingError: no arm, or an arm named twice.
        """
        self._mine(state)
        if not arms or len(set(arms)) < len(arms):
            raise SettingError(f"the arms offered are {list(arms)}", allowed="at least one, each once")
        self._floors(len(arms))
        grown = self._known(state, arms)
        return State(
            grown.bandit, grown.arms, tuple(grown.arms.index(arm) for arm in arms), grown.per_arm, grown.common
        )

    def propensities(self, state: State, features: ArrayLike | None = None) -> Array:
        """The probability of each arm.

        Args:
            state: from ``initial``, ``offer`` or ``update``.
            features: (n, d); None is one choice that nothing is known about.

        Returns:
            (n, n_offered) float64, at least 0; rows sum to 1. Columns follow ``state.offered``.

        Raises:
            SettingError: the state is of another algorithm, or features do not fit.
        """
        seen, n = self._seen(state, features)
        share = self._share(state, seen)
        if self.mixture:
            share = mixture(share, 1.0 + self._outcomes(state), self.mixture)
        if self.floor:
            share = with_floor(share, self.floor)
        return np.broadcast_to(share, (n, share.shape[1]))

    def choose(self, state: State, features: ArrayLike | None, rng: np.random.Generator) -> Places:
        """(n,) the arm that each choice gets, as places in ``state.arms``, drawn with its propensity."""
        chosen = None
        if not (self.floor or self.mixture):
            seen, n = self._seen(state, features)
            scores = self._draws(state, seen, n, rng)
            chosen = None if scores is None else self._greatest(scores)
        if chosen is None:
            share = self.propensities(state, features)
            chosen = draw(share, rng.random(len(share)))
        return chosen if state.all_offered else np.array(state.offered, dtype=np.intp)[chosen]

    def update(self, state: State, outcomes: Outcomes) -> State:
        """The state after outcomes; the old one is as it was. Many at once are as one after the other.

        Raises:
            SettingError: the state is of another algorithm, numbers do not fit, are not finite, or out of range, or
                what the algorithm needs is missing.
        """
        if not isinstance(outcomes.arms, np.ndarray) or outcomes.arms.dtype.kind not in "iu":
            self._mine(state)
            state = self._known(state, outcomes.arms)
        places = state.places(outcomes.arms)
        rewards = np.asarray(outcomes.rewards, dtype=np.float64)
        n = len(places)
        if rewards.shape != places.shape:
            raise SettingError(f"{n} arms came with {rewards.size} rewards", allowed="one each")
        if not n:
            return state
        # one at a time is what a service does most: no reductions over one number
        low, high = (rewards.item(),) * 2 if n == 1 else (float(rewards.min()), float(rewards.max()))
        if not (low > -np.inf and high < np.inf) or (self.rates and not (low >= 0 and high <= 1)):
            allowed = "rewards are numbers between 0 and 1" if self.rates else "rewards are finite numbers"
            wrong = low if not low >= 0 else high
            raise SettingError(f"a reward is {wrong}", allowed=allowed)
        seen = self._seen(state, outcomes.features, n)[0]
        chances = self._chances(outcomes, n) if self.needs_propensities else None
        order = None if outcomes.order is None else self._order(outcomes.order, n)
        return self._learn(state, Checked(places, rewards, seen, chances, order))

    def _greatest(self, scores: Array) -> Places | None:
        """(n,) the column of the greatest of each row; None where arms may tie and do."""
        best: Places
        if len(scores) == 1:  # a few numbers are looked through sooner as a list
            row = scores[0].tolist()
            greatest = max(row)
            if self.ties and row.count(greatest) > 1:
                return None
            return np.array([row.index(greatest)], dtype=np.intp)
        best = scores.argmax(axis=1)
        if self.ties and np.count_nonzero(scores == scores.max(axis=1, keepdims=True)) > len(scores):
            return None
        return best

    # ---- checks

    def _outcomes(self, state: State) -> float:
        """How many outcomes are in the state."""
        return float(np.sum(state.per_arm["pulls"]))

    def _mine(self, state: State) -> None:
        if state.bandit != self.name:
            raise SettingError(
                f"the state is of the bandit '{state.bandit}', and '{self.name}' is to read it",
                advice="start from initial() and replay the outcomes",
            )

    def _floors(self, arms: int) -> None:
        if self.floor * arms > 1:
            raise SettingError(f"the floor is {self.floor} for {arms} arms", allowed=f"at most 1/{arms}")

    def n_features(self, state: State) -> int:  # noqa: ARG002
        """How many features the state was made for."""
        return 0

    def _seen(self, state: State, features: ArrayLike | None, rows: int | None = None) -> tuple[Array | None, int]:
        """The features as (n, d) where they count, and n."""
        self._mine(state)
        if not self.contextual:
            return None, 1 if features is None else rows or len(np.asarray(features))
        width = self.n_features(state)
        if features is None:
            raise SettingError(f"the bandit '{self.name}' needs features", allowed=f"(n, {width}) numbers")
        seen = np.asarray(features, dtype=np.float64)
        if seen.ndim != 2 or seen.shape[1] != width or (rows is not None and len(seen) != rows):
            raise SettingError(
                f"features have the shape {seen.shape}", allowed=f"({'n' if rows is None else rows}, {width})"
            )
        flat = seen[0] if len(seen) == 1 else seen.ravel()
        if not math.isfinite(flat.dot(flat)) and not np.isfinite(seen).all():
            raise SettingError("a feature is not a finite number", advice="give 0 and a flag for what is unknown")
        return seen, len(seen)

    def _chances(self, outcomes: Outcomes, n: int) -> Array:
        if outcomes.propensities is None:
            raise SettingError(
                f"the bandit '{self.name}' learns from the chance that each arm had",
                advice="give Outcomes.propensities",
            )
        chances = np.asarray(outcomes.propensities, dtype=np.float64)
        if chances.shape != (n,) or not ((chances > 0) & (chances <= 1)).all():
            raise SettingError("propensities of outcomes do not fit", allowed=f"{n} numbers above 0 and at most 1")
        return chances

    def _order(self, order: ArrayLike, n: int) -> Array:
        numbers = np.asarray(order, dtype=np.float64)
        if numbers.shape != (n,) or not (numbers >= 0).all() or not np.isfinite(numbers).all():
            raise SettingError("the order of outcomes does not fit", allowed=f"{n} numbers of decisions, from 0")
        return numbers

    def _known(self, state: State, arms: Sequence[str] | NDArray[Any]) -> State:
        """The state with a fresh row for every arm that it does not know."""
        known = set(state.arms)
        new = [name for name in dict.fromkeys(map(str, arms)) if name not in known]
        if not new:
            return state
        fresh = self._fresh(self.n_features(state))
        per_arm: Mapping[str, Value] = {
            name: np.concatenate([np.asarray(value), np.repeat(fresh[name][None], len(new), axis=0)])
            for name, value in state.per_arm.items()
        }
        return State(state.bandit, (*state.arms, *new), state.offered, per_arm, state.common)
