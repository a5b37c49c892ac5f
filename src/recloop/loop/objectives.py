"""What a plan's policy needs of its objectives, learned on training events that are put aside."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.compose import PolicyConfig, SlateConfig
from recloop.compose.config import slates_of
from recloop.compose.objectives import ConstraintConfig
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.learn import bounded, learn, offer
from recloop.data.dataset import Dataset
from recloop.data.split import Split
from recloop.loop.blending import mapped
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy


def weighs(policy: PolicyConfig) -> bool:
    """Whether a policy, or a slate that it is made of, weighs objectives.

    >>> weighs(SlateConfig(sources=["ease"]))
    False
    """
    return any(slate.objectives is not None for slate in slates_of(policy).values())


def learned_for(
    policy: PolicyConfig,
    strategies: Mapping[str, Strategy],
    dataset: Dataset,
    validation: Split,
    vectors: NDArray[np.float32] | None,
    *,
    models: Mapping[str, str] | None = None,
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
        models: name → text of a trained fusion.
        seed: of all chance.
        progress: told what each constraint reached.
    """
    if isinstance(policy, SlateConfig):
        return learn(policy, strategies, dataset, validation, vectors, models=models, seed=seed, progress=progress)
    slates = [slate for slate in slates_of(policy).values() if slate.objectives is not None]
    every = [slate.objectives for slate in slates if slate.objectives is not None]
    bounds = {c.of: c for wanted in every for c in wanted.constraints}
    shared = msgspec.structs.replace(
        slates[0],
        sources={name: 1.0 for slate in slates for name in slate.weights},
        fusion="reciprocal-rank",
        ranker="",
        quotas={},
        objectives=msgspec.structs.replace(
            every[0],
            weights={name: 1.0 for wanted in every for name in wanted.weighed},
            users=max(wanted.users for wanted in every),
            # scales of what is bounded, too; the bounds themselves are each slate's own
            constraints=[ConstraintConfig(of=of, at_least=-1e300) for of in bounds],
        ),
    )
    _, found = learn(shared, strategies, dataset, validation, vectors, seed=seed)
    found = replace(found, statements=())

    def priced(slate: SlateConfig) -> SlateConfig:
        nonlocal found
        if slate.objectives is None or not slate.objectives.constraints:
            return slate
        rows = np.random.default_rng(seed).permutation(len(validation))[: slate.objectives.users]
        slate, found = bounded(slate, found, offer(slate, strategies, validation, rows, models=models), progress)
        return slate

    return mapped(policy, priced), found
