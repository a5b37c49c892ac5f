"""What bandits learn while they serve: from the log of outcomes, the same in every process."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from recloop.app.attacks import find_attacks
from recloop.app.engine import Engine
from recloop.compose.policy import Outcomes, Policy, State
from recloop.store import Store
from recloop.store.outcomes import Doubts, Outcome, Rewarded

ON_ITS_WAY = 10.0  # seconds from the arrival of an event until it is in the store for certain
LOOK = 60.0  # seconds between searches for attacks: each reads the last days of the log


class Learning:
    """Lets the policies of the active release learn from what came of their decisions.

    Every process of a service may do this: each outcome counts once, whoever finds it (``recloop.store.outcomes``), and
    each process answers from the state that all have made.

    Args:
        store: where decisions, events and states are.
        engine: what answers.
        quarantine: whether events of attacks reward nothing (``recloop.app.attacks``). Rewards then count within a
            minute, once the log has been searched.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: Store, engine: Engine, *, quarantine: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._engine = engine
        self._quarantine = quarantine
        self._clock = clock
        self._doubts: Doubts | None = None

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
                rewarded = Rewarded(*policy.learns_from, policy.learns_by_item)
                state = self._store.outcomes.follow(release.name, name, rewarded, partial(fold, policy), self._look())
                if state is not None:
                    self._engine.adopt(release, name, state)

    def _look(self) -> Doubts | None:
        """What is to be doubted; the log is searched where that is some time ago."""
        if not self._quarantine:
            return None
        now = self._clock()
        if self._doubts is None or not 0 <= now - self._doubts.looked - ON_ITS_WAY < LOOK:
            self._doubts = Doubts(find_attacks(self._store, now).doubted, now - ON_ITS_WAY)
        return self._doubts


def fold(policy: Policy, state: State | None, outcomes: Sequence[Outcome]) -> Any:
    """The state of a policy after outcomes; None is the state before the first.

    Each outcome brings what its decision told, the features that it saw and the chance that its arm had then, and for a
    policy that learns by item the places that were rewarded. Where a decision told no features (it was made by another
    policy, or has left the store), they are a row of NaN, and the policy says what it makes of it.
    """
    seen = [outcome.details.get("features") for outcome in outcomes]
    width = max((len(row) for row in seen if row), default=0)
    missing = [math.nan] * width
    came = Outcomes(
        arms=[outcome.arm for outcome in outcomes],
        rewards=[outcome.reward for outcome in outcomes],
        features=np.array([row or missing for row in seen], dtype=np.float64) if width else None,
        propensities=np.array([outcome.propensity for outcome in outcomes]),
        details=[outcome.details for outcome in outcomes],
        taken=[outcome.taken for outcome in outcomes] if policy.learns_by_item else None,
    )
    return policy.update(policy.initial_state() if state is None else state, came)
