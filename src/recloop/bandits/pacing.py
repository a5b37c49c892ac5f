"""Spending a budget over a day: a price on what is spent, which learns the pace."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from recloop.bandits.outcomes import Places
from recloop.bandits.state import Array


@dataclass(frozen=True, slots=True)
class Pace:
    """What pacing knows: the price of each budget, what is left of it, and how many choices are still expected.

    Attributes:
        prices: (m,) what one unit of each budget is worth in rewards.
        left: (m,) of each budget.
        choices: still to come.
    """

    prices: Array
    left: Array
    choices: float

    def to_dict(self) -> dict[str, object]:
        """A value that JSON can hold."""
        return {"format": 1, "prices": self.prices.tolist(), "left": self.left.tolist(), "choices": self.choices}


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """Primal-dual pacing: the option whose reward, less the price of what it costs, is the greatest.

    After each choice the price of a budget moves by ``step * (spent - what may be spent per choice from now on)``: dear
    where one spends too fast, cheap where too slowly. What does not fit into what is left is never chosen. Source: S.
    Balseiro, Y. Gur, "Learning in repeated auctions with budgets", Management Science 65 (2019), adaptive pacing; S.
    Agrawal, N. Devanur, "Bandits with concave rewards and convex knapsacks" (EC 2014).

    Attributes:
        step: of the price, per choice.

    >>> pacing = Pacing(step=0.5)
    >>> pace = pacing.start([2.0], choices=4)
    >>> pacing.choose(pace, np.array([[0.0, 0.9]]), np.array([[[0.0], [1.0]]])).tolist()
    [1]
    >>> pacing.spend(pace, np.array([[1.0]])).prices.round(3).tolist()  # 0.5 * (1 - 2 / 4)
    [0.25]
    """

    step: Annotated[float, Meta(gt=0.0)] = 0.02

    def start(self, budgets: list[float], *, choices: float) -> Pace:
        """Nothing spent; prices are 0.

        Args:
            budgets: (m) what may be spent.
            choices: over so many choices.
        """
        return Pace(np.zeros(len(budgets)), np.array(budgets, dtype=np.float64), float(choices))

    def choose(self, pace: Pace, rewards: Array, costs: Array) -> Places:
        """(n,) the option for each choice.

        Args:
            pace: what is known.
            rewards: (n, k) expected reward of each option; option 0 should cost nothing.
            costs: (n, k, m) what each takes of each budget.
        """
        worth = rewards - costs @ pace.prices
        fits = (costs <= pace.left).all(axis=2)
        return np.asarray(np.where(fits, worth, -np.inf).argmax(axis=1))

    def spend(self, pace: Pace, costs: Array) -> Pace:
        """The pace after some choices that cost (n, m)."""
        n = len(costs)
        rate = pace.left / max(pace.choices, 1.0)
        prices = np.maximum(pace.prices + self.step * (costs.sum(axis=0) - n * rate), 0.0)
        return Pace(prices, pace.left - costs.sum(axis=0), max(pace.choices - n, 0.0))


def dual_bound(rewards: Array, costs: Array, budget: float) -> float:
    """The most that anybody could earn who knew all from the start: the Lagrangian dual of one budget.

    ``min over price of price * budget + Σ_t max_k (reward - price * cost)``, by bisection of its slope.

    Args:
        rewards: (n, k).
        costs: (n, k).
        budget: for all n choices.

    >>> dual_bound(np.array([[0.0, 3.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]), 1.0)  # takes the better one
    3.0
    """
    rows = np.arange(len(rewards))
    low, high = 0.0, float((rewards.max(axis=1) / np.maximum(costs[costs > 0].min(), 1e-12)).max()) + 1.0

    def value(price: float) -> tuple[float, float]:
        worth = rewards - price * costs
        best = worth.argmax(axis=1)
        return price * budget + float(worth[rows, best].sum()), float(costs[rows, best].sum())

    for _ in range(100):
        middle = (low + high) / 2
        if value(middle)[1] > budget:
            low = middle
        else:
            high = middle
    return min(value(0.0)[0], value(low)[0], value(high)[0])
