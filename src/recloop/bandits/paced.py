"""A bandit whose arms cost something, and a budget."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.outcomes import Checked
from recloop.bandits.state import Array, State
from recloop.bandits.wrapping import Wrapping
from recloop.errors import SettingError

_STEPS = 24  # of the bisection of the price; the mixture makes up for the rest


class Paced(Wrapping, frozen=True, kw_only=True, tag="paced"):
    """The chances of another bandit, under a price on what arms cost.

    A choice is made by what an arm is expected to earn less the price times its cost. The price of a request is the
    least one, at least the learned one, for which the expected cost is no more than ``burst * budget / requests``;
    where chances jump there, the two sides are mixed, which is the best that a budget allows (A. Badanidiyuru, R.
    Kleinberg, A. Slivkins, "Bandits with knapsacks", JACM 65, 2018; section 4). So no request is expected to cost more,
    however late rewards come. With ``burst`` above 1 requests may cost more where it is worth it, and a price is
    learned from what outcomes cost, as ``Pacing`` does, so that on average they do not.

    Attributes:
        costs: arm → what showing it costs.
        budget: per day.
        requests: expected per day.
        burst: how much more than its part of the budget a request may cost.
        step: of the learned price, per outcome.

    >>> from recloop.bandits import Outcomes, UCB1
    >>> bandit = Paced(bandit=UCB1(width=0.0), costs={"gift": 1.0, "plain": 0.0}, budget=25, requests=100)
    >>> known = bandit.update(bandit.initial(["gift", "plain"]), Outcomes(["gift", "plain"], [1.0, 0.5]))
    >>> bandit.propensities(known).round(6).tolist()
    [[0.25, 0.75]]
    """

    costs: dict[str, Annotated[float, Meta(ge=0.0)]]
    budget: Annotated[float, Meta(ge=0.0)]
    requests: Annotated[float, Meta(gt=0.0)]
    burst: Annotated[float, Meta(ge=1.0)] = 1.0
    step: Annotated[float, Meta(gt=0.0)] = 0.01

    def _common(self, features: int) -> dict[str, Array]:
        return {**super()._common(features), "price": np.zeros(1)}

    def _fits(self, arms: Sequence[str]) -> None:
        missing = [arm for arm in arms if arm not in self.costs]
        if missing:
            raise SettingError(
                f"the arm '{missing[0]}' of the bandit 'paced' has no cost", advice=f"costs = {{{missing[0]} = 0.0}}"
            )
        cheapest, part = min(self.costs[arm] for arm in arms), self.budget / self.requests
        if cheapest > part:
            raise SettingError(
                f"the cheapest arm costs {cheapest}, and the budget is {part:g} for each request",
                advice="give an arm the cost 0, or raise the budget",
            )

    def _share(self, state: State, features: Array | None) -> Array:
        if not self.contextual and "paced" in state.derived:
            kept: Array = state.derived["paced"]
            return kept
        costs = np.array([self.costs[state.arms[place]] for place in state.offered])
        n = 1 if features is None or not self.contextual else len(features)
        share = np.array(self._under(state, features, costs, np.full(n, float(state.common["price"][0]))))
        cap = self.burst * self.budget / self.requests
        dear = np.flatnonzero(share @ costs > cap)
        if len(dear):
            seen = None if features is None or not self.contextual else features[dear]
            share[dear] = self._within(state, seen, costs, cap, share[dear])
        if not self.contextual:
            state.derived["paced"] = share
        return share

    def _under(self, state: State, features: Array | None, costs: Array, price: Array) -> Array:
        """(n, k) the chances of the bandit inside under the prices (n,)."""
        inside = self._inside(state, less=price[:, None] * costs)
        return self.bandit.propensities(inside, features if self.contextual else None)

    def _within(self, state: State, features: Array | None, costs: Array, cap: float, over: Array) -> Array:
        """(n, k) chances that cost ``cap``, of requests that cost more under the learned price (``over``)."""
        least, low, high = float(state.common["price"][0]), np.zeros(len(over)), np.ones(len(over))
        cheapest = (costs == costs.min()).astype(float)
        fits = np.broadcast_to(cheapest / cheapest.sum(), over.shape)
        for _ in range(_STEPS):  # prices are least + u / (1 - u), so that all are reached
            middle = (low + high) / 2
            tried = self._under(state, features, costs, least + middle / (1 - middle))
            dear = tried @ costs > cap
            low, high = np.where(dear, middle, low), np.where(dear, high, middle)
            over, fits = np.where(dear[:, None], tried, over), np.where(dear[:, None], fits, tried)
        spent, spared = over @ costs, fits @ costs
        weight = ((cap - spared) / np.maximum(spent - spared, 1e-300))[:, None]
        return np.asarray(weight * over + (1 - weight) * fits)

    def _learn(self, state: State, came: Checked) -> State:
        after = super()._learn(state, came)
        after.derived.pop("paced", None)
        if self.burst == 1:
            return after
        # the price never falls below 0: each outcome moves it by its step, or as far as that
        costs = np.array([self.costs.get(state.arms[place], 0.0) for place in came.places.tolist()])
        moved = np.cumsum(self.step * (costs - self.budget / self.requests))
        price = moved[-1] + max(float(state.common["price"][0]), float(-moved.min()))
        return State(after.bandit, after.arms, after.offered, after.per_arm,
                     {**after.common, "price": np.array([price])}, after.derived)  # fmt: skip
