"""What simulated users ask for slates: a policy in this process, a running service, or nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recloop.compose.policy import Outcomes, Policy, State
from recloop.data.histories import Histories
from recloop.data.vocabulary import Vocabulary
from recloop.simulate.client import Body, Visited


@dataclass(frozen=True, slots=True)
class Asked:
    """n users who ask for a slate at the same time.

    Attributes:
        users: (n,) numbers in the crowd.
        histories: (n,) what they did so far, items by the index of the world.
        k: places.
        allowed: (n_items,) what may be shown; None for everything.
        rng: the policy's randomness.
    """

    users: NDArray[np.int64]
    histories: Histories
    k: int
    allowed: NDArray[np.bool_] | None
    rng: np.random.Generator


class Server(Protocol):
    """Who gives slates. The same users in the same mood meet every server."""

    def slates(self, asked: Asked) -> NDArray[np.int64]:
        """(n, k) item indices of the world, -1 for an empty place."""
        ...

    def told(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Which places (m,) of which rows (m,) of the last slates were clicked."""
        ...

    def picked(self, users: NDArray[np.int64], items: NDArray[np.integer], times: NDArray[np.float64]) -> None:
        """What users took without a slate."""
        ...

    def night(self) -> None:
        """A day is over: who learns, learns now."""
        ...


class Nothing:
    """No recommendations at all: what users do when left alone.

    >>> Nothing().slates(Asked(np.arange(2), Histories.of([[], []], 3), 4, None, np.random.default_rng(0))).shape
    (2, 4)
    """

    def slates(self, asked: Asked) -> NDArray[np.int64]:
        """Empty slates."""
        return np.full((len(asked.users), asked.k), -1, np.int64)

    def told(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Nobody listens."""

    def picked(self, users: NDArray[np.int64], items: NDArray[np.integer], times: NDArray[np.float64]) -> None:
        """Nobody listens."""

    def night(self) -> None:
        """Nobody learns."""


class InProcess:
    """A policy, asked in bulk by the same ``choose`` that a service calls; it learns every night from clicks.

    Args:
        policy: over items that may be others than the world's: those that the world does not know are not shown.
        items: the world's.
        hide_seen: leave out the items of each history.
    """

    def __init__(self, policy: Policy, items: Vocabulary, *, hide_seen: bool = True) -> None:
        self.policy, self.hide_seen = policy, hide_seen
        self.state: State = policy.initial_state()
        self._same = policy.items == items
        self._to_policy = policy.items.indices(items.ids).astype(np.int64)
        self._to_world = items.indices(policy.items.ids).astype(np.int64)
        self._arms: list[NDArray[np.object_]] = []
        self._rewards: list[NDArray[np.float64]] = []

    def slates(self, asked: Asked) -> NDArray[np.int64]:
        """(n, k) the policy's slates."""
        histories, allowed = asked.histories, asked.allowed
        if not self._same:
            histories = _renamed(histories, self._to_policy, len(self._to_world))
            open_ = self._to_world >= 0
            allowed = open_ if allowed is None else open_ & allowed[np.maximum(self._to_world, 0)]
        chosen = self.policy.choose(
            self.state, histories, asked.k, asked.rng, allowed=allowed, hide_seen=self.hide_seen
        )
        self._arms.append(chosen.arms)
        self._rewards.append(np.zeros(len(chosen)))
        items = chosen.rankings.items.astype(np.int64)
        return items if self._same else np.where(items >= 0, self._to_world[items], -1)

    def told(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> None:  # noqa: ARG002
        """A slate with a click is a success of its arm."""
        self._rewards[-1][rows] = 1.0

    def picked(self, users: NDArray[np.int64], items: NDArray[np.integer], times: NDArray[np.float64]) -> None:
        """The histories tell it."""

    def night(self) -> None:
        """Learn from the day's slates."""
        if self._arms and self.policy.arms != ("",):
            arms = np.concatenate(self._arms).tolist()
            self.state = self.policy.update(self.state, Outcomes(arms, np.concatenate(self._rewards)))
        self._arms, self._rewards = [], []


class OverHttp:
    """A running service, which keeps the users' histories itself.

    Args:
        client: of the service.
        users: the id of each number in the crowd.
        items: the world's.
        kind: of the events that are sent for what users take.
        surface: where the slates are shown, as the requests say.
        past: what each user did before, which the service does not know: sent with every request, as a shop that is
            new to the service does. None for nothing.
    """

    def __init__(
        self,
        client: Visited,
        users: Sequence[str],
        items: Vocabulary,
        *,
        kind: str = "click",
        surface: str = "home",
        past: Histories | None = None,
    ) -> None:
        self._past = [[] for _ in users] if past is None else self._bodies(past, items, kind)
        self.client, self.users, self.items, self.kind, self.surface = client, users, items, kind, surface
        self._answers: list[Body] = []
        self._asked: Asked | None = None

    @staticmethod
    def _bodies(past: Histories, items: Vocabulary, kind: str) -> list[list[dict[str, Any]]]:
        done = zip(past.items.tolist(), past.times.tolist(), strict=True)
        events = [{"item": items[item], "kind": kind} | _at(time) for item, time in done]
        return [events[start:stop] for start, stop in pairwise(past.indptr.tolist())]

    def slates(self, asked: Asked) -> NDArray[np.int64]:
        """(n, k) the service's slates."""
        times = asked.histories.now.tolist()
        bodies = [
            {"user": self.users[user], "k": asked.k, "surface": self.surface}
            | ({} if np.isnan(time) else {"time": time})
            | ({"history": self._past[user]} if self._past[user] else {})
            for user, time in zip(asked.users.tolist(), times, strict=True)
        ]
        self._answers, self._asked = self.client.recommend(bodies), asked
        found = np.full((len(bodies), asked.k), -1, np.int64)
        for row, answer in enumerate(self._answers):
            shown = self.items.indices([entry["item"] for entry in answer["items"][: asked.k]])
            found[row, : len(shown)] = shown
        return found

    def told(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Send the clicks, with the decision that each belongs to."""
        assert self._asked is not None
        events: list[dict[str, Any]] = []
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            answer = self._answers[row]
            event = {
                "id": f"{answer['decision']}:{self.kind}:{place}",
                "user": self.users[self._asked.users[row]],
                "item": answer["items"][place]["item"],
                "kind": self.kind,
                "decision": answer["decision"],
            }
            events.append(event | _at(float(self._asked.histories.now[row]) + 1.0 + place))
        self.client.send_events(events)

    def picked(self, users: NDArray[np.int64], items: NDArray[np.integer], times: NDArray[np.float64]) -> None:
        """Send what users found themselves."""
        self.client.send_events(
            [
                {
                    "id": f"{self.users[user]}:{time}:{self.kind}",
                    "user": self.users[user],
                    "item": self.items[item],
                    "kind": self.kind,
                }
                | _at(time)
                for user, item, time in zip(users.tolist(), items.tolist(), times.tolist(), strict=True)
            ]
        )

    def night(self) -> None:
        """A service learns by its own clock."""


def _at(time: float) -> dict[str, float]:
    return {} if np.isnan(time) else {"time": time}


def _renamed(histories: Histories, index: NDArray[np.int64], n_items: int) -> Histories:
    """The histories by another catalogue's indices; items that it lacks are left out."""
    items = index[histories.items]
    known = items >= 0
    counts = np.bincount(histories.rows[known], minlength=len(histories))
    return Histories(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=items[known].astype(np.int32),
        weights=histories.weights[known],
        times=histories.times[known],
        ratings=histories.ratings[known],
        now=histories.now,
        keys=histories.keys,
        n_items=n_items,
    )
