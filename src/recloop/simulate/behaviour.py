"""What users do with a slate: look, click, buy, rate, tire, leave."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from recloop.simulate.catalogue import Catalogue
from recloop.simulate.comments import ASPECTS, comments
from recloop.simulate.memory import Memory
from recloop.simulate.population import Population

Users = NDArray[np.integer]
Slates = NDArray[np.integer]
FIXED_DRAWS = 8  # per slate, beyond those per place


@dataclass(frozen=True, slots=True)
class Traits:
    """The numbers of the behaviour, in units of the logit where not said otherwise.

    Attributes:
        base: logit of a click on an average item that is looked at.
        taste, appeal, price: what one standard deviation of affinity, one of appeal, and one of log price (times the
            user's thrift) change.
        decay: per device, the power with which attention falls along the slate: place j is looked at with
            probability (1 + j) ** -decay.
        redundancy: what an item loses that is just like one above it.
        fatigue: what an item loses with each time it was seen lately, up to four times.
        owned: what an item loses that was bought lately.
        buy: logit of a purchase after a click, for an item of average worth.
        answers: probability that a purchase is rated.
        hazard: logit of leaving for good after a slate, at neutral satisfaction. ``hurt``: what satisfaction from 0
            to 1 takes off it.
    """

    base: float = -3.85
    taste: float = 1.15
    appeal: float = 0.37
    price: float = 0.6
    decay: tuple[float, ...] = (0.9, 0.65, 0.8)
    redundancy: float = 1.2
    fatigue: float = 0.07
    owned: float = 2.5
    buy: float = -3.3
    answers: float = 0.45
    hazard: float = -5.6
    hurt: float = 8.0


class Chances(NamedTuple):
    """The probabilities behind a reaction, all (n, k): in closed form, so that truth needs no sampling.

    ``look`` is that of looking at the place, ``attraction`` of a click given a look, ``click`` their product,
    ``buy`` of a purchase given a click, ``worth`` what the item is worth to the user once known (about -3 to 3).
    """

    look: NDArray[np.float64]
    attraction: NDArray[np.float64]
    click: NDArray[np.float64]
    buy: NDArray[np.float64]
    worth: NDArray[np.float64]
    relevance: NDArray[np.float64]
    repeats: NDArray[np.int64]
    likeness: NDArray[np.float64]


class Reactions(NamedTuple):
    """What n users did with slates of k places.

    Attributes:
        clicks, purchases: (n, k) bool.
        ratings: (n, k) float32, 1 to 5, NaN where not rated.
        satisfaction: (n,) in [0, 1], with the slate as a whole.
        left: (n,) bool, the session ends here. ``abandoned``: without a click.
        churned: (n,) bool, the user never comes back.
        sentiment: (n,) int8, 1, 0 or -1: what a comment says by construction; ``aspect``: (n,) int8, what it is about
            (``ASPECTS``), -1 where there is none.
        comments: (n,) object, "" where there is none.
    """

    clicks: NDArray[np.bool_]
    purchases: NDArray[np.bool_]
    ratings: NDArray[np.float32]
    satisfaction: NDArray[np.float32]
    left: NDArray[np.bool_]
    abandoned: NDArray[np.bool_]
    churned: NDArray[np.bool_]
    sentiment: NDArray[np.int8]
    aspect: NDArray[np.int8]
    comments: NDArray[np.object_]


def draws(n: int, k: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, 4 k + 8) uniform numbers: all the luck that n reactions to k places need."""
    return rng.random((n, 4 * k + FIXED_DRAWS))


class Behaviour:
    """The click model and what follows from a click.

    Args:
        shop: the items.
        people: the users.
        traits: the numbers.

    A position-based click model (Craswell, Zoeter, Taylor, Ramsey, "An experimental comparison of click position-bias
    models", WSDM 2008) whose attraction knows the slate above and the user's memory. Given these, places are
    independent, so that what a slate is worth has a closed form.
    """

    def __init__(self, shop: Catalogue, people: Population, traits: Traits | None = None) -> None:
        self.shop = shop
        self.people = people
        self.traits = traits or Traits()
        self._unit = shop.vectors / np.linalg.norm(shop.vectors, axis=1, keepdims=True)

    def affinity(self, users: Users, slates: Slates) -> NDArray[np.float32]:
        """(n, k) how well each item meets each user's taste; about standard normal over all pairs."""
        found: NDArray[np.float32] = np.einsum("nd,nkd->nk", self.people.tastes[users], self.shop.vectors[slates])
        return found

    def chances(self, users: Users, slates: Slates, memory: Memory | None = None) -> Chances:
        """The probabilities for each place of each slate.

        Args:
            users: (n,) indices.
            slates: (n, k) item indices, -1 for an empty place.
            memory: what users have seen and bought; nothing where None.
        """
        t, shop = self.traits, self.shop
        affinity = self.affinity(users, slates).astype(np.float64)
        thrift = self.people.thrift[users][:, None]
        dear = t.price * thrift * shop.expensive[slates]
        repeats = memory.repeats(users, slates) if memory is not None else np.zeros(slates.shape, dtype=np.int64)
        owned = memory.owns(users, slates) if memory is not None else np.zeros(slates.shape, dtype=bool)
        likeness = self._likeness(slates)
        relevance = t.taste * affinity + t.appeal * shop.appeal[slates] - dear
        logit = t.base + relevance - t.redundancy * likeness - t.fatigue * np.minimum(repeats, 4) - t.owned * owned
        decay = np.asarray(t.decay)[self.people.device[users]][:, None]
        look = np.where(slates >= 0, (1.0 + np.arange(slates.shape[1])) ** -decay, 0.0)
        attraction = expit(logit)
        worth = 0.55 * affinity + 0.75 * shop.quality[slates] - dear
        return Chances(
            look=look,
            attraction=attraction,
            click=look * attraction,
            buy=expit(t.buy + 0.8 * worth - t.owned * owned),
            worth=worth,
            relevance=relevance,
            repeats=repeats,
            likeness=likeness,
        )

    def _likeness(self, slates: Slates) -> NDArray[np.float64]:
        """(n, k) in [0, 1]: how like each item is to the nearest above it; 0 below a cosine of .4."""
        directions = self._unit[slates]
        cosines = np.matmul(directions, directions.transpose(0, 2, 1)).astype(np.float64)
        k = slates.shape[1]
        above = np.tri(k, k, -1, dtype=bool) & (slates >= 0)[:, None, :]
        nearest = np.where(above, cosines, -1.0).max(axis=2, initial=-1.0)
        return np.asarray(np.clip((nearest - 0.4) / 0.6, 0.0, 1.0))

    def stars(self, worth: NDArray[np.float64], luck: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rating, 1 to 5, that something worth so much gets from a user in a mood drawn by ``luck``."""
        mood = ndtri(np.clip(luck, 1e-9, 1 - 1e-9))
        return np.asarray(np.clip(np.round(2.9 + 0.75 * worth + 0.75 * mood), 1, 5))

    def react(self, users: Users, slates: Slates, luck: NDArray[np.float64], memory: Memory | None = None) -> Reactions:
        """What users do with slates. It changes no memory: ``remember`` does.

        Args:
            users: (n,) indices.
            slates: (n, k) item indices, -1 for an empty place.
            luck: (n, 4 k + 8) uniform numbers, see ``draws``. The same luck and slate give the same reaction.
            memory: what users have seen, bought and felt; nothing where None.
        """
        t = self.traits
        n, k = slates.shape
        chances = self.chances(users, slates, memory)
        clicks = luck[:, :k] < chances.click
        purchases = clicks & (luck[:, k : 2 * k] < chances.buy)
        stars = self.stars(chances.worth, luck[:, 2 * k : 3 * k])
        ratings = np.where(purchases & (luck[:, 3 * k : 4 * k] < t.answers), stars, np.nan).astype(np.float32)
        rest = luck[:, 4 * k :]

        seen = np.maximum(chances.look.sum(axis=1), 1e-9)
        relevance = (chances.look * chances.relevance).sum(axis=1) / seen
        repetition = (chances.look * np.minimum(chances.repeats, 4)).sum(axis=1) / seen
        sameness = (chances.look * chances.likeness).sum(axis=1) / seen
        dear = (chances.look * self.shop.expensive[slates]).sum(axis=1) / seen * self.people.thrift[users]
        bought = purchases.sum(axis=1)
        delight = np.where(purchases, chances.worth, 0.0).sum(axis=1) / np.maximum(bought, 1)
        clicked = clicks.any(axis=1)
        empty = ~(slates >= 0).any(axis=1)
        feeling = 0.9 * (relevance - 0.5) - 0.2 * repetition - 0.5 * sameness + 0.7 * clicked + 0.6 * delight
        satisfaction = expit(np.where(empty, -3.0, feeling))

        before = memory.satisfaction[users] if memory is not None else np.full(n, 0.5, dtype=np.float32)
        mood = 0.7 * before + 0.3 * satisfaction
        churned = rest[:, 0] < expit(t.hazard - t.hurt * (mood - 0.5))
        left = churned | (rest[:, 1] < np.where(clicked, 0.45, 0.75 - 0.2 * satisfaction))

        scores = np.stack(
            [
                1.1 * (relevance - 0.55),
                np.where(repetition > 1.0, -0.5 * repetition, 0.4 - 0.4 * repetition),
                -1.3 * dear,
                np.where(bought > 0, 1.2 * delight, 0.0),
                0.5 - 1.6 * sameness,
            ],
            axis=1,
        )
        talks = rest[:, 2] < 0.04 + 0.3 * np.square(2 * satisfaction - 1) + 0.12 * (bought > 0)
        return Reactions(
            clicks=clicks,
            purchases=purchases,
            ratings=ratings,
            satisfaction=satisfaction.astype(np.float32),
            left=left,
            abandoned=left & ~clicked,
            churned=churned,
            **comments(scores, talks & ~empty, rest[:, 3:8]),
        )

    def remember(self, users: Users, slates: Slates, reactions: Reactions, memory: Memory) -> None:
        """Write into the memory what these users (each at most once) saw, bought and felt."""
        memory.show(users, slates)
        memory.buy(users, np.where(reactions.purchases, slates, -1))
        memory.feel(users, reactions.satisfaction)
        memory.gone[users] |= reactions.churned


__all__ = ["ASPECTS", "Behaviour", "Chances", "Reactions", "Traits", "draws"]
