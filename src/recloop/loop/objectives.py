"""What a plan's policy needs of its objectives, learned on training events that are put aside."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.compose import PolicyConfig, SlateConfig, ThompsonConfig
from recloop.compose.objectives import ObjectivesConfig
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.learn import bounded, learn, offer
from recloop.data.dataset import Dataset
from recloop.data.split import Split
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy


def weighs(policy: PolicyConfig) -> bool:
    """Whether a policy, or an arm of it, weighs objectives.

    >>> weighs(SlateConfig(sources=["ease"]))
    False
    """
    return any(slate.objectives is not None for slate in slates(policy))


def slates(policy: PolicyConfig) -> list[SlateConfig]:
    """The slate policies that a policy is made of."""
    if isinstance(policy, SlateConfig):
        return [policy]
    return [arm for arm in policy.arms.values() if isinstance(arm, SlateConfig)] if hasattr(policy, "arms") else []


def learned_for(
    policy: PolicyConfig,
    strategies: Mapping[str, Strategy],
    dataset: Dataset,
    validation: Split,
    vectors: NDArray[np.float32] | None,
    *,
    seed: int,
    progress: Progress = SILENT,
) -> tuple[PolicyConfig, Objectives]:
    """The policy with the multipliers of its constraints, and what all its arms need of their objectives.

    Arms share one item table, one ranker over the sources of them all, and one scale for each objective; their
    constraints are their own.

    Args:
        policy: weighs objectives.
        strategies: fitted on ``validation.train``.
        dataset: the log that ``validation`` is a split of.
        validation: what the run is judged by is not in it.
        vectors: (n_items, d) item vectors.
        seed: of all chance.
        progress: told what each constraint reached.
    """
    if isinstance(policy, SlateConfig):
        return learn(policy, strategies, dataset, validation, vectors, seed=seed, progress=progress)
    arms = [arm for arm in slates(policy) if arm.objectives is not None]
    every = [arm.objectives for arm in arms if arm.objectives is not None]
    weights = {name: 1.0 for wanted in every for name in wanted.weighed}
    shared = msgspec.structs.replace(
        arms[0],
        sources={name: 1.0 for arm in arms for name in arm.weights},
        objectives=ObjectivesConfig(
            weights=weights | {c.of: 1.0 for wanted in every for c in wanted.constraints if c.of in weights},
            scale=every[0].scale,
            model=every[0].model,
            half_life=every[0].half_life,
            new_share=every[0].new_share,
            provider=every[0].provider,
            users=max(wanted.users for wanted in every),
        ),
    )
    _, found = learn(shared, strategies, dataset, validation, vectors, seed=seed, progress=progress)
    assert isinstance(policy, ThompsonConfig)
    priced: dict[str, SlateConfig] = {}
    for name, arm in policy.arms.items():
        if arm.objectives is None or not arm.objectives.constraints:
            priced[name] = arm
            continue
        rows = np.random.default_rng(seed).permutation(len(validation))[: arm.objectives.users]
        priced[name], found = bounded(arm, found, offer(arm, strategies, validation, rows), progress)
    return msgspec.structs.replace(policy, arms=priced), found
