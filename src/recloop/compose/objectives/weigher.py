"""Objectives at work: candidates in the order of their weighted sum, with what each constraint adds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.objectives.catalogue import OBJECTIVES
from recloop.compose.objectives.config import ObjectivesConfig
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.offered import Offered
from recloop.errors import SettingError


@dataclass(frozen=True, eq=False)
class Weigher:
    """Weights of objectives over what was learned of them.

    The score of a candidate is Σ w z + Σ λ g: z is an objective on its common scale, turned so that more is better; λ
    is the learned multiplier of a constraint and g what the candidate adds to it, in its own unit.

    Attributes:
        config: weights, constraints and their multipliers (``prices``).
        objectives: what was learned.
    """

    config: ObjectivesConfig
    objectives: Objectives

    @classmethod
    def of(cls, config: ObjectivesConfig | None, objectives: Objectives | None) -> "Weigher | None":
        """The weigher of a policy; None where it weighs nothing but relevance.

        Raises:
            SettingError: objectives are wanted and nothing was learned of them.
        """
        if config is None:
            return None
        if objectives is None:
            raise SettingError(
                "the policy weighs objectives, and nothing was learned of them",
                advice="run the plan: recloop run, or give build(..., objectives=learn(...))",
            )
        objectives.check(config)
        return cls(config, objectives)

    def scores(self, offered: Offered) -> NDArray[np.float64]:
        """(n, m) combined; -inf in padding."""
        names = [name for name in self.config.names if self.config.weighed.get(name) or self.config.prices.get(name)]
        return self.combined(self.objectives.values(offered, names), offered.held)

    def combined(self, values: Mapping[str, NDArray[np.float64]], held: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n, m) the sum over objectives whose values (n, m) are known already; -inf in padding."""
        total = np.zeros(held.shape)
        for name, weight in self.config.weighed.items():
            if weight:
                total += weight * OBJECTIVES[name].direction * self.objectives.scales[name](values[name])
        for name, price in self.config.prices.items():
            if price:
                total += price * np.nan_to_num(values[name])
        return np.where(held, total, -np.inf)

    def order(self, offered: Offered) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(n, m) the candidates' columns, best first, and their scores: 0 for the last one of a request, and above."""
        scores = self.scores(offered)
        order = np.argsort(-scores, axis=1, kind="stable")  # padding is last, and stays
        sorted_ = np.take_along_axis(scores, order, axis=1)
        there = np.isfinite(sorted_)
        low = np.where(there, sorted_, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        above = np.where(there, sorted_ - np.where(np.isfinite(low), low, 0.0), -np.inf)
        return order.astype(np.int64), above.astype(np.float32)
