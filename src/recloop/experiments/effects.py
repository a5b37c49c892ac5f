"""From an arm's sums to effects: the one place where the method of an interval is chosen."""

from dataclasses import dataclass

from recloop.stats import Comoments, Effect, GroupSequential, Moments, always_valid, cuped, miettinen_nurminen, welch
from recloop.stats.adjustment import adjust
from recloop.stats.ratios import ratio as ratios
from recloop.stats.sequences import always_valid_of

FEW = 100  # users with, or without, the outcome: below, the score interval of a share is not yet Welch's


@dataclass(frozen=True, slots=True)
class Effects:
    """One comparison in two ways: right for a single look at a planned size, and right at every look."""

    fixed: Effect
    sequential: Effect


def once(treatment: Moments, control: Moments, alpha: float) -> Effect:
    """Treatment minus control for a single look.

    A ratio is compared by the delta method, a mean by Welch's t. A share of users that fewer than 100 users of an arm
    have, or lack, is compared by the score interval of Miettinen and Nurminen.

    >>> once(Moments.of_share(9, 400), Moments.of_share(2, 400), 0.05).method
    'Miettinen-Nurminen'
    """
    if treatment.x_mean is not None:
        return ratios(treatment, control, alpha)
    if _is_share(treatment) and _is_share(control) and min(_rarest(treatment), _rarest(control)) < FEW:
        return miettinen_nurminen(treatment, control, alpha)
    return welch(treatment, control, alpha)


def plain(treatment: Moments, control: Moments, alpha: float, planned: int) -> Effects:
    """The effect on a metric; ``planned`` counts the users of both arms."""
    return Effects(once(treatment, control, alpha), always_valid(treatment, control, alpha, planned=planned))


def adjusted(treatment: Comoments, control: Comoments, alpha: float, planned: int, *, ratio: bool) -> Effects:
    """The effect less what covariates explain.

    Args:
        treatment: columns y, with ``ratio`` then x, then the covariates.
        control: the same of the other arm.
        alpha: error rate.
        planned: users of both arms at which the experiment ends.
        ratio: whether the second column is a denominator.
    """
    found, users = adjust(treatment, control, ratio=ratio), treatment.n + control.n
    always = always_valid_of(
        found.treatment, found.control, alpha, users=users, planned=planned, pairs=found.difference
    )
    return Effects(cuped(treatment, control, alpha, ratio=ratio).effect, always)


def group_sequential(
    treatment: Comoments, control: Comoments, design: GroupSequential, look: int, *, ratio: bool
) -> Effect:
    """The effect at a planned look, less what covariates explain; columns as for ``adjusted``."""
    found = adjust(treatment, control, ratio=ratio)
    return design.effect(found.treatment, found.control, look, found.difference)


def enough(treatment: Comoments, control: Comoments, *, ratio: bool) -> bool:
    """Whether there are users enough for the covariates."""
    covariates = len(treatment.means) - (2 if ratio else 1)
    return bool(covariates) and treatment.n + control.n >= covariates + 3


def _is_share(arm: Moments) -> bool:
    """Whether every user has zero or one: then, and but for a freak only then, the variance is a share's."""
    return abs(arm.m2 - arm.n * arm.mean * (1 - arm.mean)) <= 1e-9 * max(arm.m2, 1e-6)


def _rarest(arm: Moments) -> float:
    return arm.n * min(arm.mean, 1 - arm.mean)
