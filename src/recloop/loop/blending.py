"""What fusion learns on validation users: the order of candidates, or what the scores of each source mean."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import msgspec
import numpy as np
import scipy
from numpy.typing import NDArray

from recloop.compose.candidates import retrieve
from recloop.compose.config import PolicyConfig, SlateConfig, SlotsConfig, slates_of
from recloop.compose.fusion import Calibration, reciprocal_rank
from recloop.compose.fusion.learned import learn_fusion
from recloop.compose.rules import Rules, within
from recloop.data.rankings import Rankings
from recloop.data.split import Split
from recloop.errors import DataError
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy

KNOTS = 32  # of a calibration
MOST = 20_000  # validation users that are learned from


def is_learned(config: PolicyConfig) -> bool:
    """Whether some slate of the policy is fused by what a run has to learn first.

    >>> is_learned(SlateConfig(sources=["ease"], fusion="learned"))
    True
    """
    return any(_lacks(slate) for slate in slates_of(config).values())


def _lacks(slate: SlateConfig) -> bool:
    return (slate.fusion == "learned" and not slate.model) or (slate.calibrated and not slate.calibration)


def blended(
    config: PolicyConfig,
    strategies: Mapping[str, Strategy],
    validation: Split,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[PolicyConfig, dict[str, str]]:
    """The policy with what its fusion learned, and the texts of its models by name.

    Args:
        config: of any kind.
        strategies: fitted on ``validation.train``.
        validation: a split of the training events; what the run is judged by is not in it.
        seed: of LightGBM.
        progress: told what is learned.

    Raises:
        ExtraError: fusion is learned, and the extra ``blend`` is not installed.
        DataError: the validation users took none of the candidates.
    """
    models: dict[str, str] = {}

    def learned(slate: SlateConfig) -> SlateConfig:
        if not _lacks(slate):
            return slate
        progress.note("How to fuse is learned on a part of the training events")
        part = _some(validation)
        names = [name for name, weight in slate.weights.items() if weight > 0]
        rules = Rules(part.hide_seen, part.allowed)
        lists = [retrieve(strategies[name], None, part.histories, slate.candidates, rules).rankings for name in names]
        if slate.fusion == "learned":
            fused = reciprocal_rank(lists, slate.candidates)
            relevant = taken(fused.rankings, part)
            text = learn_fusion(lists, part.histories, relevant, fused=fused, seed=seed)
            name = sha256(text.encode()).hexdigest()[:16]
            models[name] = text
            return msgspec.structs.replace(slate, model=name)
        found = {name: calibration(one, taken(one, part)) for name, one in zip(names, lists, strict=True)}
        return msgspec.structs.replace(slate, calibration=found)

    return mapped(config, learned), models


def taken(rankings: Rankings, split: Split) -> NDArray[np.bool_]:
    """(n, k) which items of the rankings the users took."""
    truth = split.truth
    return within(rankings.items, (truth.rows, truth.items), split.histories.n_items) & (rankings.items >= 0)


def calibration(rankings: Rankings, relevant: NDArray[np.bool_]) -> Calibration:
    """What scores mean: the share of items taken at each, made to rise by isotonic regression.

    Scores are parted into at most ``KNOTS`` groups of equal size first. Zadrozny & Elkan, "Transforming classifier
    scores into accurate multiclass probability estimates", KDD 2002.

    Args:
        rankings: of one source.
        relevant: (n, k) which of its items were taken.

    Raises:
        DataError: there is no candidate.

    >>> scores = np.repeat(np.array([[4.0, 2.0]], np.float32), 10, axis=0)
    >>> items = np.tile(np.array([[0, 1]], np.int32), (10, 1))
    >>> relevant = np.zeros((10, 2), bool)
    >>> relevant[:5, 0] = relevant[:1, 1] = True
    >>> calibration(Rankings(items, scores), relevant)
    Calibration(scores=[2.0, 4.0], chances=[0.1, 0.5])
    """
    held = rankings.items >= 0
    scores, hits = rankings.scores[held].astype(np.float64), relevant[held].astype(np.float64)
    if not len(scores):
        raise DataError("a source brought no candidates to calibrate", advice='use scale = "min-max"')
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, KNOTS + 1)[1:-1], method="higher"))
    group = np.searchsorted(edges, scores, side="left")
    _, group = np.unique(group, return_inverse=True)
    counts = np.bincount(group)
    means, chances = np.bincount(group, scores) / counts, np.bincount(group, hits) / counts
    rising = scipy.optimize.isotonic_regression(chances, weights=counts).x
    return Calibration(scores=means.tolist(), chances=np.clip(rising, 0.0, 1.0).tolist())


def _some(validation: Split) -> Split:
    if len(validation) <= MOST:
        return validation
    rows = np.linspace(0, len(validation) - 1, MOST).astype(np.int64)
    return replace(
        validation,
        histories=validation.histories.take(rows),
        truth=validation.truth.take(rows),
        users=validation.users[rows],
    )


def mapped(config: PolicyConfig, change: Callable[[SlateConfig], SlateConfig]) -> PolicyConfig:
    """The policy with every slate changed.

    >>> mapped(SlateConfig(sources=["ease"]), lambda slate: msgspec.structs.replace(slate, candidates=7)).candidates
    7
    """
    if isinstance(config, SlateConfig):
        return change(config)
    if isinstance(config, SlotsConfig):
        slots = {
            name: msgspec.structs.replace(slot, policy=msgspec.to_builtins(mapped(slot.config, change)))
            for name, slot in config.slots.items()
        }
        return msgspec.structs.replace(config, slots=slots)
    return msgspec.structs.replace(config, arms={name: change(arm) for name, arm in config.arms.items()})
