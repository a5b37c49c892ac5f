"""Bandits that see no features: sums per arm, which may fade or be forgotten."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.contract import Bandit
from recloop.bandits.outcomes import Checked, Places, faded, numbered
from recloop.bandits.state import Array, State
from recloop.errors import SettingError

SUMS = ("pulls", "total", "squares")


class Counted(Bandit, frozen=True, kw_only=True):
    """Keeps of each arm how often it was chosen, and the sums of its rewards and of their squares.

    Attributes:
        discount: what each decision leaves of the weight of all before it; 1 forgets nothing. An outcome counts for
            about 1 / (1 - discount) further ones. Source: A. Garivier, E. Moulines, "On upper-confidence bound policies
            for switching bandit problems" (ALT 2011), section 2; for Thompson sampling V. Raj, S. Kalyani (2017).
        window: how many outcomes are remembered, of all arms together; 0 remembers all. Source: ibid.
    """

    discount: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    window: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.window and self.discount < 1:
            raise SettingError(
                f"discount is {self.discount} and window is {self.window}", allowed="one way of forgetting, not both"
            )

    def _fresh(self, features: int) -> dict[str, Array]:  # noqa: ARG002
        return dict.fromkeys(SUMS, np.zeros(()))

    def _common(self, features: int) -> dict[str, Array]:  # noqa: ARG002
        recent = ("recent_order", "recent_arms", "recent_rewards")
        return dict.fromkeys(recent, np.zeros(0)) if self.window else {}

    def _learn(self, state: State, came: Checked) -> State:
        if self.window:
            return self._slide(state, came)
        weights, left, common = None, 1.0, state.common
        if self.discount < 1:
            weights, left, clock = faded(state, self.discount, came.order, len(came.places))
            common = {"clock": clock}
        new = _sums(came.places, came.rewards, len(state.arms), weights)
        per_arm = {name: left * np.asarray(state.per_arm[name]) + new[name] for name in SUMS}
        return State(state.bandit, state.arms, state.offered, per_arm, common)

    def _slide(self, state: State, came: Checked) -> State:
        """Only the last outcomes count. Their sums are made anew, so that not even rounding is left of the others."""
        numbers, clock = numbered(state, came.order, len(came.places))
        new = {"recent_order": numbers, "recent_arms": came.places, "recent_rewards": came.rewards}
        kept = {name: np.concatenate([state.common[name], value]) for name, value in new.items()}
        last = np.argsort(kept["recent_order"], kind="stable")[-self.window :]
        common = {name: value[last] for name, value in kept.items()}
        per_arm = _sums(common["recent_arms"].astype(np.intp), common["recent_rewards"], len(state.arms), None)
        common["clock"] = np.array([max(clock, float(numbers.max()))])
        return State(state.bandit, state.arms, state.offered, per_arm, common)


class Indexed(Counted, frozen=True, kw_only=True):
    """Chooses the arm whose index is the greatest; arms that tie are chosen alike."""

    def _index(self, state: State) -> Array:
        """(n_offered,) the index of each arm; infinite where it was never tried."""
        raise NotImplementedError

    def _share(self, state: State, features: Array | None) -> Array:  # noqa: ARG002
        index = self._index(state)[None]
        return greatest(index if state.less is None else index - state.less)


def greatest(index: Array) -> Array:
    """(n, k) even chances among the greatest of each row.

    >>> greatest(np.array([[1.0, 3.0, 3.0]])).tolist()
    [[0.0, 0.5, 0.5]]
    """
    best = index == index.max(axis=1, keepdims=True)
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def _sums(places: Places, rewards: Array, arms: int, weights: Array | None) -> dict[str, Array]:
    of = rewards if weights is None else rewards * weights
    return {
        "pulls": np.bincount(places, weights=weights, minlength=arms).astype(np.float64),
        "total": np.bincount(places, weights=of, minlength=arms).astype(np.float64),
        "squares": np.bincount(places, weights=of * rewards, minlength=arms).astype(np.float64),
    }
