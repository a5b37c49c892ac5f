"""The users of the synthetic shop, and what they like."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.simulate.catalogue import WEIGHTS, YEAR, Catalogue, ids

GENDERS = ("female", "male", "other")
DEVICES = ("mobile", "desktop", "tablet")
AGES = (16, 80)


@dataclass(frozen=True, slots=True)
class Population:
    """The users by index.

    Attributes:
        users: user, age, gender, device, joined: what a shop knows of them.
        favourites: (n, n_categories) float32, how much of the taste goes to each category; rows sum to 1.
        tastes: (n, DIMENSION) float32; ``tastes @ vectors.T`` has mean square 1 over users and items.
        thrift: (n,) how much a price above the usual one of its category puts off.
        activity: (n,) sessions a day.
        hours: (n,) the hour of the day around which the user comes.
        weekend: (n,) how much more often the user comes on Saturdays and Sundays.
        device: (n,) code of ``DEVICES``.
        joined: (n,) seconds, before which the user is not there.
    """

    users: pl.DataFrame
    favourites: NDArray[np.float32]
    tastes: NDArray[np.float32]
    thrift: NDArray[np.float32]
    activity: NDArray[np.float64]
    hours: NDArray[np.float64]
    weekend: NDArray[np.float64]
    device: NDArray[np.int8]
    joined: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.thrift)


def population(n: int, shop: Catalogue, start: float, days: float, rng: np.random.Generator) -> Population:
    """``n`` users of a shop.

    A taste is a mixture over a few categories, styles, brands, occasions, materials and colours. Which ones shifts
    with age and gender: how far each category and style leans to whom is drawn from the seed, not taken from people.
    Four in five are there before ``start``, one in eight joins during ``days``, the rest after: they are new to whoever
    learned from the log.
    """
    age = np.clip(np.round(16 + 60 * rng.beta(1.9, 2.6, size=n)), *AGES)
    gender = rng.choice(len(GENDERS), size=n, p=[0.49, 0.48, 0.03])
    device = rng.choice(len(DEVICES), size=n, p=[0.58, 0.34, 0.08])
    years = (age - 40) / 18
    taste = np.zeros((n, shop.vectors.shape[1]))
    favourites = np.zeros((n, 0))
    for name, weight in WEIGHTS.items():
        meaning = shop.meanings[name]
        share = _mixture(len(meaning), LIKED[name], years, gender, LEANING[name], rng)
        if name == "category":
            favourites = share
        liked = share @ meaning
        taste += weight * liked / np.sqrt(np.square(share).sum(axis=1, keepdims=True))
    taste += 0.25 * rng.standard_normal(taste.shape) / np.sqrt(taste.shape[1])
    taste -= 0.45 * taste.mean(axis=0)  # what all like is less than chance would make it
    taste = _standardised(taste, shop.vectors)
    joined = np.where(rng.random(n) < 0.8, start - rng.random(n) * YEAR, start + days * 86_400 * rng.random(n) * 1.6)
    users = pl.DataFrame(
        {
            "user": ids("u", n),
            "age": age.astype(np.int32),
            "gender": pl.Series(np.array(GENDERS, dtype=object)[gender], dtype=pl.String),
            "device": pl.Series(np.array(DEVICES, dtype=object)[device], dtype=pl.String),
            "joined": np.round(joined),
        }
    )
    return Population(
        users=users,
        favourites=favourites.astype(np.float32),
        tastes=taste.astype(np.float32),
        thrift=rng.gamma(2.0, 0.3, size=n).astype(np.float32),
        activity=rng.gamma(2.2, 0.5 / 2.2, size=n),
        hours=rng.choice([8.0, 12.5, 20.5], size=n, p=[0.2, 0.25, 0.55]) + rng.normal(0, 1, size=n),
        weekend=rng.lognormal(0.1, 0.4, size=n),
        device=device.astype(np.int8),
        joined=np.round(joined).astype(np.float64),
    )


LIKED = {"category": 3, "style": 2, "occasion": 2, "material": 4, "brand": 3, "colour": 3}
LEANING = {"category": 0.9, "style": 0.9, "occasion": 0.4, "material": 0.2, "brand": 0.4, "colour": 0.4}


def _mixture(
    size: int, liked: int, years: NDArray[np.float64], gender: NDArray[np.integer], lean: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """(n, size) shares, most of each row on about ``liked`` values; which ones leans with age and gender."""
    fame = 0.3 * rng.standard_normal(size)
    by_age, by_gender = lean * rng.standard_normal(size), lean * rng.standard_normal((len(GENDERS), size))
    chance = fame + years[:, None] * by_age + by_gender[gender]
    ranked = chance + rng.gumbel(size=chance.shape)  # Gumbel top-k: drawn without replacement by exp(chance)
    share = np.zeros_like(chance)
    best = np.argsort(-ranked, axis=1)[:, : min(liked, size)]
    np.put_along_axis(share, best, rng.dirichlet(np.full(best.shape[1], 2.0), size=len(chance)), axis=1)
    return np.asarray(share)


def _standardised(tastes: NDArray[np.float64], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The tastes scaled so that the affinity of a random user for a random item has mean square 1."""
    second = vectors.T.astype(np.float64) @ vectors / len(vectors)
    square = np.einsum("ud,de,ue->u", tastes, second, tastes)
    return np.asarray(tastes / np.sqrt(max(square.mean(), 1e-12)))
