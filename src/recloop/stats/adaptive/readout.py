from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from recloop.errors import DataError, MissingError
from recloop.stats.adaptive.evaluation_weights import Weighting, evaluation_weights
from recloop.stats.adaptive.log import AdaptiveLog, Array
from recloop.stats.adaptive.scores import aipw
from recloop.stats.adaptive.values import Users, arm_values, contrast
from recloop.stats.effect import Effect, check_alpha, effect
from recloop.stats.estimate import Estimate

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
    """What a bandit's log says of its arms: values, differences to the control, and the warning on plain means."""

    arms: tuple[ArmReadout, ...]
    contrasts: dict[str, Effect]
    control: str
    weighting: Weighting
    alpha: float
    warning: str = NAIVE

    @property
    def sentence(self) -> str:
        """In words, the arm with the best value among those whose interval against the control leaves out zero."""
        clear = {name: e for name, e in self.contrasts.items() if e.low > 0 or e.high < 0}
        if not clear:
            return f"No arm can be told from '{self.control}' yet ({1 - self.alpha:.0%} intervals)."
        parts = [f"'{n}' by {e.estimate:+.4g} ({e.low:+.4g} to {e.high:+.4g})" for n, e in clear.items()]
        return f"Told from '{self.control}' ({1 - self.alpha:.0%} intervals): {', '.join(parts)}."


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
) -> AdaptiveReadout:
    """Every arm's value, and its difference to the control, at an end that was planned before the start.

    Intervals are those of Hadad and others for one look; for a look at any time see ``lyapunov`` and ``betting``.

    Args:
        log: one log, no leading axes.
        names: of the arms, in the order of the propensities.
        control: the arm that the others are held against.
        weighting: see ``evaluation_weights``.
        decay: see ``evaluation_weights``.
        alpha: error rate of each interval.
        predictions: see ``aipw``.
        users: see ``arm_values``.

    Raises:
        MissingError: the control is no arm.
        DataError: names and arms differ in number, or there are fewer than two rounds.

    >>> log = AdaptiveLog.of([0, 1, 1, 0], [1.0, 0.0, 1.0, 0.0], [[0.5, 0.5]] * 4)
    >>> found = read_adaptive(log, ["a", "b"], "a")
    >>> found.arms[0].naive, found.sentence
    (0.5, "No arm can be told from 'a' yet (95% intervals).")
    """
    check_alpha(alpha)
    if len(names) != log.k or log.arms.ndim != 1 or log.rounds < 2:
        raise DataError(
            f"{len(names)} names for {log.k} arms, and rounds of the shape {log.arms.shape}",
            allowed="one name per arm, and at least two rounds of one log",
        )
    if control not in names:
        raise MissingError(f"there is no arm '{control}'", allowed=f"arms are {', '.join(names)}")
    scores, weights = aipw(log, predictions), evaluation_weights(log.propensities, weighting, decay=decay)
    values = arm_values(scores, weights, users)
    low, high = values.interval(alpha)
    pulls = np.bincount(log.arms, minlength=log.k)
    gains = np.bincount(log.arms, weights=log.rewards, minlength=log.k)
    naive = np.where(pulls > 0, gains / np.maximum(pulls, 1), np.nan)
    rows = zip(names, pulls, values.value, low, high, naive, strict=True)
    arms = tuple(
        ArmReadout(arm=name, pulls=int(n), value=float(v), low=float(a), high=float(b), naive=float(m))
        for name, n, v, a, b, m in rows
    )
    base, critical = list(names).index(control), float(-ndtri(alpha / 2))
    estimates = [
        Estimate(float(v), float(s), int(n)) for v, s, n in zip(values.value, values.variance, pulls, strict=True)
    ]
    contrasts = {}
    for place, name in enumerate(names):
        if place == base:
            continue
        gap = contrast(scores, weights, place, base, users)
        value, variance = float(gap.value), float(gap.variance)
        p = 2 * float(ndtr(-abs(value) / variance**0.5)) if variance > 0 else float(value == 0)
        contrasts[name] = effect(
            estimates[place],
            estimates[base],
            critical,
            p,
            alpha,
            f"adaptively weighted, {weighting}",
            Estimate(value, variance, log.rounds),
        )
    return AdaptiveReadout(arms=arms, contrasts=contrasts, control=control, weighting=weighting, alpha=alpha)
