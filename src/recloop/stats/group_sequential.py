import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import ndtri

from recloop.errors import DataError, SettingError
from recloop.stats.effect import Effect, check_alpha, effect, one_sided
from recloop.stats.estimate import Estimate
from recloop.stats.mixture import Alternative, sign
from recloop.stats.moments import Moments
from recloop.stats.spending import Spending, obrien_fleming_spending
from recloop.stats.walk import Walk

HIGHEST = 39.0  # standard errors: above, the chance of a normal is no float


@dataclass(frozen=True, slots=True)
class GroupSequential:
    """A test with a number of planned looks, and the boundary of each in standard errors.

    The experiment ends at the first look at which z is beyond the boundary, on either side or on that of the
    alternative. The error over all looks is alpha. For few looks no rule is narrower; looks in between do not count.

    Args:
        information: of each look, rising: users, or one over the variance of the difference. The unit does not matter.
        boundary: standard errors, one per look; infinite where a look cannot end the experiment.
        alpha: chance to cross any boundary where nothing changed.
        alternative: ``two-sided``, ``greater`` or ``less``.

    Source: C. Jennison, B. W. Turnbull, "Group sequential methods with applications to clinical trials" (2000).

    >>> GroupSequential.pocock([1, 2, 3, 4, 5]).boundary[0].__round__(3)
    2.413
    >>> design = GroupSequential.spend([500, 1100, 2000], planned=2000)  # as they came, O'Brien-Fleming spending
    >>> [round(z, 2) for z in design.boundary]
    [4.33, 2.81, 1.97]
    """

    information: tuple[float, ...]
    boundary: tuple[float, ...]
    alpha: float = 0.05
    alternative: Alternative = "two-sided"

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        sign(self.alternative)
        steps = np.diff(np.array([0.0, *self.information]))
        if not (len(steps) and (steps > 0).all() and math.isfinite(self.information[-1])):
            raise SettingError(
                f"the information of the looks is {list(self.information)}",
                allowed="numbers above 0, each above the one before",
            )
        if len(self.boundary) != len(self.information):
            raise SettingError(
                f"{len(self.boundary)} boundaries for {len(self.information)} looks", allowed="one for each look"
            )

    # ---- boundaries

    @classmethod
    def wang_tsiatis(
        cls,
        information: Sequence[float],
        delta: float,
        alpha: float = 0.05,
        alternative: Alternative = "two-sided",
    ) -> Self:
        """The boundary c (share of the information)^(delta - 1/2): 1/2 is Pocock's, 0 is O'Brien and Fleming's.

        Source: S. K. Wang, A. A. Tsiatis, "Approximately optimal one-parameter boundaries for group sequential trials",
        Biometrics 43 (1987).

        Raises:
            SettingError: information does not rise, or alpha is out of range.
        """
        flat = cls(tuple(information), (math.inf,) * len(information), alpha, alternative)
        shape = np.power(np.array(flat.information) / flat.information[-1], delta - 0.5)

        def excess(c: float) -> float:
            return replace(flat, boundary=tuple((c * shape).tolist())).power(0.0) - alpha

        c = scipy.optimize.brentq(excess, -HIGHEST if sign(alternative) else 0.0, HIGHEST, xtol=1e-10)
        return replace(flat, boundary=tuple((c * shape).tolist()))

    @classmethod
    def pocock(cls, information: Sequence[float], alpha: float = 0.05, alternative: Alternative = "two-sided") -> Self:
        """The same boundary at every look.

        Source: S. J. Pocock, "Group sequential methods in the design and analysis of clinical trials", Biometrika 64
        (1977).
        """
        return cls.wang_tsiatis(information, 0.5, alpha, alternative)

    @classmethod
    def obrien_fleming(
        cls, information: Sequence[float], alpha: float = 0.05, alternative: Alternative = "two-sided"
    ) -> Self:
        """Boundaries that fall with the root of the information, so that the last one is near that of a single look.

        Source: P. C. O'Brien, T. R. Fleming, "A multiple testing procedure for clinical trials", Biometrics 35 (1979).
        """
        return cls.wang_tsiatis(information, 0.0, alpha, alternative)

    @classmethod
    def spend(
        cls,
        information: Sequence[float],
        spending: Spending = obrien_fleming_spending,
        alpha: float = 0.05,
        *,
        planned: float | None = None,
        alternative: Alternative = "two-sided",
    ) -> Self:
        """Boundaries that spend alpha as a function of the information: looks may come as they come.

        A boundary depends on its look and those before it, so that neither the number of looks nor their times need a
        plan. They must not depend on the effect seen.

        Args:
            information: of the looks so far.
            spending: how much of an alpha a share of the planned information may spend. Each of two sides spends its
                half.
            alpha: what is spent in the end.
            planned: information at which all of it is spent; None means at the last look. Beyond, nothing is left.
            alternative: ``two-sided``, ``greater`` or ``less``.

        Source: K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983).

        Raises:
            SettingError: information does not rise, or alpha or ``planned`` is out of range.
        """
        flat = cls(tuple(information), (math.inf,) * len(information), alpha, alternative)
        end = flat.information[-1] if planned is None else planned
        if not end > 0:
            raise SettingError(f"the planned information is {planned}", allowed="it is above 0")
        sides = 1 if sign(alternative) else 2
        budget = spending(np.minimum(np.array(flat.information) / end, 1.0), alpha / sides)
        walk, boundary = Walk(), list[float]()
        for now, to_spend in zip(flat.information, np.diff(budget, prepend=0.0).tolist(), strict=True):
            z = _boundary(walk, now, to_spend)
            walk.step(now, -z if sides == 2 else -math.inf, z)
            boundary.append(z)
        return replace(flat, boundary=tuple(boundary))

    # ---- what a design does

    def crossing(self, drift: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The chance to end at each look, above and below, where z has mean ``drift`` at the last look.

        Below is all zero for a one-sided test; for ``less`` turn the sign of the drift.
        """
        sides = 1 if sign(self.alternative) else 2
        walk = Walk(drift / math.sqrt(self.information[-1]))
        up, down = np.zeros((2, len(self.information)))
        for look, (now, z) in enumerate(zip(self.information, self.boundary, strict=True)):
            up[look] = walk.above(now, z)
            down[look] = walk.below(now, -z) if sides == 2 else 0.0
            walk.step(now, -z if sides == 2 else -math.inf, z)
        return up, down

    def power(self, drift: float) -> float:
        """The chance to cross a boundary where z has mean ``drift`` at the last look; alpha where that is 0.

        >>> round(GroupSequential.obrien_fleming([1, 2, 3, 4, 5]).power(0.0), 6)
        0.05
        """
        up, down = self.crossing(drift)
        return float(up.sum() + down.sum())

    def drift(self, power: float = 0.8) -> float:
        """The mean of z at the last look that is found with the wanted power.

        Raises:
            SettingError: power is not between alpha and 1.
        """
        if not self.alpha < power < 1:
            raise SettingError(f"power is {power}", allowed="it lies between alpha and 1", advice="use 0.8")
        return float(scipy.optimize.brentq(lambda drift: self.power(drift) - power, 0.0, 30.0, xtol=1e-10))

    def inflation(self, power: float = 0.8) -> float:
        """Users at the last look over those of a test with a single look and the same power.

        >>> round(GroupSequential.pocock([1, 2, 3, 4, 5]).inflation(0.9), 3)
        1.206
        """
        sides = 1 if sign(self.alternative) else 2
        once = float(ndtri(1 - self.alpha / sides) + ndtri(power))
        return (self.drift(power) / once) ** 2

    def expected_share(self, drift: float) -> float:
        """Expected information when the experiment ends, as a share of that of the last look."""
        up, down = self.crossing(drift)
        shares = np.array(self.information) / self.information[-1]
        return float(1 - (up + down) @ (1 - shares))

    # ---- reading a look

    def effect(
        self,
        treatment: Moments | Estimate,
        control: Moments | Estimate,
        look: int,
        pairs: Estimate | None = None,
    ) -> Effect:
        """Treatment minus control at a look (0 is the first), with an interval that holds at all looks together.

        The repeated confidence interval: whether the boundary was crossed before, and whether the experiment ended
        then, does not matter for it. The p-value is that of ``p_value`` where the boundary is crossed at this look or
        the look is the last one; where the experiment goes on it is 1, so that it is below alpha exactly where the
        interval leaves out zero. ``pairs`` is the difference itself, where estimates are correlated.

        Source: C. Jennison, B. W. Turnbull, "Interim analyses: the repeated confidence interval approach", JRSS B 1989.

        Raises:
            DataError: an arm has fewer than two users, or the look is none of the design.
        """
        side = sign(self.alternative)
        t, c = (arm.estimate() if isinstance(arm, Moments) else arm for arm in (treatment, control))
        gap, variance = (pairs.value, pairs.variance) if pairs else (t.value - c.value, t.variance + c.variance)
        if not variance > 0:
            p = float(gap == 0 or gap * side < 0)
            return one_sided(effect(t, c, 0.0, p, self.alpha, "group sequential", pairs), side)
        z = gap / math.sqrt(variance)
        p, critical = self.p_value(z, look), self.boundary[look]
        goes_on = (side * z if side else abs(z)) < critical and (look + 1 < len(self.boundary) or p <= self.alpha)
        found = effect(t, c, critical, 1.0 if goes_on else p, self.alpha, "group sequential", pairs)
        return one_sided(found, side)

    def p_value(self, z: float, look: int) -> float:
        """The chance of an end at least as extreme, where nothing changed, of an experiment that ended at the look.

        Stage-wise ordering: ending earlier is more extreme, and at one look the larger z is. It has no meaning for an
        experiment that goes on.

        Source: A. A. Tsiatis, G. L. Rosner, C. R. Mehta, Biometrics 40 (1984).
        """
        if not 0 <= look < len(self.boundary):
            raise DataError(f"look {look} of {len(self.boundary)}", allowed="0 is the first look")
        side = sign(self.alternative)
        z = side * z if side else abs(z)
        walk, met = Walk(), 0.0
        for now, bound in zip(self.information[:look], self.boundary[:look], strict=True):
            met += walk.above(now, bound)
            walk.step(now, -math.inf if side else -bound, bound)
        met += walk.above(self.information[look], z)
        return min(met if side else 2 * met, 1.0)


def _boundary(walk: Walk, information: float, to_spend: float) -> float:
    """The z that the walk passes with a chance of ``to_spend``; infinite where that is nothing."""
    if not walk.above(information, HIGHEST) < to_spend:
        return math.inf
    return float(scipy.optimize.brentq(lambda z: walk.above(information, z) - to_spend, -HIGHEST, HIGHEST, xtol=1e-12))
