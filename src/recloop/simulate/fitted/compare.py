from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError, nearest
from recloop.progress import SILENT, Progress
from recloop.simulate.fitted.crowd import Crowd
from recloop.simulate.fitted.drive import Ran, run_policy
from recloop.simulate.fitted.server import Server
from recloop.simulate.fitted.world import FittedWorld
from recloop.stats.effect import Effect
from recloop.stats.means import Mean, mean_interval
from recloop.stats.pairs import paired

METRICS: Mapping[str, str] = {
    "clicks": "clicks per user",
    "click_rate": "slates with a click",
    "satisfaction": "satisfaction with a slate",
    "churned": "users who left",
    "visits": "visits per user",
}
"""What policies are compared on. All but click_rate and satisfaction are means over users, those over slates."""


@dataclass(frozen=True, slots=True)
class Line:
    """One policy on one metric, in a simulation.

    Attributes:
        policy: its name; metric: of ``METRICS``.
        value: with its 95% interval over users.
        effect: against the baseline, paired by user; None for the baseline, and where users have no value.
    """

    policy: str
    metric: str
    value: Mean
    effect: Effect | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies on the same simulated users.

    Attributes:
        lines: one per policy and metric.
        runs: by policy.
        baseline: what the others are compared with.
        days, users, k, seed: of the simulation.
    """

    lines: tuple[Line, ...]
    runs: Mapping[str, Ran]
    baseline: str
    days: int
    users: int
    k: int
    seed: int

    def line(self, policy: str, metric: str) -> Line:
        """One line."""
        return next(line for line in self.lines if (line.policy, line.metric) == (policy, metric))


def compare(
    world: FittedWorld,
    crowd: Crowd,
    servers: Mapping[str, Server],
    *,
    days: int,
    k: int = 10,
    seed: int = 0,
    baseline: str = "popular",
    progress: Progress = SILENT,
) -> Comparison:
    """Several policies on the same users in the same mood (common random numbers), so that differences are paired.

    The intervals are over users. They know nothing of how far the simulator is from the world.

    Args:
        world: fitted.
        crowd: its users; each policy gets a copy.
        servers: by name.
        days: how many.
        k: places of a slate.
        seed: of visits and luck.
        baseline: one of the names.
        progress: told of days.

    Raises:
        SettingError: the baseline is not among the names.
    """
    if baseline not in servers:
        raise SettingError(f"the baseline is '{baseline}'", advice=nearest(baseline, servers))
    runs = {
        name: run_policy(world, crowd.copy(), server, days=days, k=k, seed=seed, progress=progress,
                         description=f"simulated days with {name}")
        for name, server in servers.items()
    }  # fmt: skip
    return Comparison(tuple(lines_of(runs, baseline)), runs, baseline, days, len(crowd), k, seed)


def lines_of(runs: Mapping[str, Ran], baseline: str) -> list[Line]:
    """Values and paired differences of runs on the same users."""
    lines = []
    for metric in METRICS:
        base = _columns(runs[baseline], metric)
        for name, ran in runs.items():
            top, below = _columns(ran, metric)
            effect = None
            if name != baseline and below.any() and base[1].any():
                effect = paired(_linear(top, below), _linear(*base))
            lines.append(Line(name, metric, _mean(top, below), effect))
    return lines


def _columns(ran: Ran, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numerator and denominator of a metric, per user."""
    one = np.ones(len(ran.visits))
    pairs = {
        "clicks": (ran.clicks, one),
        "click_rate": (ran.clicked, ran.slates),
        "satisfaction": (ran.satisfaction, ran.slates),
        "churned": (ran.gone, one),
        "visits": (ran.visits, one),
    }
    top, below = pairs[metric]
    return top.astype(np.float64), below.astype(np.float64)


def _linear(top: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per user, what the ratio of sums is the mean of: R + (y - R x) / mean(x) (delta method; Deng et al. 2018)."""
    rate = top.sum() / below.sum()
    return np.asarray(rate + (top - rate * below) / below.mean())


def _mean(top: NDArray[np.float64], below: NDArray[np.float64]) -> Mean:
    if not below.any():
        return Mean(float("nan"), float("-inf"), float("inf"), 0)
    return mean_interval(_linear(top, below))


def totals(comparison: Comparison) -> dict[str, float]:
    """How much was simulated, and how fast: slates, interactions, CPU seconds, interactions per CPU second."""
    runs = comparison.runs.values()
    seconds = sum(sum(ran.seconds.values()) for ran in runs)
    interactions = sum(ran.interactions for ran in runs)
    return {
        "slates": float(sum(int(ran.slates.sum()) for ran in runs)),
        "interactions": float(interactions),
        "cpu_seconds": seconds,
        "per_cpu_second": interactions / seconds if seconds else float("nan"),
    }


__all__ = ["METRICS", "Comparison", "Line", "compare", "lines_of", "totals"]
