from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.kinds import Kinds
from recloop.errors import SettingError
from recloop.simulate.behaviour import Behaviour, Reactions, Slates, Traits, Users, draws
from recloop.simulate.catalogue import Catalogue, catalogue
from recloop.simulate.log import Log, simulate_log
from recloop.simulate.memory import Memory
from recloop.simulate.population import Population, population
from recloop.simulate.truth import Rank, Truth
from recloop.simulate.visits import DAY

MONDAY = 1_736_121_600.0  # 6 January 2025, midnight in UTC
WORTH: Mapping[str, float] = {"view": 0.5, "click": 1.0, "purchase": 3.0, "rating": 1.0}
"""What the kinds of events of a synthetic shop are worth to a strategy; a rating counts from 4 stars."""


class World:
    """A synthetic shop with known truth: items, users, and what they do with any slate. Its numbers are a simulation.

    The seed fixes everything. Catalogue, population and log have child seeds of their own, so that more days change
    neither items nor users, and other slates change nobody's taste.

    Args:
        seed: of the world.
        users: how many.
        items: how many.
        days: over how many days, from ``start``, new items and users arrive; the length of the log.
        start: seconds since 1970, a midnight: when the log begins.
        traits: the numbers of the behaviour; the standard ones where None.

    Raises:
        SettingError: there is no user, no item or no day.

    >>> world = World(seed=1, users=50, items=40, days=10)
    >>> world.log().columns
    ['user', 'item', 'kind', 'value', 'time']
    >>> slates = np.array([[0, 1, 2], [3, 4, 5]])
    >>> world.respond(np.array([7, 8]), slates, np.random.default_rng(0)).clicks.shape
    (2, 3)
    """

    def __init__(
        self,
        seed: int = 0,
        users: int = 2000,
        items: int = 1500,
        *,
        days: int = 60,
        start: float = MONDAY,
        traits: Traits | None = None,
    ) -> None:
        for name, value in (("users", users), ("items", items), ("days", days)):
            if value < 1:
                raise SettingError(f"the world has {value} {name}", allowed=f"{name} must be at least 1")
        self.seed = seed
        self.days = days
        self.start = start
        of_items, of_users, self._of_log = np.random.SeedSequence(seed).spawn(3)
        self.catalogue: Catalogue = catalogue(items, start, days, np.random.default_rng(of_items))
        self.population: Population = population(users, self.catalogue, start, days, np.random.default_rng(of_users))
        self.behaviour = Behaviour(self.catalogue, self.population, traits)
        self.truth = Truth(self.behaviour)

    @property
    def items(self) -> pl.DataFrame:
        """item, title, description, category, department, brand, material, style, colour, price, arrived."""
        return self.catalogue.items

    @property
    def users(self) -> pl.DataFrame:
        """user, age, gender, device, joined."""
        return self.population.users

    @property
    def end(self) -> float:
        """Seconds since 1970: the moment after the log, when the next day begins."""
        return self.start + self.days * DAY

    @property
    def kinds(self) -> Kinds:
        """What the kinds of events are worth."""
        return Kinds(weights=WORTH, minimum={"rating": 4})

    @cached_property
    def past(self) -> Log:
        """The log and what users remember of it."""
        return self._log(self.days, None)

    def log(self, days: int | None = None, rng: np.random.Generator | None = None) -> pl.DataFrame:
        """The behaviour log of the first days: user, item, kind, value, time.

        Args:
            days: how many; all where None.
            rng: the log's randomness; the world's own where None.
        """
        if rng is None and days in {None, self.days}:
            return self.past.events
        return self._log(self.days if days is None else days, rng).events

    def _log(self, days: int, rng: np.random.Generator | None) -> Log:
        if days < 1:
            raise SettingError(f"the log has {days} days", allowed="it has at least 1")
        if rng is None:  # a new sequence each time: a generator that spawns leaves its mark on the one it is made from
            own = np.random.SeedSequence(self._of_log.entropy, spawn_key=self._of_log.spawn_key)
            rng = np.random.default_rng(own)
        return simulate_log(self.behaviour, self.start, days, rng)

    def dataset(self, days: int | None = None) -> Dataset:
        """The log with catalogue and users, as strategies learn from it. Indices are those of the world."""
        return Dataset.of(self.log(days), self.items, self.users, self.kinds)

    def respond(
        self, users: Users, slates: Slates, rng: np.random.Generator, *, memory: Memory | None = None
    ) -> Reactions:
        """What users do with slates: see ``Reactions``.

        Args:
            users: (n,) user indices.
            slates: (n, k) item indices, -1 for an empty place.
            rng: the luck of these reactions.
            memory: what users have lived through; it is read, not written (``behaviour.remember``).
        """
        users, slates = np.asarray(users), np.asarray(slates)
        return self.behaviour.react(users, slates, draws(len(slates), slates.shape[1], rng), memory)

    def expected_click_rate(self, users: Users, slates: Slates, *, memory: Memory | None = None) -> NDArray[np.float64]:
        """(n,) the true probability of at least one click on each slate (n, k)."""
        return self.truth.expected_click_rate(np.asarray(users), np.asarray(slates), memory)

    def true_value(self, rank: Rank, metric: str = "slate_ctr", *, memory: Memory | None = None) -> float:
        """What a policy is truly worth per slate, see ``Truth.value``.

        >>> world = World(seed=1, users=50, items=40)
        >>> 0 < world.true_value(lambda users: np.tile(np.arange(10), (len(users), 1))) < 1
        True
        """
        return self.truth.value(rank, metric, memory=memory)

    def true_lift(
        self, treatment: Rank, control: Rank, metric: str = "slate_ctr", *, memory: Memory | None = None
    ) -> float:
        """The true relative difference between two policies: 0.4 is 40% better."""
        return self.truth.lift(treatment, control, metric, memory=memory)
