"""Every estimator that a log and a policy allow, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError, nearest
from recloop.evaluate.off_policy.choice import error_bounds, slope
from recloop.evaluate.off_policy.inverse import clipped, ips, snips
from recloop.evaluate.off_policy.logged import Logged, Target
from recloop.evaluate.off_policy.marginal import blur, blurred_weights
from recloop.evaluate.off_policy.model_based import (
    direct,
    doubly_robust,
    self_normalised_doubly_robust,
    shrunk_doubly_robust,
    switch,
    switch_doubly_robust,
)
from recloop.evaluate.off_policy.terms import Array, Terms

WIDTHS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4)  # of a blur, from apart to alike
CEILINGS = (0.9999, 0.999, 0.99, 0.975, 0.95, 0.9, 0.75)  # quantiles of the weights, from loose to tight

TITLES: dict[str, str] = {
    "ips": "inverse propensity",
    "snips": "self-normalised",
    "clipped": "clipped",
    "mips": "marginalised",
    "direct": "direct method",
    "dr": "doubly robust",
    "sndr": "self-normalised doubly robust",
    "switch": "switch",
    "switch-dr": "switch doubly robust",
    "dros": "doubly robust, shrunk",
}
"""Every estimator by name, in the order of tables."""

BIASED = frozenset({"clipped", "mips", "direct", "switch", "switch-dr", "dros"})
"""Those that trade noise for a bias that no interval of theirs tells."""


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What estimators may use beside weights.

    Args:
        model: (n, A) predicted rewards, as from ``cross_fitted``; None for none.
        item_vectors: (A, d) of the actions, for ``mips``.
    """

    model: Array | None = None
    item_vectors: NDArray[np.floating] | None = None


def estimates(log: Logged, target: Target, knowledge: Knowledge = Knowledge()) -> dict[str, Terms]:
    """Every estimate that can be made, by name. Tuning numbers are those with the smallest ``error_bounds``,
    the width of ``mips`` is that of ``slope``.

    >>> log = Logged.of(["a", "b", "a", "b"], [1, 0, 1, 1], [0.5] * 4)
    >>> found = estimates(log, Target.of("a", log, [1.0, 0.0]))
    >>> list(found), found["snips"].value
    (['ips', 'snips', 'clipped'], 1.0)
    """
    weights, rewards = target.chances / log.propensities, log.rewards
    ceilings = _distinct(np.quantile(weights, CEILINGS))
    found = {"ips": ips(weights, rewards), "snips": snips(weights, rewards)}
    found["clipped"] = _chosen([found["ips"], *(clipped(weights, rewards, at) for at in ceilings)], log)
    if target.distribution is None:
        return found
    if knowledge.item_vectors is not None:
        blurred = [found["snips"], *_marginalised(log, target, knowledge.item_vectors)]
        # as its paper does: a bound by the distance from plain weights would never let go of their noise
        found["mips"] = blurred[slope(blurred, log.users, z=1.0)]
    if knowledge.model is not None:
        found |= _with_model(log, target, weights, knowledge.model, ceilings)
    return {name: found[name] for name in TITLES if name in found}


def check_estimator(name: str) -> str:
    """The name, or the error that offers the nearest."""
    if name not in {*TITLES, "auto"}:
        raise SettingError(f"there is no estimator '{name}'", advice=nearest(name, [*TITLES, "auto"]))
    return name


def _with_model(log: Logged, target: Target, weights: Array, model: Array, ceilings: Array) -> Mapping[str, Terms]:
    assert target.distribution is not None
    rewards, expected = log.rewards, model[np.arange(log.n), log.actions]
    worth = target.distribution * model
    baseline = worth.sum(axis=1)
    robust = doubly_robust(weights, rewards, expected, baseline)
    found = {
        "direct": direct(baseline),
        "dr": robust,
        "sndr": self_normalised_doubly_robust(weights, rewards, expected, baseline),
        "switch-dr": _chosen(
            [robust, *(switch_doubly_robust(weights, rewards, expected, baseline, at) for at in ceilings)], log
        ),
        "dros": _chosen(
            [robust, *(shrunk_doubly_robust(weights, rewards, expected, baseline, at**2) for at in ceilings)], log
        ),
    }
    if log.behaviour is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(target.distribution > 0, target.distribution / log.behaviour, 0.0)
        found["switch"] = _chosen(
            [ips(weights, rewards)]
            + [switch(weights, rewards, np.where(each > at, worth, 0.0).sum(axis=1), at) for at in ceilings],
            log,
        )
    return found


def _marginalised(log: Logged, target: Target, vectors: NDArray[np.floating]) -> list[Terms]:
    assert target.distribution is not None
    behaviour = log.behaviour if log.behaviour is not None else log.shares
    found = []
    for width in WIDTHS:
        weights = blurred_weights(target.distribution, behaviour, log.actions, blur(vectors, width))
        if weights.any():
            found.append(snips(weights, log.rewards))
    return found


def _chosen(candidates: list[Terms], log: Logged) -> Terms:
    """Of candidates, the first of which has no bias to speak of, the one whose error is bound to be smallest."""
    bounds = error_bounds(candidates, candidates[0], log.users)
    return candidates[bounds.index(min(bounds))]


def _distinct(ceilings: Array) -> Array:
    """From loose to tight, above zero, each once; 1 where every weight is 0."""
    kept = np.unique(ceilings[ceilings > 0])[::-1]
    return kept if kept.size else np.ones(1)
