"""Which strategies to fuse, and how much each weighs: learned on training events that are put aside."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.compose import Catalogue, SlateConfig, build
from recloop.data.split import Split
from recloop.evaluate import evaluate
from recloop.metrics import Metric
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy


def select(
    config: SlateConfig,
    strategies: Mapping[str, Strategy],
    candidates: Sequence[str],
    validation: Split,
    metric: Metric,
    *,
    vectors: NDArray[np.float32] | None = None,
    catalogue: Catalogue | None = None,
    progress: Progress = SILENT,
) -> SlateConfig:
    """The configuration with sources and weights that are best on a validation split.

    Greedy forward selection (Caruana et al. 2004, "Ensemble selection from libraries of models"): begin with the best
    strategy alone; try the others in the order of their merit, each weighing its merit relative to the best's, and keep
    those that improve the slate. So the policy is never worse on the validation events than its best strategy.

    Args:
        config: everything of the policy but its sources.
        strategies: fitted on ``validation.train``.
        candidates: names of those that may be sources.
        validation: a split of the training events; what the run is judged by is not in it.
        metric: what decides.
        vectors: (n_items, d) for diversity.
        catalogue: for rules and categories.
        progress: told of each try.
    """
    alone = evaluate(validation, {name: strategies[name] for name in candidates}, [metric])
    merit = {name: metric.merit(alone.value(name, metric)) for name in candidates}
    ranked = sorted(candidates, key=lambda name: -np.nan_to_num(merit[name], nan=-np.inf))
    best = ranked[0]
    if not merit[best] > 0:
        return msgspec.structs.replace(config, sources=dict.fromkeys(candidates, 1.0))
    kept, reached = {best: 1.0}, -np.inf
    with progress.task("Select what to fuse", total=len(ranked)) as advance:
        for name in ranked:
            tried = msgspec.structs.replace(config, sources=kept | {name: round(merit[name] / merit[best], 3)})
            if tried.weights[name] > 0:
                judged = evaluate(
                    validation, {"tried": build(_plain(tried), strategies, vectors, catalogue=catalogue)}, [metric]
                )
                value = metric.merit(judged.value("tried", metric))
                if value > reached:
                    kept, reached = tried.weights, value
            advance(1)
    return msgspec.structs.replace(config, sources=kept)


def _plain(config: SlateConfig) -> SlateConfig:
    """The same without what is learned once its sources are known, and without chance."""
    config = msgspec.structs.replace(config, objectives=None, softmax=None)
    if config.fusion == "learned":
        return msgspec.structs.replace(config, fusion="reciprocal-rank")
    return msgspec.structs.replace(config, scale="min-max") if config.calibrated else config
