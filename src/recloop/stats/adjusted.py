from dataclasses import dataclass

from recloop.stats.effect import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """An effect made sharper by what was known before the experiment, with the plain one beside it.

    Args:
        effect: the adjusted one.
        plain: without any adjustment, from the same users.
        variance_reduction: the share of the variance of the difference that is gone; 0.4 means that 40% fewer users
            show as much. Below zero where the adjustment cost more than it gave.
        theta: what one unit of each covariate takes off a user's outcome; empty where there are no covariates.
    """

    effect: Effect
    plain: Effect
    variance_reduction: float
    theta: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, effect: Effect, plain: Effect, variances: tuple[float, float], theta: tuple[float, ...] = ()
    ) -> "Adjusted":
        """From both effects and the variances of both differences, adjusted and plain."""
        after, before = variances
        return cls(effect=effect, plain=plain, variance_reduction=1 - after / before if before else 0.0, theta=theta)
