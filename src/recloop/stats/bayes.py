"""Beliefs about arms: chance to be the best, expected loss of shipping, credible intervals. Priors are arguments."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln, ndtr, ndtri, xlog1py, xlogy

from recloop.errors import DataError, SettingError
from recloop.stats.effect import check_alpha
from recloop.stats.moments import Moments

Floats = NDArray[np.float64]
Direction = Literal["higher", "lower"]


class Posterior(Protocol):
    """What is believed of one arm's value: a distribution on an interval of the line."""

    @property
    def mean(self) -> float:
        """Expected value."""

    def density(self, x: Floats) -> Floats:
        """Density at x."""

    def below(self, x: Floats) -> Floats:
        """Chance that the value is below x."""

    def quantile(self, p: ArrayLike) -> Floats:
        """The value that it is below with chance p."""


@dataclass(frozen=True, slots=True)
class Beta:
    """Beta(a, b): a share, with a - 1 successes and b - 1 failures seen on top of an even belief.

    >>> Beta.of(successes=12, users=100, prior=(1, 1))
    Beta(a=13, b=89)
    """

    a: float
    b: float

    @classmethod
    def of(cls, successes: int, users: int, *, prior: tuple[float, float]) -> "Beta":
        """The belief after so many users. The prior (a, b) counts a successes and b failures in advance.

        Raises:
            DataError: there are more successes than users, or fewer than none.
            SettingError: the prior is not above zero.
        """
        if not 0 <= successes <= users:
            raise DataError(f"{successes} successes of {users} users", allowed="between none and all")
        if not min(prior) > 0:
            raise SettingError(f"the prior is Beta{prior}", allowed="both above 0", advice="use (1, 1)")
        return cls(prior[0] + successes, prior[1] + users - successes)

    @property
    def mean(self) -> float:
        """Expected value."""
        return self.a / (self.a + self.b)

    def density(self, x: Floats) -> Floats:
        """Density at x."""
        found: Floats = np.exp(xlogy(self.a - 1, x) + xlog1py(self.b - 1, -x) - betaln(self.a, self.b))
        return found

    def below(self, x: Floats) -> Floats:
        """Chance that the value is below x."""
        found: Floats = betainc(self.a, self.b, np.clip(x, 0, 1))
        return found

    def quantile(self, p: ArrayLike) -> Floats:
        """The value that it is below with chance p."""
        found: Floats = betaincinv(self.a, self.b, np.asarray(p))
        return found


@dataclass(frozen=True, slots=True)
class Normal:
    """N(mean, variance): a mean or a ratio of many users.

    >>> Normal.of(Moments.from_summary(400, 2.0, 16.0), prior=(1.0, 0.12))
    Normal(mean=1.75, variance=0.03)
    """

    mean: float
    variance: float

    @classmethod
    def of(cls, moments: Moments, *, prior: tuple[float, float] | None) -> "Normal":
        """The belief after the users that were seen, whose estimate is taken for normal with a known variance.

        The prior (mean, variance) is that of the arm's value before; None is a flat one.

        Raises:
            DataError: fewer than two users, or all have one value.
            SettingError: the prior's variance is not above zero.
        """
        seen = moments.estimate()
        if not seen.variance > 0:
            raise DataError(f"all {seen.n} users have one value", allowed="a belief needs values that vary")
        if prior is None:
            return cls(seen.value, seen.variance)
        if not prior[1] > 0:
            raise SettingError(
                f"the prior's variance is {prior[1]}", allowed="above 0", advice="use None for a flat one"
            )
        weight = prior[1] / (prior[1] + seen.variance)
        return cls(prior[0] + weight * (seen.value - prior[0]), weight * seen.variance)

    def density(self, x: Floats) -> Floats:
        """Density at x."""
        found: Floats = np.exp(-np.square(x - self.mean) / (2 * self.variance)) / math.sqrt(2 * math.pi * self.variance)
        return found

    def below(self, x: Floats) -> Floats:
        """Chance that the value is below x."""
        found: Floats = ndtr((x - self.mean) / math.sqrt(self.variance))
        return found

    def quantile(self, p: ArrayLike) -> Floats:
        """The value that it is below with chance p."""
        found: Floats = self.mean + math.sqrt(self.variance) * ndtri(np.asarray(p))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """One arm among others.

    ``low`` and ``high`` bound the central credible interval. ``loss`` is how much worse than the best arm it is
    expected to be: what shipping it may cost, in the metric's unit.
    """

    mean: float
    low: float
    high: float
    best: float
    loss: float


def beliefs(arms: Mapping[str, Posterior], alpha: float = 0.05, *, better: Direction = "higher") -> dict[str, Belief]:
    """Chance to be the best and expected loss of each arm against all others, by quadrature: no draws, no noise.

    These are beliefs: they hold on average over the prior, not for each truth, and looking often changes what share of
    the ships are wrong. To bound that share use an always-valid interval.

    Args:
        arms: two or more beliefs, which are independent of each other.
        alpha: the credible interval leaves out so much.
        better: whether ``higher`` or ``lower`` values are.

    Source: C. Stucchio, "Bayesian A/B testing at VWO" (2015), for expected loss; for k arms the integral over one arm's
    density of the product of the others' distribution functions.

    Raises:
        SettingError: fewer than two arms, or ``better`` or alpha is out of range.

    >>> prior = (1, 1)
    >>> found = beliefs({"a": Beta.of(100, 1000, prior=prior), "b": Beta.of(120, 1000, prior=prior)})
    >>> round(found["b"].best, 4), round(found["b"].loss, 5), round(found["a"].loss, 5)
    (0.9232, 0.00048, 0.02044)
    """
    check_alpha(alpha)
    if len(arms) < 2:
        raise SettingError(f"{len(arms)} arms", allowed="at least 2 to compare")
    least = lower(better)
    x, weights = _grid(list(arms.values()))
    beyond = np.array([1 - arm.below(x) if least else arm.below(x) for arm in arms.values()])  # chance to be worse
    best, loss = [], []
    for i, arm in enumerate(arms.values()):
        others = np.delete(beyond, i, axis=0).prod(axis=0)
        best.append(float(weights @ (arm.density(x) * others)))
        loss.append(float(weights @ (beyond[i] * (1 - others))))  # of the best of the others over this one
    ends = [arm.quantile([alpha / 2, 1 - alpha / 2]).tolist() for arm in arms.values()]
    return {
        name: Belief(mean=arm.mean, low=low, high=high, best=chance / sum(best), loss=cost)
        for (name, arm), (low, high), chance, cost in zip(arms.items(), ends, best, loss, strict=True)
    }


def lower(better: Direction) -> bool:
    """Whether lower values are better.

    Raises:
        SettingError: ``better`` is neither ``higher`` nor ``lower``.
    """
    if better not in {"higher", "lower"}:
        raise SettingError(f"better is '{better}'", allowed="'higher' or 'lower'")
    return better == "lower"


TAILS = np.concatenate([[1e-15, 1e-9, 1e-5, 1e-3], np.linspace(0.02, 0.98, 13), [0.999, 1 - 1e-5, 1 - 1e-9, 1 - 1e-15]])


def _grid(arms: Sequence[Posterior]) -> tuple[Floats, Floats]:
    """Points and weights of a Gauss-Legendre rule between all arms' quantiles, fine where any arm has its mass."""
    knots = np.unique(np.concatenate([arm.quantile(TAILS) for arm in arms]))
    points, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(knots)[:, None] / 2
    x = knots[:-1, None] + half * (points + 1)
    return x.ravel(), (half * weights).ravel()
