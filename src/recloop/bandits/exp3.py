"""Exponential weights for rewards that follow no law."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.contract import Bandit
from recloop.bandits.outcomes import Checked
from recloop.bandits.state import Array, State


class Exp3(Bandit, frozen=True, kw_only=True, tag="exp3"):
    """Exponential weights over estimated losses, for rewards in [0, 1] that an adversary may set.

    The loss of an outcome, 1 - reward, is divided by the chance that its arm had when it was chosen, which is why late
    outcomes are right whatever the weights have become. The weight of an arm is exp(-rate * Σ losses), with the rate
    ``sqrt(ln k / (k n))`` after n outcomes unless it is fixed.
    Source: P. Auer et al., "The nonstochastic multiarmed bandit problem", SIAM J. Computing 32 (2002); in this form
    S. Bubeck, N. Cesa-Bianchi, "Regret analysis of stochastic and nonstochastic multi-armed bandit problems" (2012),
    section 3.1, figure 3.1 and theorem 3.1.

    Attributes:
        rate: of learning; 0 lets it fall with the outcomes.

    >>> from recloop.bandits import Outcomes
    >>> bandit = Exp3(rate=0.5)
    >>> came = Outcomes(["a"], [0.0], propensities=np.array([0.5]))  # loss 1 / 0.5 = 2
    >>> state = bandit.update(bandit.initial(["a", "b"]), came)
    >>> bandit.propensities(state).round(6).tolist()  # exp(-1) : 1
    [[0.268941, 0.731059]]
    """

    rates = True
    needs_propensities = True

    rate: Annotated[float, Meta(ge=0.0)] = 0.0

    def _fresh(self, features: int) -> dict[str, Array]:  # noqa: ARG002
        return {"pulls": np.zeros(()), "losses": np.zeros(())}

    def _share(self, state: State, features: Array | None) -> Array:  # noqa: ARG002
        losses = state.array("losses")
        k = len(losses)
        rate = self.rate or np.sqrt(np.log(max(k, 2)) / (k * max(self._outcomes(state), 1.0)))
        weights = np.exp(-rate * (losses - losses.min()))
        return np.asarray(weights / weights.sum())[None]

    def _learn(self, state: State, came: Checked) -> State:
        places, propensities = came.places, came.propensities
        assert propensities is not None
        k = len(state.arms)
        losses = np.bincount(places, weights=(1 - came.rewards) / propensities, minlength=k)
        per_arm = {
            "pulls": np.asarray(state.per_arm["pulls"]) + np.bincount(places, minlength=k),
            "losses": np.asarray(state.per_arm["losses"]) + losses,
        }
        return State(state.bandit, state.arms, state.offered, per_arm, state.common)
