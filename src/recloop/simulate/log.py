"""The log that the shop has kept so far, from the policy that it ran before."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.simulate.behaviour import Behaviour, Slates, Users, draws
from recloop.simulate.memory import Memory
from recloop.simulate.visits import DAY, Visits, rounds, visits

KINDS = ("view", "click", "purchase", "rating")
PLACES = 10
HOUR = 3600.0
PAGE = 75.0  # seconds between two slates of a session
BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Log:
    """Events, and the memory that users are left with.

    Attributes:
        events: user, item, kind, value, time; in the order of time. A purchase's value is money, a rating's stars.
        memory: what users remember after the last event.
    """

    events: pl.DataFrame
    memory: Memory


def simulate_log(behaviour: Behaviour, start: float, days: int, rng: np.random.Generator) -> Log:
    """``days`` days of a shop whose front page shows what sells, with some noise.

    In each session users open the pages of a few items that they found themselves, by their own taste (``view``), then
    look at one or two slates of the incumbent policy (``click``, ``purchase``, ``rating``). The incumbent draws items
    by their clicks so far, one in five places at random: what is shown much is clicked much, as in the logs of real
    shops. What users show here they remember, and some leave.

    Args:
        behaviour: of the world.
        start: seconds, the first midnight.
        days: how many.
        rng: all of the log's randomness.
    """
    shop, people = behaviour.shop, behaviour.people
    schedule_rng, search_rng, slate_rng, luck_rng = rng.spawn(4)
    plan = visits(people, start, days, schedule_rng)
    memory = Memory.fresh(len(people))
    fame = np.exp(0.5 * slate_rng.standard_normal(len(shop)))  # what the shop believed before anybody came
    last = np.full(len(people), np.inf)
    parts: list[_Part] = []
    for day in range(days):
        there = fame * (shop.arrived <= start + day * DAY)
        of_day = np.flatnonzero(plan.day == day)
        for turn in rounds(plan.user[of_day]):
            rows = of_day[turn]
            rows = rows[~memory.gone[plan.user[rows]]]
            for page in (1, 2):
                if not len(rows):
                    break
                users, times = plan.user[rows], plan.time[rows] + PAGE * page
                slates = _incumbent(there, len(rows), slate_rng)
                reactions = behaviour.react(users, slates, draws(len(rows), slates.shape[1], luck_rng), memory)
                behaviour.remember(users, slates, reactions, memory)
                clicks, purchases, stars = reactions.clicks, reactions.purchases, reactions.ratings
                parts.append(_part(users, slates, clicks, "click", times + 5))
                parts.append(_part(users, slates, purchases, "purchase", times + 50, shop.price[slates]))
                parts.append(_part(users, slates, ~np.isnan(stars), "rating", times + HOUR, stars))
                last[users[reactions.churned]] = times[reactions.churned] + DAY / 8
                fame += np.bincount(slates[clicks], minlength=len(shop)) / 20
                rows = rows[~reactions.left]
    parts += _found(behaviour, plan, last, search_rng)
    return Log(events=_events(behaviour, parts, start + days * DAY), memory=memory)


def search(
    behaviour: Behaviour, users: Users, luck: NDArray[np.float64], *, times: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """(n,) the item that each user finds by searching for what they like: a softmax over affinity, looks and price.

    Args:
        behaviour: of the world.
        users: (n,) user indices; a user may come many times.
        luck: (n,) uniform numbers.
        times: (n,) seconds; an item that had not arrived yet is not found, and gives -1.
    """
    shop, people, traits = behaviour.shop, behaviour.people, behaviour.traits
    found = np.full(len(users), -1, dtype=np.int64)
    distinct, row_of = np.unique(users, return_inverse=True)
    order = np.argsort(row_of, kind="stable")
    bounds = np.searchsorted(row_of[order], np.arange(len(distinct) + 1))
    step = max(1, BLOCK_BYTES // (8 * max(1, len(shop))))
    for at in range(0, len(distinct), step):  # blocks of users: never users x items at once
        block = distinct[at : at + step]
        liking = people.tastes[block] @ shop.vectors.T + 0.25 * shop.appeal
        liking -= traits.price * people.thrift[block][:, None] * shop.expensive
        upto = np.cumsum(np.exp(1.35 * liking.astype(np.float64)), axis=1)
        upto /= upto[:, -1:]
        rows = order[bounds[at] : bounds[min(at + step, len(distinct))]]
        local = row_of[rows] - at
        flat = (upto + np.arange(len(block))[:, None]).ravel()
        found[rows] = np.minimum(np.searchsorted(flat, local + luck[rows]) - local * len(shop), len(shop) - 1)
    if times is not None:
        found[shop.arrived[found] > times] = -1
    return found


_Part = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _part(
    users: Users,
    slates: Slates,
    happened: NDArray[np.bool_],
    kind: str,
    times: NDArray[np.float64],
    values: NDArray[np.floating] | None = None,
) -> _Part:
    """Events of one kind: user, item, code of the kind, value, time."""
    row, place = np.nonzero(happened)
    value = np.full(len(row), np.nan) if values is None else values[row, place].astype(np.float64)
    kinds = np.full(len(row), KINDS.index(kind))
    return users[row].astype(np.int64), slates[row, place].astype(np.int64), kinds, value, times[row] + 7.0 * place


def _incumbent(popularity: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n, PLACES) distinct items drawn by popularity, one in five at random; -1 where there are too few."""
    there = popularity > 0
    if not there.any():
        return np.full((n, PLACES), -1, dtype=np.int64)
    chance = 0.8 * popularity / popularity.sum() + 0.2 * there / there.sum()
    upto = np.cumsum(chance)
    drawn = np.minimum(np.searchsorted(upto, rng.random((n, 2 * PLACES)) * upto[-1], side="right"), len(upto) - 1)
    again = (np.tri(2 * PLACES, k=-1, dtype=bool) & (drawn[:, :, None] == drawn[:, None, :])).any(axis=2)
    order = np.argsort(again, axis=1, kind="stable")[:, :PLACES]
    return np.take_along_axis(np.where(again, -1, drawn), order, axis=1)


def _found(behaviour: Behaviour, plan: Visits, last: NDArray[np.float64], rng: np.random.Generator) -> list[_Part]:
    """Views of what users searched for, and the purchases and ratings that follow."""
    shop = behaviour.shop
    pages = 1 + rng.poisson(2.2, size=len(plan))
    row = np.repeat(np.arange(len(plan)), pages)
    users = plan.user[row]
    times = plan.time[row] + np.round(rng.random(len(row)) * 60)
    item = search(behaviour, users, rng.random(len(row)), times=times)
    keep = (item >= 0) & (times <= last[users])
    users, times, slates = users[keep], times[keep], item[keep, None]
    luck = rng.random((len(users), 3))
    chances = behaviour.chances(users, slates)
    bought = luck[:, :1] < chances.buy
    stars = behaviour.stars(chances.worth, luck[:, 1:2])
    rated = bought & (luck[:, 2:] < behaviour.traits.answers)
    return [
        _part(users, slates, np.ones_like(bought), "view", times),
        _part(users, slates, bought, "purchase", times + 300, shop.price[slates]),
        _part(users, slates, rated, "rating", times + HOUR, stars),
    ]


def _events(behaviour: Behaviour, parts: list[_Part], end: float) -> pl.DataFrame:
    users, items, kinds, values, times = (np.concatenate(column) for column in zip(*parts, strict=True))
    frame = pl.DataFrame(
        {
            "user": pl.Series(users, dtype=pl.Int64),
            "item": pl.Series(items, dtype=pl.Int64),
            "kind": pl.Series(kinds, dtype=pl.Int64),
            "value": pl.Series(values, dtype=pl.Float64),
            "time": pl.Series(times, dtype=pl.Float64),
        }
    )
    return (
        frame.lazy()
        .filter(pl.col("time") < end)
        .sort("time", "user", "item", "kind")
        .with_columns(
            user=pl.lit(behaviour.people.users["user"]).gather(pl.col("user")),
            item=pl.lit(behaviour.shop.items["item"]).gather(pl.col("item")),
            kind=pl.lit(pl.Series(KINDS)).gather(pl.col("kind")),
            value=pl.col("value").fill_nan(None),
        )
        .collect()
    )
