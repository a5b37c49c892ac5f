"""The users of a fitted world while they live: what changes from slate to slate, and from day to day."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from recloop.simulate.clicks.model import DRAWS
from recloop.simulate.fitted.recent import Recent
from recloop.simulate.fitted.world import FittedWorld
from recloop.simulate.memory import Memory

DEPTH = 200  # events of a history, as a service reads them
NEAR = 0.3  # how far a newcomer's taste lies from that of the user it resembles, in standard deviations


class Reaction(NamedTuple):
    """What n users did with slates.

    Attributes:
        clicks: (n, k).
        satisfaction: (n,) in [0, 1], NaN without a slate.
        left: (n,) the visit ends here; ``churned``: for good.
    """

    clicks: NDArray[np.bool_]
    satisfaction: NDArray[np.float64]
    left: NDArray[np.bool_]
    churned: NDArray[np.bool_]


def draws(k: int) -> int:
    """Uniform numbers that a reaction to k places needs."""
    return DRAWS * k + 2


@dataclass
class Crowd:
    """Users by number: those of the log first, then those who arrive later.

    Attributes:
        tastes: (n, d) float32, where drift has brought them.
        level, best, rates: (n,), see ``FittedWorld`` and ``Activity``.
        joined: (n,) int64, the day on which each arrives; 0 and before for those of the log.
        arrives: (n_items,) int64, the day from which each item may be shown.
        memory: what each was shown and took, its mood, and who is gone.
        recent: histories.
    """

    tastes: NDArray[np.float32]
    level: NDArray[np.float64]
    best: NDArray[np.float64]
    rates: NDArray[np.float64]
    joined: NDArray[np.int64]
    arrives: NDArray[np.int64]
    memory: Memory
    recent: Recent

    def __len__(self) -> int:
        return len(self.rates)

    def copy(self) -> "Crowd":
        """The same users, to be tried on another policy."""
        return Crowd(self.tastes.copy(), self.level, self.best, self.rates, self.joined, self.arrives,
                     self.memory.copy(), self.recent.copy())  # fmt: skip

    def allowed(self, day: int) -> NDArray[np.bool_] | None:
        """(n_items,) what may be shown on a day; None for everything."""
        return None if (self.arrives <= day).all() else self.arrives <= day


def gather(world: FittedWorld, rng: np.random.Generator, *, days: int, users: int | None = None) -> Crowd:
    """The users of a world at the end of its log, and those who will arrive.

    A newcomer resembles a user of the log, drawn at random, and has no history.

    Args:
        world: fitted.
        rng: who is taken, who arrives, which items arrive.
        days: over which they arrive.
        users: how many of those of the log; all where None, and again from the start where more are wanted.
    """
    known = world.dataset.n_users
    n = known if users is None else users
    chosen = np.arange(n) % known if n >= known else np.sort(rng.choice(known, n, replace=False))
    coming = round(world.config.new_users * n * days)
    like = rng.integers(n, size=coming)
    source = np.concatenate([chosen, chosen[like]])
    spread = world.preferences.users.std(axis=0)
    tastes = world.preferences.users[source].copy()
    tastes[n:] += NEAR * spread * rng.standard_normal((coming, tastes.shape[1]), dtype=np.float32)
    n_items = world.dataset.n_items
    late = rng.permutation(n_items)[: int(world.config.new_items * n_items)]
    arrives = np.zeros(n_items, np.int64)
    arrives[late] = rng.integers(1, max(2, days), size=len(late))
    memory = Memory.fresh(n + coming)
    memory.satisfaction[:] = world.usual
    return Crowd(
        tastes=tastes,
        level=world.level[source],
        best=world.best[source],
        rates=world.activity.rates[source],
        joined=np.concatenate([np.zeros(n, np.int64), np.sort(rng.integers(0, max(1, days), size=coming))]),
        arrives=arrives,
        memory=memory,
        recent=Recent.of(world.dataset.histories(chosen), depth=DEPTH, more=coming),
    )


def relevance(
    world: FittedWorld, slates: NDArray[np.integer], attraction: NDArray[np.float64], best: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) in [0, 1]: what a slate attracts, place by place as looked at, as a share of the user's best items."""
    tiny = np.full(slates.shape, 1e-6)
    look = world.clicks.chances(np.zeros_like(slates), tiny) / tiny
    pulled = (look * np.where(slates >= 0, attraction, 0.0)).sum(axis=1)
    return np.asarray(np.clip(pulled / np.maximum(look.sum(axis=1) * best, 1e-12), 0.0, 1.0))


def react(
    world: FittedWorld,
    crowd: Crowd,
    users: NDArray[np.int64],
    slates: NDArray[np.integer],
    luck: NDArray[np.float64],
) -> Reaction:
    """What users (each at most once) do with slates. It changes no memory: ``remember`` does.

    Args:
        world: fitted.
        crowd: its users.
        users: (n,).
        slates: (n, k), -1 for an empty place.
        luck: (n, 3 k + 2) uniform numbers. The same luck and slate give the same reaction.
    """
    config, memory = world.config, crowd.memory
    pull = world.pull(crowd.tastes[users], crowd.level[users], slates, crowd.recent.last(users))
    pull -= config.fatigue * np.minimum(memory.repeats(users, slates), 4) + config.owned * memory.owns(users, slates)
    attraction = expit(pull)
    clicks = world.clicks.draw(slates, attraction, luck)
    empty = ~(slates >= 0).any(axis=1)
    satisfaction = np.where(empty, np.nan, relevance(world, slates, attraction, crowd.best[users]))
    mood = memory.satisfaction[users].astype(np.float64)
    mood = np.where(empty, mood, mood + config.memory * (satisfaction - mood))
    hazard = expit(logit(world.activity.leave) - config.hurt * (mood - world.usual))
    churned = luck[:, -2] < hazard
    return Reaction(clicks, satisfaction, churned | (luck[:, -1] >= config.more), churned)


def remember(
    world: FittedWorld,
    crowd: Crowd,
    users: NDArray[np.int64],
    slates: NDArray[np.integer],
    reaction: Reaction,
    times: NDArray[np.float64],
    weight: float,
) -> None:
    """Write what these users (each at most once) saw, took and felt."""
    memory = crowd.memory
    memory.show(users, slates)
    felt = np.where(np.isnan(reaction.satisfaction), memory.satisfaction[users], reaction.satisfaction)
    memory.feel(users, felt, weight=world.config.memory)
    memory.gone[users] |= reaction.churned
    rows, places = np.nonzero(reaction.clicks)
    took(crowd, users[rows], slates[rows, places], times[rows] + places, weight)
    memory.buy(users, np.where(reaction.clicks, slates, -1))


def took(
    crowd: Crowd, users: NDArray[np.int64], items: NDArray[np.integer], times: NDArray[np.float64], weight: float
) -> None:
    """Events into the histories; users may stand several times, together."""
    crowd.recent.push(users, items, weight, times)


def age(world: FittedWorld, crowd: Crowd, rng: np.random.Generator) -> None:
    """A night passes: tastes drift, around where they began and no further on average than users differ."""
    drift = world.config.drift
    if drift > 0:
        mean, spread = world.preferences.users.mean(axis=0), world.preferences.users.std(axis=0)
        fresh = mean + spread * rng.standard_normal(crowd.tastes.shape, dtype=np.float32)
        keep = np.float32(np.sqrt(1 - drift))
        crowd.tastes = (mean + keep * (crowd.tastes - mean) + np.float32(np.sqrt(drift)) * (fresh - mean)).astype(
            np.float32
        )
