"""Objectives at work: candidates in the order of their weighted sum, with what each constraint adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.fusion.fused import Fused
from recloop.compose.objectives.catalogue import OBJECTIVES
from recloop.compose.objectives.config import ObjectivesConfig
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.offered import Offered
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError


@dataclass(frozen=True, eq=False)
class Weigher:
    """Weights of objectives over what was learned of them.

    The score of a candidate is Σ w z + Σ λ g: z is an objective on its common scale, turned so that more is better; λ
    is the learned multiplier of a constraint and g what the candidate adds to it, in its own unit.

    Attributes:
        config: weights, constraints and their multipliers (``prices``).
        names: of the policy's sources.
        objectives: what was learned.
    """

    config: ObjectivesConfig
    names: tuple[str, ...]
    objectives: Objectives

    @classmethod
    def of(
        cls, config: ObjectivesConfig | None, names: Sequence[str], objectives: Objectives | None
    ) -> "Weigher | None":
        """The weigher of a policy; None where it weighs nothing but relevance.

        Raises:
            SettingError: objectives are wanted and nothing was learned of them.
        """
        if config is None:
            return None
        if objectives is None:
            raise SettingError(
                "the policy weighs objectives, and nothing was learned of them",
                advice="run the plan: recloop run, or build it with catalogue=Catalogue(items, objectives=...)",
            )
        objectives.check(config)
        return cls(config, tuple(names), objectives)

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

    def weighed(self, fused: Fused, found: Sequence[Rankings], histories: Histories, k: int) -> Fused:
        """The candidates in the order of their combined scores, which start from 0 for the last one of a request.

        Args:
            fused: the candidates, by relevance.
            found: what each source found.
            histories: of the requests.
            k: places of a slate.
        """
        rankings = fused.rankings
        named = dict(zip(self.names, found, strict=True))
        scores = self.scores(Offered(histories, rankings.items, rankings.scores, named, k))
        order = np.argsort(-scores, axis=1, kind="stable")  # padding is last, and stays
        ordered = np.take_along_axis(scores, order, axis=1)
        there = np.isfinite(ordered)
        low = np.where(there, ordered, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        above = np.where(there, ordered - np.where(np.isfinite(low), low, 0.0), -np.inf)
        return Fused(
            Rankings(np.take_along_axis(rankings.items, order, axis=1), above.astype(np.float32)),
            np.take_along_axis(fused.sources, order, axis=1),
        )
