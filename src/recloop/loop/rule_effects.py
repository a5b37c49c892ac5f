from dataclasses import asdict
from typing import Any

import numpy as np

from recloop.compose import Policy
from recloop.data.split import Split

MOST = 500  # requests that are measured


def rules_measured(policy: Policy, split: Split, k: int) -> list[dict[str, Any]]:
    """What each business rule of a policy does to the slates of held-out users, as plain rows.

    Args:
        policy: built.
        split: whose users ask; at most ``MOST`` of them, evenly spread.
        k: places of a slate.

    Returns:
        For each rule ``rule, does, requests, slates, places, exposure``, see ``recloop.compose.business.Effect``.
    """
    rows = np.unique(np.linspace(0, len(split) - 1, min(MOST, len(split))).astype(np.int64))
    effects = policy.rule_effects(split.histories.take(rows), min(k, split.histories.n_items), allowed=split.allowed)
    return [asdict(effect) for effect in effects]
