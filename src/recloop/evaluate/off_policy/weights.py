"""Importance weights: what they are, what they are worth, and whether they can be trusted."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from recloop.errors import DataError
from recloop.evaluate.off_policy.terms import Array, Codes, Terms, count_users

TAIL = 5  # weights that a tail needs to be fitted


@dataclass(frozen=True, slots=True)
class WeightDiagnostics:
    """What weights are worth.

    Attributes:
        rounds: of the log.
        effective: rounds without weights that tell as much (Kish): (sum w)^2 / sum w^2.
        mean: of the weights; 1 in expectation where propensities are right and nothing is out of reach.
        mean_p: p-value of the test that it is 1, by user.
        largest: the largest weight.
        largest_share: its share of the sum.
        tail: the shape k of a generalised Pareto tail. From 0.5 on the variance is infinite; above 0.7 no number of
            rounds within reach makes the estimate settle. NaN where the tail has no shape: too few weights, or ties.
        zeros: share of rounds that have no weight.
    """

    rounds: int
    effective: float
    mean: float
    mean_p: float
    largest: float
    largest_share: float
    tail: float
    zeros: float

    @property
    def share(self) -> float:
        """Effective rounds over rounds."""
        return self.effective / self.rounds


def importance_weights(chances: ArrayLike, propensities: ArrayLike) -> Array:
    """(n,) the chance that the policy does what was done, over the chance with which it was done.

    Args:
        chances: (n,) of the logged action under the policy to be judged.
        propensities: (n,) of the logged action when it was taken, as it was written down then.

    Raises:
        DataError: a propensity is zero, above 1 or NaN; a chance is below 0, above 1 or NaN; lengths differ.

    >>> importance_weights([0.5, 0.1], [0.25, 0.2]).tolist()
    [2.0, 0.5]
    >>> importance_weights([0.5, 0.1], [0.25, 0.0])
    Traceback (most recent call last):
    recloop.errors.DataError: the propensity of row 2 is 0.0 (1 of 2 rows are wrong); what was done had a ...
    """
    chance, propensity = np.asarray(chances, dtype=np.float64), np.asarray(propensities, dtype=np.float64)
    check_propensities(propensity)
    if chance.shape != propensity.shape:
        raise DataError(
            f"there are {chance.size} chances and {propensity.size} propensities", allowed="one of each per round"
        )
    _check(chance, ~((chance >= 0) & (chance <= 1 + 1e-9)), "the chance of the logged action under the policy",
           "a probability lies between 0 and 1", "make each round's chances of the policy sum to 1")  # fmt: skip
    return chance / propensity


def check_propensities(propensities: Array) -> None:
    """Raise DataError where one is not above 0 and at most 1."""
    _check(propensities, ~((propensities > 0) & (propensities <= 1 + 1e-9)), "the propensity",
           "what was done had a probability above 0 and at most 1",
           "read propensities from the log as they were recorded, and leave out rows that have none")  # fmt: skip


def _check(values: Array, wrong: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], what: str, allowed: str,
           advice: str) -> None:  # fmt: skip
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{what} of row {row + 1} is {float(values[row])} ({int(wrong.sum()):,} of {wrong.size:,} rows are wrong)",
            allowed=allowed,
            advice=advice,
        )


def effective_sample_size(weights: Array) -> float:
    """Rounds without weights that are worth as much: (sum w)^2 / sum w^2; 0 where every weight is 0.

    Source: L. Kish, "Survey sampling" (1965), section 11.7.

    >>> effective_sample_size(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    """
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def diagnose(weights: Array, users: Codes | None = None) -> WeightDiagnostics:
    """What the weights of one policy are worth; ``users`` (n,) are codes from 0.

    >>> found = diagnose(np.array([1.0, 1.0, 2.0, 0.0]))
    >>> found.mean, found.largest_share, found.zeros, round(found.mean_p, 2)
    (1.0, 0.5, 0.25, 1.0)
    """
    terms, total = Terms.of(weights), float(weights.sum())
    error, groups = terms.error(users), count_users(users, weights.size)
    away = abs(terms.value - 1)
    p = 2 * float(stdtr(max(groups - 1, 1), -away / error)) if error > 0 else float(away < 1e-9)
    return WeightDiagnostics(
        rounds=weights.size,
        effective=effective_sample_size(weights),
        mean=terms.value,
        mean_p=p,
        largest=float(weights.max()),
        largest_share=float(weights.max()) / total if total else 0.0,
        tail=tail_shape(weights),
        zeros=float((weights == 0).mean()),
    )


def tail_shape(weights: Array) -> float:
    """The shape k of the generalised Pareto distribution of the largest weights; NaN where it cannot be told.

    Fitted to the min(n / 5, 3 sqrt(n)) largest above the next one, and shrunk towards 0.5 where they are few.

    Source: A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, "Pareto smoothed importance sampling", JMLR 25 (2024);
    the fit: J. Zhang, M. A. Stephens, Technometrics 51 (2009).

    >>> rng = np.random.default_rng(1)
    >>> [round(tail_shape((1 - rng.random(500_000)) ** -k), 1) for k in (0.3, 0.8)]  # Pareto tails of these shapes
    [0.3, 0.8]
    """
    n = weights.size
    m = int(min(n / 5, 3 * math.sqrt(n)))
    if m < TAIL:
        return math.nan
    top = np.sort(np.partition(weights, n - m - 1)[n - m - 1 :])
    x = top[1:] - top[0]
    if np.unique(x).size < TAIL or x[-1] <= 0:
        return math.nan
    x = x[x > 0]
    m = x.size
    grid = 30 + int(math.sqrt(m))
    quarter = x[max(int(m / 4 + 0.5) - 1, 0)]
    b = 1 / x[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quarter)
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    likelihood = m * (np.log(-b / k) - k - 1)
    share = np.exp(likelihood - likelihood.max())
    found = float(np.log1p(-(share @ b / share.sum()) * x).mean())
    return float((found * m + 0.5 * 10) / (m + 10))
