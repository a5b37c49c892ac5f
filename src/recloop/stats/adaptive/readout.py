import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from recloop.errors import DataError, MissingError
from recloop.stats.adaptive.anytime import steady_contrast, steady_value
from recloop.stats.adaptive.evaluation_weights import Weighting, evaluation_weights
from recloop.stats.adaptive.log import AdaptiveLog, Array
from recloop.stats.adaptive.scores import aipw
from recloop.stats.adaptive.values import Users, Weighted, arm_values, contrast
from recloop.stats.effect import Effect, check_alpha, effect
from recloop.stats.estimate import Estimate
from recloop.stats.mixture import p_value

NAIVE = (
    "The plain mean of an arm is biased here, mostly towards the worse: the allocation followed the rewards, so an arm "
    "that began with bad luck was pulled less, and its bad luck was never averaged out. It is here to be compared only."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReadout:
    """The value of one arm with its interval; ``naive`` is the plain mean of its rewards, NaN without a pull."""

    arm: str
    pulls: int
    value: float
    low: float
    high: float
    naive: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveReadout:
    """What a bandit's log says of its arms: values, differences to the control, and the warning on plain means.

    ``always_valid``: whether the intervals hold at every look, or at one that was planned.
    """

    arms: tuple[ArmReadout, ...]
    contrasts: dict[str, Effect]
    control: str
    weighting: Weighting
    alpha: float
    warning: str = NAIVE
    always_valid: bool = False

    @property
    def sentence(self) -> str:
        """In words, the arm with the best value among those whose interval against the control leaves out zero."""
        clear = {name: e for name, e in self.contrasts.items() if e.low > 0 or e.high < 0}
        made = f"{1 - self.alpha:.0%} intervals, {'valid at every look' if self.always_valid else 'made for one look'}"
        if not clear:
            return f"No arm can be told from '{self.control}' yet ({made})."
        parts = [f"'{n}' by {e.estimate:+.4g} ({e.low:+.4g} to {e.high:+.4g})" for n, e in clear.items()]
        return f"Told from '{self.control}' ({made}): {', '.join(parts)}."


def read_adaptive(
    log: AdaptiveLog,
    names: Sequence[str],
    control: str,
    *,
    weighting: Weighting = "two-point",
    decay: float = 0.2,
    alpha: float = 0.05,
    predictions: Array | None = None,
    users: Users | None = None,
    planned: int | None = None,
) -> AdaptiveReadout:
    """Every arm's value, and its difference to the control.

    Intervals are those of Hadad and others, for one look at an end that was planned before the start. With ``planned``
    they hold at every look, and are about 1.5 times as wide: see ``steady_value``.

    Args:
        log: one log, no leading axes.
        names: of the arms, in the order of the propensities.
        control: the arm that the others are held against.
        weighting: see ``evaluation_weights``.
        decay: see ``evaluation_weights``.
        alpha: error rate of each interval.
        predictions: see ``aipw``.
        users: see ``arm_values``.
        planned: see ``steady_value``; None is for a single look.

    Raises:
        MissingError: the control is no arm.
        DataError: names and arms differ in number, or there are fewer than two rounds; with ``planned``, fewer than
            100, or all rewards are the same.

    >>> log = AdaptiveLog.of([0, 1, 1, 0], [1.0, 0.0, 1.0, 0.0], [[0.5, 0.5]] * 4)
    >>> found = read_adaptive(log, ["a", "b"], "a")
    >>> found.arms[0].naive, found.sentence
    (0.5, "No arm can be told from 'a' yet (95% intervals, made for one look).")
    """
    check_alpha(alpha)
    if len(names) != log.k or log.arms.ndim != 1 or log.rounds < 2:
        raise DataError(
            f"{len(names)} names for {log.k} arms, and rounds of the shape {log.arms.shape}",
            allowed="one name per arm, and at least two rounds of one log",
        )
    if control not in names:
        raise MissingError(f"there is no arm '{control}'", allowed=f"arms are {', '.join(names)}")
    if planned is not None and np.ptp(log.rewards) == 0:
        raise DataError(f"every reward is {log.rewards[0]:g}", allowed="then nothing tells arms apart, and how sure")
    scores, base = aipw(log, predictions), list(names).index(control)
    if planned is None:
        weights = evaluation_weights(log.propensities, weighting, decay=decay)
        values = arm_values(scores, weights, users)
        low, high = values.interval(alpha)
    else:
        found = [
            steady_value(scores[:, arm], log.propensities[:, arm], alpha, planned=planned, users=users)
            for arm in range(log.k)
        ]
        values = Weighted(np.array([one.value for one in found]), np.array([one.variance for one in found]))
        low, high = np.array([one.low for one in found]), np.array([one.high for one in found])
    pulls = np.bincount(log.arms, minlength=log.k)
    gains = np.bincount(log.arms, weights=log.rewards, minlength=log.k)
    naive = np.where(pulls > 0, gains / np.maximum(pulls, 1), np.nan)
    rows = zip(names, pulls, values.value, low, high, naive, strict=True)
    arms = tuple(
        ArmReadout(arm=name, pulls=int(n), value=float(v), low=float(a), high=float(b), naive=float(m))
        for name, n, v, a, b, m in rows
    )
    estimates = [
        Estimate(float(v), float(s), int(n)) for v, s, n in zip(values.value, values.variance, pulls, strict=True)
    ]
    contrasts = {}
    for place, name in enumerate(names):
        if place == base:
            continue
        if planned is None:
            gap, method = contrast(scores, weights, place, base, users), f"adaptively weighted, {weighting}"
            critical = float(-ndtri(alpha / 2))
            p = 2 * float(ndtr(-_standard_errors(gap)))
        else:
            steady = steady_contrast(
                scores[:, place] - scores[:, base],
                log.propensities[:, place],
                log.propensities[:, base],
                alpha,
                planned=planned,
                users=users,
            )
            gap, method = Weighted(steady.value, steady.variance), "adaptively weighted, always valid"
            critical, p = steady.critical, p_value(_standard_errors(gap), steady.v)
        contrasts[name] = effect(
            estimates[place],
            estimates[base],
            critical,
            p,
            alpha,
            method,
            Estimate(float(gap.value), float(gap.variance), log.rounds),
        )
    return AdaptiveReadout(
        arms=arms,
        contrasts=contrasts,
        control=control,
        weighting=weighting if planned is None else "constant",
        alpha=alpha,
        always_valid=planned is not None,
    )


def _standard_errors(gap: Weighted) -> float:
    """How far from zero; nothing is known to the last figure, so a gap without variance is as far as can be."""
    value, variance = abs(float(gap.value)), float(gap.variance)
    return value / math.sqrt(variance) if variance > 0 else math.inf if value else 0.0
