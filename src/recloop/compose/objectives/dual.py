"""Constraints on all slates together: one multiplier each, learned by the Lagrangian dual."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from recloop.compose.objectives.exposure import of_slates
from recloop.errors import SettingError

ROUNDS = 80  # of the cutting plane
GAP = 1e-7  # of the dual's value, at which it ends
DEAR = 1e4  # the greatest multiplier, in spreads of the scores over spreads of the gain
STEPS = 40  # of the last correction

Show = Callable[[NDArray[np.float64]], NDArray[np.int64]]
"""Combined scores (n, m), -inf in padding → (n, k) columns in the order of the slate."""


@dataclass(frozen=True, eq=False)
class Bound:
    """One constraint as numbers.

    Attributes:
        words: as a person says it.
        gain: (n, m) what each candidate adds; NaN counts 0.
        least: what the mean over requests of the slate's exposure-weighted mean must reach.
    """

    words: str
    gain: NDArray[np.float64]
    least: float


@dataclass(frozen=True, slots=True)
class Multipliers:
    """What a unit of each constraint's gain is worth beside the score.

    Attributes:
        values: one for each constraint, >= 0; 0 where it is met anyhow.
        reached: what the slates with these multipliers give.
        rounds: of the cutting plane.
    """

    values: tuple[float, ...]
    reached: tuple[float, ...]
    rounds: int


def best(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """(n, k) the columns of the k greatest scores, greatest first, ties to the left; -1 where none is left."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int64)
    if order.shape[1] < k:
        order = np.pad(order, ((0, 0), (0, k - order.shape[1])))
        there = np.arange(k)[None, :] < scores.shape[1]
    else:
        there = np.ones((1, k), bool)
    found = np.isfinite(np.take_along_axis(scores, order, axis=1)) & there if scores.shape[1] else there & False
    return np.where(found, order, -1)


def multipliers(scores: NDArray[np.float64], bounds: Sequence[Bound], k: int, show: Show | None = None) -> Multipliers:
    r"""The multipliers with which slates by score + Σ λ gain keep every bound, in the mean over requests.

    The dual of max mean(score) subject to mean(gain) >= least is D(λ) = mean over requests of the best slate's
    score + Σ λ (gain - least), which is convex and piecewise linear: its minimum is found by cutting planes (Kelley,
    "The cutting-plane method for solving convex programs", J. SIAM 8, 1960), each slope being what the slates of that
    λ give. Slates are whole things, so that the minimum may miss a bound by less than what one request's slate changes;
    then all multipliers rise together until every bound is kept.

    Args:
        scores: (n, m), -inf in padding.
        bounds: one or more.
        k: places.
        show: makes the slates, where diversity comes after; the k best where None.

    Raises:
        SettingError: a bound cannot be reached, alone or together with the others; with what can be.

    >>> scores = np.array([[1.0, 0.9], [1.0, 0.2]])
    >>> new = Bound("new at least 50%", np.array([[0.0, 1.0], [0.0, 1.0]]), 0.5)
    >>> found = multipliers(scores, [new], 1)
    >>> found.reached, 0.1 <= found.values[0] < 0.8
    ((0.5,), True)
    """
    make = show or (lambda combined: best(combined, k))
    gains = [np.nan_to_num(bound.gain) for bound in bounds]
    least = np.array([bound.least for bound in bounds])
    for bound, gain in zip(bounds, gains, strict=True):
        top = _mean(gain, best(np.where(np.isfinite(scores), gain, -np.inf), k))
        if top < bound.least - 1e-12:
            raise _beyond(bound, top, "")
    held = np.isfinite(scores)
    unit = np.array([_spread(gain, held) for gain in gains])
    dear = DEAR * max(_spread(scores, held), 1e-12) / unit

    def try_out(at: NDArray[np.float64], maker: Show) -> tuple[float, NDArray[np.float64]]:
        places = maker(_combined(scores, gains, at))
        reached = np.array([_mean(gain, places) for gain in gains])
        return _mean(np.where(held, scores, 0.0), places) + float(at @ (reached - least)), reached

    free = try_out(np.zeros(len(bounds)), make)[1]
    if (free >= least).all():
        return Multipliers((0.0,) * len(bounds), tuple(free.tolist()), 0)
    at, rounds = _cutting_planes(lambda tried: try_out(tried, lambda s: best(s, k)), least, dear)
    _, reached = try_out(at, make)
    for step in range(STEPS):
        short = reached < least - 1e-12
        if not short.any():
            return Multipliers(tuple(at.tolist()), tuple(reached.tolist()), rounds)
        rise = 1e-4 * 2.0**step
        floor = np.where(short, 1e-4 * dear / DEAR, 0.0)
        at = np.minimum(np.where(short, np.maximum(at, floor) * (1 + rise), at), dear * 10)
        _, reached = try_out(at, make)
    worst = int(np.argmax((least - reached) / unit))
    others = ", ".join(bound.words for place, bound in enumerate(bounds) if place != worst)
    raise _beyond(bounds[worst], float(reached[worst]), others)


def _cutting_planes(
    value: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    least: NDArray[np.float64],
    dear: NDArray[np.float64],
) -> tuple[NDArray[np.float64], int]:
    """Where the dual is least, and the rounds that took."""
    c = len(least)
    at = np.zeros(c)
    cuts, heights, lowest, best_at = [], [], np.inf, at
    for turn in range(1, ROUNDS + 1):
        height, reached = value(at)
        slope = reached - least
        if height < lowest:
            lowest, best_at = height, at
        cuts.append(np.append(slope, -1.0))
        heights.append(float(slope @ at - height))
        answer = scipy.optimize.linprog(
            np.append(np.zeros(c), 1.0),
            A_ub=np.array(cuts),
            b_ub=np.array(heights),
            bounds=[*((0.0, float(top)) for top in dear), (None, None)],
            method="highs",
        )
        if answer.status != 0 or answer.x is None:
            break
        if lowest - answer.x[-1] <= GAP * max(1.0, abs(lowest)):
            return best_at, turn
        at = np.maximum(answer.x[:-1], 0.0)
    return best_at, ROUNDS


def _combined(
    scores: NDArray[np.float64], gains: Sequence[NDArray[np.float64]], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    total = scores.astype(np.float64).copy()
    for gain, price in zip(gains, at, strict=True):
        if price:
            total += price * gain
    return total


def _mean(values: NDArray[np.float64], places: NDArray[np.int64]) -> float:
    return float(of_slates(values, places).mean())


def _spread(values: NDArray[np.float64], held: NDArray[np.bool_]) -> float:
    known = values[held]
    spread = float(known.std()) if len(known) else 0.0
    return spread if spread > 0 else 1.0


def _beyond(bound: Bound, top: float, others: str) -> SettingError:
    together = f" together with: {others}" if others else ""
    return SettingError(
        f"the constraint '{bound.words}' cannot be met{together}",
        allowed=f"among these candidates {top:.4g} is the most that can be reached, and {bound.least:.4g} is asked for",
        advice="lower the bound, or take more candidates",
    )
