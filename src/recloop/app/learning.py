"""What bandits learn while they serve: from the log of outcomes, the same in every process."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from recloop.app.engine import Engine
from recloop.compose.policy import Outcomes, Policy, State
from recloop.store import Store
from recloop.store.outcomes import Outcome, Rewarded


class Learning:
    """Lets the policies of the active release learn from what came of their decisions.

    Every process of a service may do this: each outcome counts once, whoever finds it (``recloop.store.outcomes``), and
    each process answers from the state that all have made.

    Args:
        store: where decisions, events and states are.
        engine: what answers.
    """

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine

    def follow(self) -> None:
        """Take over what became of decisions since the last call.

        Raises:
            StoreError: the store cannot be written; nothing is lost, the next call finds it.
        """
        release = self._engine.release
        if release is None:
            return
        for name, policy in release.policies.items():
            if policy.learns_from is not None:
                rewarded = Rewarded(*policy.learns_from)
                state = self._store.outcomes.follow(release.name, name, rewarded, partial(fold, policy))
                if state is not None:
                    self._engine.adopt(release, name, state)


def fold(policy: Policy, state: State | None, outcomes: Sequence[Outcome]) -> Any:
    """The state of a policy after outcomes; None is the state before the first.

    Each outcome brings the features that its decision saw and the chance that its arm had then. Where a decision told
    none (it was made by another policy, or has left the store), its features are a row of NaN, and the policy says what
    it makes of it.
    """
    seen = [outcome.details.get("features") for outcome in outcomes]
    width = max((len(row) for row in seen if row), default=0)
    missing = [math.nan] * width
    came = Outcomes(
        arms=[outcome.arm for outcome in outcomes],
        rewards=[outcome.reward for outcome in outcomes],
        features=np.array([row or missing for row in seen], dtype=np.float64) if width else None,
        propensities=np.array([outcome.propensity for outcome in outcomes]),
    )
    return policy.update(policy.initial_state() if state is None else state, came)
