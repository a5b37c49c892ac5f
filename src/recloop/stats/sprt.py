import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

import numpy as np

from recloop.errors import DataError, SettingError

Answer = Literal["alternative", "null", "open"]
LEFT = 1e-12  # chance of still being open below which the recursion ends


@dataclass(frozen=True, slots=True)
class Characteristic:
    """What a test does at one true share: how often it ends with which answer, and after how many draws.

    ``alternative``, ``null`` and ``open`` add up to one; ``expected`` counts the draws until the end.
    """

    alternative: float
    null: float
    open: float
    expected: float


@dataclass(frozen=True, slots=True)
class SPRT:
    """Wald's sequential probability ratio test of a share: is it p0 or p1? Looked at after every draw.

    The log likelihood ratio of p1 against p0 moves with every success and failure; the test ends where it reaches
    ``upper`` (p1) or ``lower`` (p0). Among all tests with its error rates it needs the fewest draws at both shares.

    Args:
        p0: the share under the null hypothesis.
        p1: the share under the alternative.
        lower: log likelihood ratio at or below which the answer is p0.
        upper: log likelihood ratio at or above which the answer is p1.

    Source: A. Wald, "Sequential analysis" (1947), chapters 3 and 5.

    >>> test = SPRT.wald(0.1, 0.3, alpha=0.02, beta=0.03)
    >>> test.answer(successes=8, draws=20), test.answer(successes=1, draws=20), test.answer(successes=4, draws=20)
    ('alternative', 'null', 'open')
    >>> round(test.characteristic(0.1).alternative, 4)  # its exact error
    0.0137
    """

    p0: float
    p1: float
    lower: float
    upper: float

    def __post_init__(self) -> None:
        for name, p in (("p0", self.p0), ("p1", self.p1)):
            if not 0 < p < 1:
                raise SettingError(f"{name} is {p}", allowed="a share between 0 and 1")
        if self.p0 == self.p1:
            raise SettingError(f"p0 and p1 are both {self.p0}", allowed="two shares to tell apart")
        if not self.lower < 0 < self.upper:
            raise SettingError(f"the boundaries are {self.lower} and {self.upper}", allowed="lower < 0 < upper")

    @classmethod
    def wald(cls, p0: float, p1: float, *, alpha: float = 0.05, beta: float = 0.2) -> Self:
        """With Wald's boundaries log(beta / (1 - alpha)) and log((1 - beta) / alpha).

        The sum of both error rates is at most alpha + beta; ``characteristic`` says what each is.

        Raises:
            SettingError: a share or an error rate is out of range.
        """
        for name, rate in (("alpha", alpha), ("beta", beta)):
            if not 0 < rate < 0.5:
                raise SettingError(f"{name} is {rate}", allowed="it lies between 0 and 0.5")
        return cls(p0, p1, math.log(beta / (1 - alpha)), math.log((1 - beta) / alpha))

    @classmethod
    def exact(cls, p0: float, p1: float, *, alpha: float = 0.05, beta: float = 0.2) -> Self:
        """With the nearest boundaries whose exact error rates are at most alpha and beta: fewer draws than Wald's.

        Both are sought in turn by bisection, from log(beta) and -log(alpha), at which no error can be above. Where the
        shares are near each other this takes seconds, and gains little.

        Raises:
            SettingError: a share or an error rate is out of range.
        """
        cls.wald(p0, p1, alpha=alpha, beta=beta)

        def keeps_alpha(lower: float, upper: float) -> bool:
            return cls(p0, p1, lower, upper).characteristic(p0).alternative <= alpha

        def keeps_beta(upper: float, lower: float) -> bool:
            return cls(p0, p1, lower, upper).characteristic(p1).null <= beta

        lower, upper = math.log(beta), -math.log(alpha)
        for _ in range(2):
            upper = _nearest(partial(keeps_alpha, lower), upper)
            lower = _nearest(partial(keeps_beta, upper), lower)
        return cls(p0, p1, lower, upper)

    @classmethod
    def pairs(cls, odds_ratio: float, *, alpha: float = 0.05, beta: float = 0.2) -> Self:
        """For two arms: is the odds ratio of treatment over control 1, or ``odds_ratio``?

        Users of both arms are paired in the order in which they come. Where both or neither succeeded the pair is a tie
        and says nothing; of the others, the share that the treatment won is u / (1 + u) at an odds ratio of u, whatever
        the control's own share is. So count the untied pairs as draws and those that the treatment won as successes.

        Source: A. Wald, "Sequential analysis" (1947), chapter 6.

        >>> SPRT.pairs(1.5).p1
        0.6
        """
        if not (math.isfinite(odds_ratio) and odds_ratio > 0):
            raise SettingError(f"odds_ratio is {odds_ratio}", allowed="it is above 0", advice="use 1.2")
        return cls.wald(0.5, odds_ratio / (1 + odds_ratio), alpha=alpha, beta=beta)

    def ratio(self, successes: int, draws: int) -> float:
        """Log likelihood ratio of p1 against p0.

        Raises:
            DataError: there are more successes than draws, or one is negative.
        """
        if not 0 <= successes <= draws:
            raise DataError(f"{successes} successes in {draws} draws", allowed="between none and all")
        win, loss = self._steps
        return successes * win + (draws - successes) * loss

    def answer(self, successes: int, draws: int) -> Answer:
        """What the counts say. A test that is over stays over: keep its first answer."""
        ratio = self.ratio(successes, draws)
        return "alternative" if ratio >= self.upper else "null" if ratio <= self.lower else "open"

    def characteristic(self, p: float, most: int = 100_000) -> Characteristic:
        """Operating characteristic and expected draws at a true share p, exact to rounding, by recursion over draws.

        Args:
            p: the true share.
            most: draws after which the test is given up as open.
        """
        if not 0 <= p <= 1:
            raise SettingError(f"p is {p}", allowed="a share between 0 and 1")
        win, loss = self._steps
        if win < 0:  # the fewer successes, the better p1: count failures
            win, loss, p = loss, win, 1 - p
        chance = np.ones(1)  # of first, first + 1 … successes, with the test still open
        first, alternative, null, expected = 0, 0.0, 0.0, 0.0
        for draw in range(1, most + 1):
            expected += chance.sum()
            moved = np.zeros(chance.size + 1)
            moved[:-1] = chance * (1 - p)
            moved[1:] += chance * p
            low = max(math.floor((self.lower - draw * loss) / (win - loss)) + 1 - first, 0)
            high = max(math.ceil((self.upper - draw * loss) / (win - loss)) - first, 0)
            null += moved[:low].sum()
            alternative += moved[high:].sum()
            first, chance = first + low, moved[low:high]
            if chance.sum() < LEFT:
                break
        return Characteristic(float(alternative), float(null), float(chance.sum()), float(expected))

    @property
    def _steps(self) -> tuple[float, float]:
        return math.log(self.p1 / self.p0), math.log((1 - self.p1) / (1 - self.p0))


def _nearest(holds: Callable[[float], bool], far: float) -> float:
    """The boundary nearest to zero, to a percent, at which the claim holds; at ``far`` it is known to."""
    near = 0.0
    while abs(far - near) > 1e-2 * abs(far):
        middle = (near + far) / 2
        near, far = (near, middle) if holds(middle) else (middle, far)
    return far
