"""Allocation by belief: how probable it is that each arm is the best, by quadrature, and a floor under it."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from recloop.errors import SettingError
from recloop.stats.bayes import Direction, lower

# Edges of the quadrature's panels around each arm's belief, in its standard deviations (of the logit, for a rate)
_EDGES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0, 20.0, 30.0])
_NODES = 8
_NEGLIGIBLE = 1e-13

Array = NDArray[np.float64]


def probability_best(
    successes: Sequence[float] | Array, failures: Sequence[float] | Array, *, better: Direction = "higher"
) -> Array:
    """The probability of each arm to be the best, where arm i's rate is believed to be Beta(sᵢ, fᵢ).

    Thompson sampling chooses each arm with exactly this probability (Thompson 1933, "On the likelihood that one
    unknown probability exceeds another in view of the evidence of two samples"). pᵢ = ∫ fᵢ(x) Πⱼ≠ᵢ Fⱼ(x) dx, by
    composite Gauss-Legendre quadrature over the logit of x, where every belief is smooth with thin tails, with panels
    that follow the width of each belief. The error is below 1e-8.

    Args:
        successes: sᵢ of each belief, above 0.
        failures: fᵢ of each belief, above 0.
        better: whether ``higher`` or ``lower`` rates are.

    Returns:
        (n_arms,) float64, at least 0, summing to 1.

    Raises:
        SettingError: a parameter is not above 0, the lengths differ, or ``better`` is neither of both.

    >>> probability_best([2, 1], [1, 2]).round(9).tolist()  # P(Beta(2, 1) > Beta(1, 2)) = 5/6
    [0.833333333, 0.166666667]
    >>> probability_best([2, 1], [1, 2], better="lower").round(9).tolist()
    [0.166666667, 0.833333333]
    """
    a, b = tuple(map(float, successes)), tuple(map(float, failures))
    _check(a, b, "successes", "failures")
    if not all(0 < value < np.inf for value in a):
        raise SettingError(
            f"successes are {list(a)}", allowed="a belief Beta(s, f) has s and f above 0, such as 1 before the first"
        )
    # the lowest rate of success is the highest rate of failure
    return (_best_rate(b, a) if lower(better) else _best_rate(a, b)).copy()


def probability_best_mean(
    means: Sequence[float] | Array, deviations: Sequence[float] | Array, *, better: Direction = "higher"
) -> Array:
    """The probability of each arm to be the best, where arm i's mean is believed to be normal.

    Args:
        means: of each belief.
        deviations: standard deviation of each belief, above 0.
        better: whether ``higher`` or ``lower`` means are, such as those of a latency.

    Raises:
        SettingError: a deviation is not above 0, the lengths differ, or ``better`` is neither of both.

    >>> probability_best_mean([0.0, 1.0], [0.6, 0.8]).round(9).tolist()  # the normal distribution function at 1
    [0.158655254, 0.841344746]
    """
    m, s = np.asarray(means, dtype=np.float64), np.asarray(deviations, dtype=np.float64)
    _check(tuple(m.tolist()), tuple(s.tolist()), "means", "deviations")
    m, s = (-m if lower(better) else m)[:, None], s[:, None]
    if len(m) == 1:
        return np.ones(1)
    t, weight = _nodes(m, s)
    z = (t - m) / s
    density = np.exp(-0.5 * z * z) / (s * math.sqrt(2 * math.pi))
    counts = (density * weight).max(axis=0) > _NEGLIGIBLE
    below = np.asarray(special.ndtr(z[:, counts]), dtype=np.float64)
    return _shares(density[:, counts], below, weight[counts])


def with_floor(allocation: ArrayLike, floor: float) -> Array:
    """The allocation with no arm below the floor: ``floor + (1 - K floor) * allocation``.

    It sums to one, and keeps the order of the arms and the ratio of their distances, unlike a cut at the floor.

    Args:
        allocation: (..., K) summing to one.
        floor: at least 0, and at most 1 / K.

    Raises:
        SettingError: the floor is out of range.

    >>> with_floor([0.9, 0.1, 0.0], 0.05).round(3).tolist()
    [0.815, 0.135, 0.05]
    """
    wanted = np.asarray(allocation, dtype=np.float64)
    k = wanted.shape[-1]
    if not 0 <= floor * k <= 1:
        raise SettingError(f"the floor is {floor} for {k} arms", allowed=f"at least 0, and at most 1/{k}")
    return np.asarray(floor + (1 - k * floor) * wanted)


@lru_cache(maxsize=4096)  # a pure function: between two rewards a service asks for the same numbers again and again
def _best_rate(successes: tuple[float, ...], failures: tuple[float, ...]) -> Array:
    a, b = np.array(successes)[:, None], np.array(failures)[:, None]
    if len(a) == 1:
        return np.ones(1)
    t, weight = _nodes(
        special.digamma(a) - special.digamma(b), np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    )
    # In t = logit(x) the density of Beta(a, b) is x^a (1 − x)^b / B(a, b)
    density = np.exp(a * special.log_expit(t) + b * special.log_expit(-t) - special.betaln(a, b))
    counts = (density * weight).max(axis=0) > _NEGLIGIBLE
    t, weight, density = t[counts], weight[counts], density[:, counts]
    left = np.searchsorted(t, 0.0)  # on either side the smaller of x and 1 − x keeps its digits
    below = np.hstack(
        [special.betainc(a, b, special.expit(t[:left])), special.betaincc(b, a, special.expit(-t[left:]))],
        dtype=np.float64,
    )
    return _shares(density, below, weight)


def _nodes(middle: Array, width: Array) -> tuple[Array, Array]:
    """Places and weights of the quadrature, with panels that follow every belief."""
    edges = np.unique(np.concatenate([(middle + width * _EDGES).ravel(), (middle - width * _EDGES).ravel()]))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()


def _shares(density: Array, below: Array, weight: Array) -> Array:
    """The integral of each arm's density times the chance that all others lie below."""
    ones = np.ones((1, len(weight)))
    before = np.vstack([ones, np.cumprod(below, axis=0)[:-1]])
    after = np.vstack([np.cumprod(below[::-1], axis=0)[::-1][1:], ones])
    best = np.maximum((density * before * after) @ weight, 0.0)
    share: Array = best / best.sum()
    return share


def _check(one: tuple[float, ...], other: tuple[float, ...], first: str, second: str) -> None:
    if len(one) != len(other) or not one:
        raise SettingError(f"{len(one)} {first} and {len(other)} {second} are given", allowed="one of each per arm")
    if not all(0 < value < np.inf for value in other) or not np.isfinite(one).all():
        raise SettingError(f"{second} are {list(other)}", allowed="above 0 and finite")
