"""The chance that a Brownian motion ever meets a curve: what a boundary costs that is watched all the time."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(200)
REACH = 10.0  # standard deviations beyond which no path is followed


def crossing_chance(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]], times: NDArray[np.float64]) -> float:
    """Chance that B(t) >= curve(t) at some t between the first and the last of the times, or before the first.

    Between two times the curve is taken for a straight line, for which the chance is known exactly given both ends
    (the Brownian bridge), so that some hundred times are enough. Before the first one it is taken to be met only by
    those who are above it then: begin where the curve is many standard deviations away.

    Source: L. Wang, K. Poetzelberger, "Boundary crossing probability for Brownian motion and general boundaries",
    Journal of Applied Probability 34 (1997), with the integral done step by step.

    >>> times = np.geomspace(0.005, 1, 80)
    >>> round(crossing_chance(lambda t: np.full_like(t, 1.96), times), 4)  # the reflection principle: twice 0.025
    0.05
    """
    heights = curve(times)

    def grid(time: float, height: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        reach = REACH * math.sqrt(time)
        top = min(height, reach)
        half = (top + reach) / 2
        return top + half * (POINTS - 1), half * WEIGHTS

    spot, area = grid(times[0], heights[0])
    mass = np.exp(-spot * spot / (2 * times[0])) / math.sqrt(2 * math.pi * times[0]) * area
    met = float(ndtr(-heights[0] / math.sqrt(times[0])))
    for before, now, low, high in zip(times[:-1], times[1:], heights[:-1], heights[1:], strict=True):
        step = now - before
        root = math.sqrt(step)
        met += float(mass @ _line(low - spot, (high - low) / step, step))
        here, area = grid(now, high)
        moved = np.exp(-np.square((here[:, None] - spot) / root) / 2) / (math.sqrt(2 * math.pi) * root)
        missed = -np.expm1(-2 * np.outer(high - here, low - spot) / step)
        spot, mass = here, ((moved * missed) @ mass) * area
    return met


def _line(above: NDArray[np.float64], slope: float, time: float) -> NDArray[np.float64]:
    """Chance to meet a line that starts ``above`` and rises by ``slope``, within the time."""
    root = math.sqrt(time)
    far = log_ndtr((slope * time - above) / root) - 2 * slope * above
    met: NDArray[np.float64] = ndtr(-(above + slope * time) / root) + np.exp(far)
    return met
