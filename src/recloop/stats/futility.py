"""Boundaries below which a win has become unlikely: a group-sequential test may end there, and need not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import ndtri

from recloop.errors import SettingError
from recloop.stats.group_sequential import HIGHEST, GroupSequential
from recloop.stats.mixture import sign
from recloop.stats.spending import Spending, hwang_shih_decani_spending
from recloop.stats.walk import Walk


@dataclass(frozen=True, slots=True)
class Futility:
    """How small z may be at each look of a design before it is futile to go on.

    z counts in the direction of a win. A test that ends at every crossing finds a change of size ``drift`` with a
    chance of ``power``; the error that this costs is spent over the looks like alpha is. The bounds do not bind: the
    boundaries of the design are made as if nobody ended early, so who goes on beyond a bound keeps alpha all the same.

    Attributes:
        design: whose upper boundaries end the experiment with a win.
        bounds: one per look, in standard errors; at the last look that of the design.
        drift: the mean of z at the last look that is found with ``power``, where every crossing ends the experiment.
        power: chance of a win for such a change.

    Source: K. M. Anderson, J. B. Clark, "Fitting spending functions", Statistics in Medicine 29 (2010), and the manual
    of the R package gsDesign, whose default design (``test.type = 4``) is the example below.

    >>> design = GroupSequential.spend([1, 2, 3], hwang_shih_decani_spending(-4), 0.025, alternative="greater")
    >>> found = Futility.spend(design, hwang_shih_decani_spending(-2), power=0.9)
    >>> [round(z, 2) for z in design.boundary], [round(z, 2) for z in found.bounds]
    ([3.01, 2.55, 2.0], [-0.24, 0.94, 2.0])
    >>> round(found.inflation, 3)
    1.07
    """

    design: GroupSequential
    bounds: tuple[float, ...]
    drift: float
    power: float

    @classmethod
    def spend(cls, design: GroupSequential, spending: Spending | None = None, power: float = 0.8) -> Self:
        """Bounds that spend the chance to miss a change, 1 - power, as a function of the information.

        Args:
            design: with a finite boundary at its last look. Of a two-sided one, the upper boundaries count.
            spending: of that chance; Hwang, Shih and DeCani with -2 by default: slower than evenly.
            power: for the change that is found at the last look, between alpha and 1.

        Raises:
            SettingError: power is out of range, or the design has no boundary at its last look.
        """
        if not design.alpha < power < 1:
            raise SettingError(f"power is {power}", allowed="it lies between alpha and 1", advice="use 0.8")
        if not math.isfinite(design.boundary[-1]):
            raise SettingError("the last look has no boundary", allowed="alpha is spent at the last look")
        shares = np.array(design.information) / design.information[-1]
        budget = np.diff((spending or hwang_shih_decani_spending(-2))(shares, 1 - power), prepend=0.0).tolist()

        def missing(drift: float) -> float:
            """What the last look would lose beyond its share, were the bounds made for this drift."""
            walk = _bounded(design, budget[:-1], drift)[1]
            return walk.below(design.information[-1], design.boundary[-1]) - float(budget[-1])

        drift = float(scipy.optimize.brentq(missing, 0.0, 30.0, xtol=1e-11))
        bounds, _ = _bounded(design, budget[:-1], drift)
        return cls(design, (*bounds, design.boundary[-1]), drift, power)

    @property
    def inflation(self) -> float:
        """Users at the last look over those of a test with a single look and the same power."""
        sides = 1 if sign(self.design.alternative) else 2
        once = float(ndtri(1 - self.design.alpha / sides) + ndtri(self.power))
        return (self.drift / once) ** 2

    def crossing(self, drift: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The chance to win, and to end as futile, at each look, where z has mean ``drift`` at the last one.

        >>> design = GroupSequential.spend([1, 2, 3, 4])
        >>> found = Futility.spend(design)
        >>> win, futile = found.crossing(0.0)
        >>> round(float(futile[:-1].sum()), 2)  # nothing changed: how often it ends before the last look
        0.89
        """
        walk, wins, ends = Walk(drift / math.sqrt(self.design.information[-1])), list[float](), list[float]()
        for now, low, high in zip(self.design.information, self.bounds, self.design.boundary, strict=True):
            wins.append(walk.above(now, high))
            ends.append(walk.below(now, low))
            walk.step(now, low, high)
        return np.array(wins), np.array(ends)

    def expected_share(self, drift: float) -> float:
        """Expected information when the experiment ends, as a share of that of the last look."""
        wins, ends = self.crossing(drift)
        shares = np.array(self.design.information) / self.design.information[-1]
        return float((wins + ends) @ shares)


def _bounded(design: GroupSequential, budget: Sequence[float], drift: float) -> tuple[list[float], Walk]:
    """The bounds of all looks but the last, and the walk of what is still between both boundaries after them."""
    walk, bounds = Walk(drift / math.sqrt(design.information[-1])), list[float]()
    for now, high, loss in zip(design.information, design.boundary, budget, strict=False):
        top = min(high, HIGHEST)
        low = top  # where even that loses too little, all end here
        if walk.below(now, top) > loss:
            low = float(
                scipy.optimize.brentq(
                    lambda z, now=now, loss=loss: walk.below(now, z) - loss, -HIGHEST, top, xtol=1e-12
                )
            )
        walk.step(now, low, high)
        bounds.append(low)
    return bounds, walk
