"""Simulated users visit a service: ask, look, click, buy, rate, comment, leave."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.vocabulary import Vocabulary
from recloop.progress import SILENT, Progress
from recloop.simulate.behaviour import FIXED_DRAWS, Reactions, Slates, Users
from recloop.simulate.client import Body, HttpClient, Visited
from recloop.simulate.log import HOUR, PAGE, search
from recloop.simulate.luck import luck_of
from recloop.simulate.memory import Memory
from recloop.simulate.truth import Worth
from recloop.simulate.visits import Visits, rounds, visits
from recloop.simulate.world import World

__all__ = ["HttpClient", "Traffic", "drive"]

WAVE = 2 * HOUR  # visits within so much simulated time are under way together
PAGES = 3  # slates of a session, at most


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happened while simulated users visited a service.

    Attributes:
        slates: one row per slate: decision, user, variant, policy, time, page, clicks, purchases, satisfaction,
            abandoned, repeats (mean times that the items were seen before), and the true expectations of the slate at
            that moment: slate_ctr, ctr, purchases_per_slate, revenue_per_slate.
        users, sessions, events, comments: how many.
        churned: users who left for good.
        latencies: (n,) seconds of each answer.
        retries: how often something was sent again.
        seconds: it took, by the wall.
    """

    slates: pl.DataFrame
    users: int
    sessions: int
    events: int
    comments: int
    churned: int
    latencies: NDArray[np.float64]
    retries: int
    seconds: float

    def by_variant(self) -> pl.DataFrame:
        """What each variant truly gave its users: users, slates, and the mean over slates of the true expectations."""
        return (
            self.slates.lazy()
            .group_by("variant")
            .agg(
                pl.col("user").n_unique().alias("users"),
                pl.len().alias("slates"),
                (pl.col("clicks") > 0).mean().alias("clicked"),
                pl.col(*Worth._fields, "satisfaction", "repeats").mean(),
            )
            .sort("variant")
            .collect()
        )


def drive(
    world: World,
    client: Visited,
    *,
    days: int = 7,
    users: Users | None = None,
    start: float | None = None,
    memory: Memory | None = None,
    k: int = 10,
    surface: str = "home",
    seed: int | None = None,
    progress: Progress = SILENT,
) -> Traffic:
    """Let the users of a world visit a service over some simulated days, as fast as it answers.

    Each visit begins with the page of an item that the user searched for (``view``); then come up to three slates. The
    user's events (``click``, ``purchase``, ``rating``; with the decision's id) are kept before the next slate is asked
    for. Comments go to the feedback route. **Times are simulated:** every request and event carries ``time``, seconds
    on the clock of the world, which goes on where the log ended. Ids of events are made of the decision, the kind and
    the item: sent again, they count once.

    What a user does depends on the user, the number of the visit and the slate: not on the order in which a service
    answers, nor on other users. Visits near in time are under way together.

    Args:
        world: whose users come.
        client: where they go.
        days: how many simulated days; a user comes about every other day.
        users: (n,) which users come; all where None. Who left during the log does not come.
        start: seconds since 1970 at which the first day begins; the end of the log where None.
        memory: what users remember, changed in place; that of the log's end where None (a copy).
        k: places of a slate.
        surface: where the slates are shown, as the requests say.
        seed: of the users' luck; the world's where None.
        progress: told of visits.

    Raises:
        ServiceError: the service refused or did not answer.
    """
    started = time.perf_counter()
    entropy = np.random.SeedSequence([world.seed if seed is None else seed, 0x7261])  # apart from the world's own
    of_visits, of_luck = entropy.spawn(2)
    start = world.end if start is None else start
    plan = visits(world.population, start, days, np.random.default_rng(of_visits))
    mine = np.ones(len(plan), dtype=bool) if users is None else np.isin(plan.user, users)
    memory = world.past.memory.copy() if memory is None else memory
    there_before = int(memory.gone.sum())
    trip = _Trip(world, client, memory, plan, int(of_luck.generate_state(1, np.uint64)[0]), k, surface)
    waves = ((plan.time - start) // WAVE).astype(np.int64)
    order = np.flatnonzero(mine)
    bounds = np.flatnonzero(np.diff(waves[order], prepend=-1))
    answered = len(client.latencies)
    with progress.task("simulated visits", total=len(order)) as advance:
        for rows in np.split(order, bounds[1:]):
            for turn in rounds(plan.user[rows]):
                trip.visit(rows[turn])
                advance(len(turn))
    slates = trip.slates()
    return Traffic(
        slates=slates,
        users=slates["user"].n_unique(),
        sessions=trip.sessions,
        events=trip.events,
        comments=trip.comments,
        churned=int(memory.gone.sum()) - there_before,
        latencies=np.array(client.latencies[answered:]),
        retries=client.retries,
        seconds=time.perf_counter() - started,
    )


class _Trip:
    """One drive: the world, the service, and what has been counted so far."""

    def __init__(
        self, world: World, client: Visited, memory: Memory, plan: Visits, seed: int, k: int, surface: str
    ) -> None:
        self.world, self.client, self.memory, self.plan = world, client, memory, plan
        self.seed, self.k, self.surface = seed, k, surface
        self.items = Vocabulary(world.items["item"].to_list())
        self.ids = world.users["user"].to_list()
        known = ("age", "gender", "device")
        self.profiles = [dict(zip(known, map(str, row), strict=True)) for row in world.users.select(known).rows()]
        self.sessions = self.events = self.comments = 0
        self.parts: list[pl.DataFrame] = []

    def visit(self, rows: NDArray[np.int64]) -> None:
        """Visits of different users, side by side, from the search to the last slate."""
        rows = rows[~self.memory.gone[self.plan.user[rows]]]
        self.sessions += len(rows)
        self._search(rows)
        for page in range(1, PAGES + 1):
            if not len(rows):
                return
            rows = rows[~self._page(rows, page).left]

    def _search(self, rows: NDArray[np.int64]) -> None:
        users, times = self.plan.user[rows], self.plan.time[rows]
        luck = luck_of(self.seed, 1, users, self.plan.nth[rows], 0)[:, 0]
        found = search(self.world.behaviour, users, luck)
        events = [
            {
                "id": f"{self.ids[user]}:{nth}:view:{self.items[item]}",
                "user": self.ids[user],
                "item": self.items[item],
                "kind": "view",
                "time": at,
            }
            for user, item, nth, at in zip(
                users.tolist(), found.tolist(), self.plan.nth[rows].tolist(), times.tolist(), strict=True
            )
        ]
        self._send(events)

    def _page(self, rows: NDArray[np.int64], page: int) -> Reactions:
        """One slate for each visit, from the request to the events."""
        behaviour, users = self.world.behaviour, self.plan.user[rows]
        times = self.plan.time[rows] + PAGE * page
        answers = self.client.recommend(
            [
                {
                    "user": self.ids[user],
                    "k": self.k,
                    "surface": self.surface,
                    "profile": self.profiles[user],
                    "time": at,
                }
                for user, at in zip(users.tolist(), times.tolist(), strict=True)
            ]
        )
        slates = self._indices(answers)
        luck = luck_of(self.seed, 4 * self.k + FIXED_DRAWS, users, self.plan.nth[rows], page)
        worth = self.world.truth.worth(users, slates, self.memory)
        repeats = self.memory.repeats(users, slates)
        reactions = behaviour.react(users, slates, luck, self.memory)
        behaviour.remember(users, slates, reactions, self.memory)
        self._tell(answers, users, slates, times, reactions)
        self._note(answers, users, slates, times, page, reactions, worth, repeats)
        return reactions

    def _indices(self, answers: Sequence[Body]) -> Slates:
        """(n, k) the items shown; an item that the world does not know is an empty place."""
        slates = np.full((len(answers), self.k), -1, dtype=np.int64)
        for row, answer in enumerate(answers):
            shown = self.items.indices([entry["item"] for entry in answer["items"][: self.k]])
            slates[row, : len(shown)] = shown
        return slates

    def _tell(
        self,
        answers: Sequence[Body],
        users: Users,
        slates: Slates,
        times: NDArray[np.float64],
        reactions: Reactions,
    ) -> None:
        """Send what the users did and said."""
        price = self.world.catalogue.price
        events: list[Body] = []
        for kind, happened, delay in (
            ("click", reactions.clicks, 5.0),
            ("purchase", reactions.purchases, 50.0),
            ("rating", ~np.isnan(reactions.ratings), HOUR),
        ):
            for row, place in zip(*(axis.tolist() for axis in np.nonzero(happened)), strict=True):
                item, decision = self.items[slates[row, place]], answers[row]["decision"]
                event: dict[str, Any] = {
                    "id": f"{decision}:{kind}:{item}",
                    "user": self.ids[users[row]],
                    "item": item,
                    "kind": kind,
                    "time": float(times[row]) + delay + 7.0 * place,
                    "decision": decision,
                }
                if kind == "purchase":
                    event["value"] = float(price[slates[row, place]])
                elif kind == "rating":
                    event["value"] = float(reactions.ratings[row, place])
                events.append(event)
        said: list[Body] = [
            {
                "id": f"{answers[row]['decision']}:comment",
                "user": self.ids[users[row]],
                "kind": "comment",
                "text": reactions.comments[row],
                "decision": answers[row]["decision"],
                "time": float(times[row]) + PAGE,
            }
            for row in np.flatnonzero(reactions.aspect >= 0).tolist()
        ]
        self._send(events)
        self.client.send_feedback(said)
        self.comments += len(said)

    def _send(self, events: Sequence[Body]) -> None:
        self.client.send_events(events)
        self.events += len(events)

    def _note(
        self,
        answers: Sequence[Body],
        users: Users,
        slates: Slates,
        times: NDArray[np.float64],
        page: int,
        reactions: Reactions,
        worth: Worth,
        repeats: NDArray[np.int64],
    ) -> None:
        shown = np.maximum((slates >= 0).sum(axis=1), 1)
        self.parts.append(
            pl.DataFrame(
                {
                    "decision": [answer["decision"] for answer in answers],
                    "user": [self.ids[user] for user in users.tolist()],
                    "variant": [answer.get("variant", "") for answer in answers],
                    "policy": [answer.get("policy", "") for answer in answers],
                    "time": times,
                    "page": np.full(len(users), page, dtype=np.int32),
                    "clicks": reactions.clicks.sum(axis=1).astype(np.int32),
                    "purchases": reactions.purchases.sum(axis=1).astype(np.int32),
                    "satisfaction": reactions.satisfaction,
                    "abandoned": reactions.abandoned,
                    "repeats": repeats.sum(axis=1) / shown,
                    **worth._asdict(),
                },
                schema=SCHEMA,
            )
        )

    def slates(self) -> pl.DataFrame:
        """All slates so far, in the order of time."""
        return pl.concat(self.parts).sort("time", "user") if self.parts else pl.DataFrame(schema=SCHEMA)


SCHEMA = {
    "decision": pl.String,
    "user": pl.String,
    "variant": pl.String,
    "policy": pl.String,
    "time": pl.Float64,
    "page": pl.Int32,
    "clicks": pl.Int32,
    "purchases": pl.Int32,
    "satisfaction": pl.Float32,
    "abandoned": pl.Boolean,
    "repeats": pl.Float64,
    **dict.fromkeys(Worth._fields, pl.Float64),
}
