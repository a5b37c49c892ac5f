"""From a row of cells to one number: after minus before with the season removed, or treatment minus control."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from recloop.experience.problems.coded import Floats

SEASON = 14  # days from which on weekdays are told apart


class Fit(NamedTuple):
    """The contrast of S rows of T cells.

    Attributes:
        at: (S,) first cell that counts as after.
        weights: (S, T) the contrast is the sum of these times the values; they add up to zero.
        precision: (S,) one over its variance, where that of a cell is one over its precision.
        value: (S,) the contrast.
        rest: (S,) weighted sum of squares that neither season nor contrast explains.
        free: degrees of freedom of ``rest``; 0 where there is none.
    """

    at: NDArray[np.int64]
    weights: Floats
    precision: Floats
    value: Floats
    rest: Floats
    free: int


class Contrast(Protocol):
    """What is held against what."""

    def fit(self, values: Floats, precision: Floats, worse: int) -> Fit:
        """The contrast of each row; where it is searched for, the one that is worst.

        Args:
            values: (S, T), 0 where there is none.
            precision: (S, T) one over the variance of each value up to a factor, 0 where there is none.
            worse: the sign of a change for the worse.
        """
        ...

    def log_p(self, z: Floats, at: NDArray[np.int64]) -> Floats:
        """Log of the one-sided p-value of a standardised contrast that begins at a cell, the search allowed for."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A level that changes once. The day is searched for; weekdays have levels of their own from two weeks on.

    **The stated false alarm rate.** The largest of all standardised steps is no normal number. Its tail is that of a
    Brownian bridge, standardised, over the days that are searched::

        P(max |B(t)| / sqrt(t (1 - t)) > b) = b f(b) [(1 - 1/b^2) log(t1 (1 - t0) / (t0 (1 - t1))) + 4 / b^2]

    with f the normal density; half of it where one direction is looked for. Days being discrete, it is careful.

    **Days on which something began.** Most changes come with a release. Where such days are known, half of the false
    alarms are for them: a step on one of them is tested once for each of these days and not for every day, which lets
    a smaller change be told from chance. The other half is for all days.

    Source: R. Miller, D. Siegmund, "Maximally selected chi square statistics", Biometrics 38 (1982), equation 2.

    Attributes:
        days: T.
        weekday: (T,) 0 to 6.
        before: days that must lie before a step.
        after: days that must lie after it.
        known: days on which something began.

    >>> step = Step(28, np.arange(28) % 7, before=5, after=2)
    >>> values = np.where(np.arange(28) < 18, 1.0, 0.9)[None] + 0.2 * (np.arange(28) % 7 == 6)
    >>> fit = step.fit(values, np.ones((1, 28)), worse=-1)
    >>> int(fit.at[0]), round(float(fit.value[0]), 3)
    (18, -0.1)
    """

    days: int
    weekday: NDArray[np.int64]
    before: int
    after: int
    known: tuple[int, ...] = ()

    @property
    def candidates(self) -> NDArray[np.int64]:
        """The days on which a step may be."""
        return np.arange(self.before, self.days - self.after + 1)

    @property
    def _told(self) -> NDArray[np.int64]:
        """Those of them on which something began."""
        return np.intersect1d(self.candidates, np.array(self.known, np.int64))

    def groups(self) -> Floats:
        """(T, G) which days have a level in common."""
        if self.days < SEASON:
            return np.ones((self.days, 1))
        return np.eye(7)[self.weekday]

    def fit(self, values: Floats, precision: Floats, worse: int) -> Fit:
        """The step that is worst, of each row."""
        group = self.groups()
        totals = precision @ group
        per = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
        flat = values - ((precision * values) @ group * per) @ group.T
        steps = (np.arange(self.days) >= self.candidates[:, None]).astype(np.float64)  # (C, T)
        weighted = precision * flat
        moved = weighted @ steps.T
        within = np.stack([(precision * group[:, g]) @ steps.T for g in range(group.shape[1])])  # (G, S, C)
        spread = precision @ steps.T - np.einsum("gsc,sg->sc", within * within, per)
        signed = np.divide(worse * moved, np.sqrt(spread, out=np.full_like(spread, np.inf), where=spread > 1e-9))
        best, rows = signed.argmax(axis=1), np.arange(len(values))
        if (told := self._told).size:
            first = (told - self.before)[signed[:, told - self.before].argmax(axis=1)]
            sure = [self.log_p(signed[rows, one], self.candidates[one]) for one in (first, best)]
            best = np.where(sure[0] <= sure[1], first, best)
        shape = steps[best]
        shape = shape - ((precision * shape) @ group * per) @ group.T
        strength = spread[rows, best]
        safe = np.where(strength > 1e-9, strength, np.inf)
        value = moved[rows, best] / safe
        rest = (weighted * flat).sum(axis=1) - value * moved[rows, best]
        weights = precision * shape / safe[:, None]
        free = max(self.days - group.shape[1] - 1, 0)
        return Fit(self.candidates[best], weights, np.where(strength > 1e-9, strength, 0.0), value, rest, free)

    def log_p(self, z: Floats, at: NDArray[np.int64]) -> Floats:
        """Miller and Siegmund's tail for one direction; on a day on which something began, that of these few days."""
        z, told = np.asarray(z, np.float64), self._told
        t0, t1 = self.before / self.days, min(1 - self.after / self.days, 1 - 0.5 / self.days)
        wide = math.log(t1 * (1 - t0) / (t0 * (1 - t1)))
        b = np.maximum(z, 1.0)
        tail = np.log(b) - b * b / 2 - 0.5 * math.log(2 * math.pi) + np.log((1 - 1 / b**2) * wide + 4 / b**2)
        one = log_ndtr(-z)
        found = np.where(z > 1, np.minimum(tail - math.log(2), one + math.log(self.candidates.size)), 0.0)
        if told.size:
            few = np.where(np.isin(at, told), one + math.log(told.size), 0.0)
            found = np.minimum(np.minimum(few, found) + math.log(2), 0.0)
        return np.asarray(found)


@dataclass(frozen=True, slots=True)
class Arms:
    """Treatment minus control: two cells."""

    def fit(self, values: Floats, precision: Floats, worse: int) -> Fit:  # noqa: ARG002 -- nothing is searched for
        """The difference of each row."""
        there: NDArray[np.bool_] = np.all(precision > 0, axis=1)
        variance = np.divide(1.0, precision, out=np.zeros_like(precision), where=precision > 0).sum(axis=1)
        weights = np.where(there[:, None], np.array([-1.0, 1.0]), 0.0)
        rows = len(values)
        strength = np.divide(1.0, variance, out=np.zeros(rows), where=there & (variance > 0))
        return Fit(np.ones(rows, np.int64), weights, strength, (weights * values).sum(axis=1), np.zeros(rows), 0)

    def log_p(self, z: Floats, at: NDArray[np.int64]) -> Floats:  # noqa: ARG002 -- nothing is searched for
        """The normal tail."""
        return np.asarray(log_ndtr(-np.asarray(z, np.float64)))
