"""Users of a fitted world visit a server for some days."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError
from recloop.progress import SILENT, Progress
from recloop.simulate.fitted.crowd import Crowd, age, draws, react, remember, took
from recloop.simulate.fitted.server import Asked, Server
from recloop.simulate.fitted.world import FittedWorld
from recloop.simulate.luck import luck_of
from recloop.simulate.visits import DAY

BLOCK = 4096  # visits that are under way together
PAGES = 12  # slates of a visit, at most
PAUSE = 60.0  # seconds between two slates


@dataclass
class Ran:
    """What users did while one server gave the slates; all counts per user, (n,).

    Attributes:
        visits, slates, clicked, clicks, picked: visits, slates with an item, slates with a click, clicks, and items
            taken without a slate.
        satisfaction: the sum over slates.
        gone: (n,) bool, left for good. ``lasted``: (n,) the day on which, or the number of days.
        by_day: (days, 3) slates, slates with a click, and users who are still there.
        shown: items shown in all.
        curve: (k, 2) how often each place was filled and clicked.
        seconds: CPU seconds by stage: choosing slates, picking freely, reacting, remembering.
    """

    visits: NDArray[np.int64]
    slates: NDArray[np.int64]
    clicked: NDArray[np.int64]
    clicks: NDArray[np.int64]
    picked: NDArray[np.int64]
    satisfaction: NDArray[np.float64]
    gone: NDArray[np.bool_]
    lasted: NDArray[np.int64]
    by_day: NDArray[np.int64]
    curve: NDArray[np.int64]
    shown: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def interactions(self) -> int:
        """Items shown and items picked freely."""
        return self.shown + int(self.picked.sum())


def run_policy(
    world: FittedWorld,
    crowd: Crowd,
    server: Server,
    *,
    days: int,
    k: int = 10,
    seed: int = 0,
    progress: Progress = SILENT,
    description: str = "simulated days",
) -> Ran:
    """Let the users of a world visit a server, all of a tick at once.

    In a visit a user first takes an item that no slate offered, then looks at slates until the visit ends. Who comes
    when, and the luck of each slate, are functions of the seed, the user, the number of the visit and the page alone:
    two servers meet the same users in the same mood, and a user who leaves changes nobody else's day.

    Args:
        world: fitted.
        crowd: its users, changed in place; try a copy (``Crowd.copy``).
        server: gives the slates.
        days: how many.
        k: places of a slate.
        seed: of visits and luck.
        progress: told of days.
        description: what it is called there.

    Raises:
        SettingError: there is no day or no place.
    """
    for name, value in (("days", days), ("k", k)):
        if value < 1:
            raise SettingError(f"{name} is {value}", allowed=f"{name} must be at least 1")
    trip = _Trip(world, crowd, server, k, days, seed)
    planned = np.zeros(len(crowd), np.int64)
    with progress.task(description, total=days) as advance:
        for day in range(days):
            chance = np.random.default_rng((seed, 1, day))
            counts = chance.poisson(crowd.rates) * (crowd.joined <= day)
            for turn in range(int(counts.max(initial=0))):
                coming = np.flatnonzero((counts > turn) & ~crowd.memory.gone)
                for low in range(0, len(coming), BLOCK):
                    users = coming[low : low + BLOCK]
                    trip.visit(users, planned[users] + turn, day, (turn + 0.5) / (counts[users] + 1))
            planned += counts
            server.night()
            age(world, crowd, np.random.default_rng((seed, 2, day)))
            trip.ran.by_day[day, 2] = int(((crowd.joined <= day) & ~crowd.memory.gone).sum())
            advance(1)
    trip.ran.gone = crowd.memory.gone.copy()
    return trip.ran


class _Trip:
    """One run: who is asked, and what has been counted so far."""

    def __init__(self, world: FittedWorld, crowd: Crowd, server: Server, k: int, days: int, seed: int) -> None:
        self.world, self.crowd, self.server, self.k, self.seed = world, crowd, server, k, seed
        self.start = world.dataset.now if world.dataset.has_times else float("nan")
        events = world.dataset.positive["weight"].to_numpy()
        self.weight = float(np.median(events))
        self.keys = np.arange(len(crowd), dtype=np.uint64)
        self.asked = 0
        n = len(crowd)
        self.ran = Ran(
            visits=np.zeros(n, np.int64),
            slates=np.zeros(n, np.int64),
            clicked=np.zeros(n, np.int64),
            clicks=np.zeros(n, np.int64),
            picked=np.zeros(n, np.int64),
            satisfaction=np.zeros(n),
            gone=np.zeros(n, bool),
            lasted=np.full(n, days),
            by_day=np.zeros((days, 3), np.int64),
            curve=np.zeros((k, 2), np.int64),
            seconds=dict.fromkeys(("slates", "free picks", "reactions", "memory"), 0.0),
        )

    def visit(self, users: NDArray[np.int64], nth: NDArray[np.int64], day: int, moment: NDArray[np.float64]) -> None:
        """Visits of different users, side by side, to the last slate."""
        times = self.start + (day + moment) * DAY
        allowed = self.crowd.allowed(day)
        self.ran.visits[users] += 1
        self._pick(users, nth, times, allowed)
        for page in range(1, PAGES + 1):
            if not len(users):
                return
            stays = self._page(users, nth, times + PAUSE * page, page, day, allowed)
            users, nth, times = users[stays], nth[stays], times[stays]

    def _pick(
        self,
        users: NDArray[np.int64],
        nth: NDArray[np.int64],
        times: NDArray[np.float64],
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        """Each user takes an item by preference alone."""
        world, crowd = self.world, self.crowd
        with self._stage("free picks"):
            utility = world.preferences.utility(crowd.tastes[users], crowd.recent.last(users))
            if allowed is not None:
                utility[:, ~allowed] = -np.inf
            if not world.preferences.repeats:
                own = crowd.recent.histories(users, times, self.keys[users], world.dataset.n_items)
                utility[own.rows, own.items] = -np.inf
            items = drawn(utility, luck_of(self.seed, 1, users, nth, 0)[:, 0])
        with self._stage("memory"):
            took(crowd, users, items, times, self.weight)
            crowd.memory.buy(users, items[:, None])
            self.ran.picked[users] += 1
            self.server.picked(users, items, times)

    def _page(
        self,
        users: NDArray[np.int64],
        nth: NDArray[np.int64],
        times: NDArray[np.float64],
        page: int,
        day: int,
        allowed: NDArray[np.bool_] | None,
    ) -> NDArray[np.bool_]:
        """One slate each; says who stays."""
        world, crowd, ran = self.world, self.crowd, self.ran
        self.asked += 1
        with self._stage("memory"):
            histories = crowd.recent.histories(users, times, self.keys[users], world.dataset.n_items)
        with self._stage("slates"):
            rng = np.random.default_rng((self.seed, 3, self.asked))
            slates = self.server.slates(Asked(users, histories, self.k, allowed, rng))
        with self._stage("reactions"):
            luck = luck_of(self.seed, draws(self.k), users, nth, page)
            reaction = react(world, crowd, users, slates, luck)
        with self._stage("memory"):
            remember(world, crowd, users, slates, reaction, times, self.weight)
            self.server.told(*np.nonzero(reaction.clicks))
        full, hit = slates >= 0, reaction.clicks
        some = full.any(axis=1)
        ran.slates[users] += some
        ran.clicked[users] += hit.any(axis=1)
        ran.clicks[users] += hit.sum(axis=1)
        ran.satisfaction[users] += np.nan_to_num(reaction.satisfaction)
        ran.lasted[users[reaction.churned]] = day
        ran.shown += int(full.sum())
        ran.by_day[day, 0] += int(some.sum())
        ran.by_day[day, 1] += int(hit.any(axis=1).sum())
        ran.curve += np.stack([full.sum(axis=0), hit.sum(axis=0)], axis=1)
        return ~reaction.left

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.ran.seconds[name] += time.process_time() - began


def drawn(utility: NDArray[np.float32], luck: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) one item per row with probability proportional to exp(utility), by the inverse of its distribution.

    >>> drawn(np.log(np.array([[0.2, 0.8], [0.2, 0.8]], np.float32)), np.array([0.1, 0.3])).tolist()
    [0, 1]
    """
    chance = np.exp(utility - utility.max(axis=1, keepdims=True))
    bounds = np.cumsum(chance, axis=1, dtype=np.float64)
    found = (bounds <= luck[:, None] * bounds[:, -1:]).sum(axis=1)
    return np.asarray(np.minimum(found, utility.shape[1] - 1), np.int64)
