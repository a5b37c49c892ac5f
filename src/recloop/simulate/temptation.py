from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.slates import SlateLog
from recloop.data.vocabulary import Vocabulary
from recloop.strategies.base import Strategy

DAY = 86_400.0
GRID = 401


@dataclass(frozen=True)
class Temptation:
    """A small world in which what is clicked most drives users away, and the best policy is known. A simulation.

    Half of the items tempt ("chocolate"): they are clicked more and harm. The others ("kale") are clicked less and do
    good. What a user took lately, x, is a moving mean of -1 for each chocolate and +1 for each kale. After each slate
    the user leaves for good with a probability that falls with x. The reward is one per click, and at most one item of
    a slate is taken, by a multinomial logit with nothing at utility 0. The shape is that of the long-term satisfaction
    world of Ie et al. 2019, "RecSim: a configurable simulation platform for recommender systems", with leaving in place
    of a fixed horizon.

    Args:
        items: of each of the two sorts.
        k: places of a slate.
        tempting, healthy: utilities of the two.
        memory: share of the last item in x.
        leave: the probability of leaving at x = -1 and at x = 1; its logit is a line in between.

    >>> world = Temptation()
    >>> bool(world.value(world.myopic) < 0.5 * world.optimum)
    True
    """

    items: int = 10
    k: int = 3
    tempting: float = 2.0
    healthy: float = 0.0
    memory: float = 0.3
    leave: tuple[float, float] = (0.15, 0.02)

    @property
    def sorts(self) -> NDArray[np.int64]:
        """(n_items,) -1 for what tempts, 1 for what does good, in turn."""
        return np.tile([-1, 1], self.items)

    @property
    def ids(self) -> Vocabulary:
        """The items' ids."""
        return Vocabulary([f"i{number:03d}" for number in range(2 * self.items)])

    def hazard(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of leaving after a slate, at x."""
        low, high = (np.log(p / (1 - p)) for p in self.leave)
        return np.asarray(expit((low + high) / 2 + (high - low) / 2 * x))

    def chances(self, tempting: NDArray[np.integer] | int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The probabilities of taking a tempting item and a healthy one from a slate with so many tempting ones."""
        sweet = np.asarray(tempting) * np.exp(self.tempting)
        good = (self.k - np.asarray(tempting)) * np.exp(self.healthy)
        return sweet / (1 + sweet + good), good / (1 + sweet + good)

    @cached_property
    def _grid(self) -> NDArray[np.float64]:
        return np.linspace(-1, 1, GRID)

    @property
    def myopic(self) -> NDArray[np.int64]:
        """(GRID,) tempting items of the slate that is clicked most, at each x: all of them."""
        return np.full(GRID, self.k)

    @cached_property
    def best(self) -> NDArray[np.int64]:
        """(GRID,) tempting items of the best slate at each x, by dynamic programming."""
        return self._solve(None)[1]

    @cached_property
    def optimum(self) -> float:
        """Clicks of a newcomer (x = 0) until leaving, under the best policy."""
        return float(np.interp(0.0, self._grid, self._solve(None)[0]))

    def value(self, policy: NDArray[np.int64]) -> float:
        """The same under a policy: (GRID,) tempting items of the slate at each x."""
        return float(np.interp(0.0, self._grid, self._solve(policy)[0]))

    def _solve(self, policy: NDArray[np.int64] | None) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and choices by value iteration on a grid, values between its points by lines."""
        x, stay = self._grid, 1 - self.hazard(self._grid)
        after = {sort: (1 - self.memory) * x + self.memory * sort for sort in (-1, 0, 1)}
        after[0] = x
        keep = {sort: 1 - self.hazard(moved) for sort, moved in after.items()}
        value = np.zeros(GRID)
        options = range(self.k + 1)
        while True:
            later = {sort: keep[sort] * np.interp(moved, x, value) for sort, moved in after.items()}
            worth = []
            for count in options:
                sweet, good = self.chances(count)
                worth.append(sweet * (1 + later[-1]) + good * (1 + later[1]) + (1 - sweet - good) * stay * value)
            stacked = np.stack(worth)
            chosen = stacked.argmax(axis=0) if policy is None else policy
            new = stacked[chosen, np.arange(GRID)]
            if np.abs(new - value).max() < 1e-9:
                return new, chosen
            value = new

    def log(self, users: int, rng: np.random.Generator, *, most: int = 200) -> Dataset:
        """What users did under random slates: events and slates, one slate a day.

        How many of a user's items tempt is drawn evenly for each user, as if many policies had been at work.

        Args:
            users: how many.
            rng: slates and users.
            most: slates of a user, at most.
        """
        parts = _run(self, users, _Drawn(self, rng.random(users), rng), rng, most)
        people = Vocabulary([f"u{number:06d}" for number in range(users)])
        items = self.ids
        table = pl.DataFrame(
            {
                "user": people.array[parts.users[parts.taken]],
                "item": items.array[parts.slates[parts.taken, parts.place[parts.taken]]],
                "kind": pl.Series(["click"] * int(parts.taken.sum()), dtype=pl.String),
                "time": parts.times[parts.taken] + 1.0,
            }
        )
        dataset = Dataset.of(table, pl.DataFrame({"item": items.ids}), pl.DataFrame({"user": people.ids}))
        order = np.lexsort((parts.times, parts.users))
        clicks = np.zeros(parts.slates.shape, bool)
        clicks[parts.taken, parts.place[parts.taken]] = True
        slates = SlateLog(
            parts.users.astype(np.int32), parts.times, parts.slates.astype(np.int32), clicks, clicks.astype(np.float32)
        )
        return dataset.with_slates(slates.take(order))

    def play(
        self, strategy: Strategy, users: int, rng: np.random.Generator, *, most: int = 400
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(users,) clicks of each until leaving, and slates, when a strategy ranks.

        Args:
            strategy: fitted on a log of this world.
            users: how many.
            rng: of the users.
            most: slates of a user, at most.
        """
        parts = _run(self, users, _Ranked(strategy), rng, most)
        clicks = np.bincount(parts.users[parts.taken], minlength=users)
        return clicks.astype(np.float64), np.bincount(parts.users, minlength=users).astype(np.float64)


@dataclass(frozen=True)
class _Played:
    users: NDArray[np.int64]
    times: NDArray[np.float64]
    slates: NDArray[np.int64]
    taken: NDArray[np.bool_]
    place: NDArray[np.int64]


class _Drawn:
    def __init__(self, world: Temptation, tempted: NDArray[np.float64], rng: np.random.Generator) -> None:
        self._world, self._tempted, self._rng = world, tempted, rng

    def __call__(self, taken: list[NDArray[np.int64]], users: NDArray[np.int64]) -> NDArray[np.int64]:  # noqa: ARG002
        world, rng = self._world, self._rng
        share = self._tempted[users, None]
        chance = np.where(world.sorts < 0, share, 1 - share)
        noise = rng.gumbel(size=chance.shape) + np.log(np.maximum(chance, 1e-12))
        return np.argsort(-noise, axis=1)[:, : world.k]


class _Ranked:
    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def __call__(self, taken: list[NDArray[np.int64]], users: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self._strategy.items is not None
        n_items = len(self._strategy.items)
        k = self._k
        if not taken:
            histories = Histories.of([[]] * len(users), n_items)
        else:
            rows = np.stack([part[users] for part in taken[-200:]], axis=1)
            known = rows >= 0
            indptr = np.concatenate([[0], np.cumsum(known.sum(axis=1))]).astype(np.int64)
            flat = rows[known].astype(np.int32)
            whole = Histories.of([[]] * len(users), n_items)
            histories = Histories(indptr, flat, np.ones(len(flat), np.float32), np.full(len(flat), np.nan),
                                  np.full(len(flat), np.nan, np.float32), whole.now, whole.keys, n_items)  # fmt: skip
        return self._strategy.rank(histories, k, hide_seen=False).items.astype(np.int64)

    _k = 3


def _run(world: Temptation, users: int, slates: "_Drawn | _Ranked", rng: np.random.Generator, most: int) -> _Played:
    """Users side by side, slate after slate, until all have left."""
    if isinstance(slates, _Ranked):
        slates._k = world.k  # noqa: SLF001
    utility = np.exp(np.where(world.sorts < 0, world.tempting, world.healthy))
    x, here = np.zeros(users), np.arange(users)
    taken: list[NDArray[np.int64]] = []
    parts: list[_Played] = []
    for day in range(most):
        if not len(here):
            break
        shown = slates(taken, here)
        weights = np.concatenate([np.ones((len(here), 1)), utility[shown]], axis=1)
        bounds = np.cumsum(weights, axis=1)
        pick = (rng.random((len(here), 1)) * bounds[:, -1:] >= bounds).sum(axis=1) - 1
        hit = pick >= 0
        item = np.where(hit, shown[np.arange(len(here)), np.maximum(pick, 0)], -1)
        parts.append(_Played(here, np.full(len(here), day * DAY), shown, hit, np.maximum(pick, 0)))
        row = np.full(users, -1, np.int64)
        row[here] = item
        taken.append(row)
        x[here[hit]] += world.memory * (world.sorts[item[hit]] - x[here[hit]])
        here = here[rng.random(len(here)) >= world.hazard(x[here])]
    return _Played(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Played.__annotations__))
