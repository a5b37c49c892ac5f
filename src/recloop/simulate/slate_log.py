"""Made-up slate logs in the making: users, slates and the chances that decide what happens on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

DAY = 86_400.0
START = 20_393 * DAY  # 1 November 2025, 00:00 UTC
PLACES = 10
PROVIDERS = tuple(f"p{n}" for n in range(12))
COMPLAINTS = ("cards do not open", "nothing happens when I tap a card", "cards stay blank, do not open")
SMALL_TALK = ("nice picks today", "more of this please", "not for me", "okay", "found a gift quickly", "too many ads")

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Planted:
    """One made-up log and what is true of it.

    Attributes:
        name: of the world.
        slates: one row per slate, as ``metrics.outcomes.slate_table`` makes it, with attributes beside.
        comments: id, user, time, text.
        exposures: provider → places shown, per slate: columns ``provider`` (a list) beside ``decision``; None without.
        events: user, item, time; None without.
        arms: treatment and control, where arms are compared.
        where: the slice that is hurt; empty for everywhere; None for a trap.
        metrics: any of which may be named as the primary problem.
        day: first day of the change, counted from the first; None where arms are compared.
        invalid: whether the data must be refused.
    """

    name: str
    slates: pl.DataFrame
    comments: pl.DataFrame
    where: Mapping[str, str] | None
    metrics: tuple[str, ...] = ()
    day: int | None = None
    arms: tuple[str, str] | None = None
    exposures: pl.DataFrame | None = None
    events: pl.DataFrame | None = None
    invalid: bool = False

    @property
    def trap(self) -> bool:
        """Whether nothing may be found."""
        return self.where is None and not self.invalid


@dataclass(slots=True)
class Draft:
    """A log in the making: every slate with the chances that decide what happens on it."""

    rng: np.random.Generator
    user: NDArray[np.int64]
    time: Floats
    columns: dict[str, NDArray[np.str_]]
    click: Floats
    latency: Floats
    repeats: Floats
    owned: Floats
    empty: Floats
    stars: Floats
    weights: Floats = field(default_factory=lambda: np.ones(len(PROVIDERS)))

    @property
    def day(self) -> NDArray[np.int64]:
        """(n,) days since the first."""
        return ((self.time - START) // DAY).astype(np.int64)

    def slice(self, where: Mapping[str, str]) -> Bools:
        """(n,) the slates of a slice."""
        found = np.ones(self.user.size, bool)
        for name, value in where.items():
            found &= self.columns[name] == value
        return found

    def keep(self, rows: Bools | NDArray[np.int64]) -> None:
        """Take these rows and leave the others out; a row may be taken several times."""
        self.user, self.time = self.user[rows], self.time[rows]
        self.columns = {name: one[rows] for name, one in self.columns.items()}
        for name in ("click", "latency", "repeats", "owned", "empty", "stars"):
            setattr(self, name, getattr(self, name)[rows])


@dataclass(frozen=True, slots=True)
class Truth:
    """What is planted; as in ``Planted``, with who complains, which provider is starved, how many push."""

    where: Mapping[str, str] | None
    metrics: tuple[str, ...] = ()
    day: int | None = None
    invalid: bool = False
    complaints: Bools | None = None
    starved: tuple[str, int, float] | None = None
    pushed: int | None = None


def draft(rng: np.random.Generator, slates: int, days: int) -> Draft:
    """A log in which nothing is wrong."""
    people = max(slates // 12, 20)
    activity = rng.lognormal(0, 0.8, people)
    n = rng.poisson(slates * activity / activity.sum())
    user = np.repeat(np.arange(people), n)
    time = START + rng.integers(0, days, user.size) * DAY + rng.uniform(6, 24, user.size) / 24 * DAY * 0.99

    def of(values: Mapping[str, float]) -> NDArray[np.str_]:
        shares = np.array(list(values.values()))
        return rng.choice(np.array(list(values)), people, p=shares / shares.sum())

    device = of({"android": 0.45, "ios": 0.3, "web": 0.25})
    app = np.where(device == "web", "web", rng.choice(["5.0", "5.1", "5.2"], people, p=[0.2, 0.5, 0.3]))
    each = {
        "device": device,
        "app": app,
        "region": of({"north": 0.35, "south": 0.25, "east": 0.2, "west": 0.2}),
        "gender": of({"f": 0.48, "m": 0.47, "x": 0.05}),
        "age": of({"18-24": 0.2, "25-39": 0.4, "40-59": 0.25, "60+": 0.15}),
        "tenure": of({"new": 0.15, "known": 0.85}),
    }
    columns = {key: one[user] for key, one in each.items()}
    columns["surface"] = rng.choice(np.array(["home", "detail"]), user.size, p=[0.7, 0.3])
    columns["variant"] = rng.choice(np.array(["control", "treatment"]), people)[user]
    taste = rng.lognormal(-0.18, 0.6, people)[user]
    weekday = 1 + 0.2 * np.sin(2 * np.pi * ((time // DAY) % 7) / 7) * np.where(columns["device"] == "web", 0.5, 1.0)
    return Draft(
        rng=rng, user=user, time=time, columns=columns,
        click=0.12 * taste * weekday * np.where(columns["surface"] == "home", 1.1, 0.8),
        latency=rng.gamma(8, 0.01, user.size),
        repeats=np.full(user.size, 0.10), owned=np.full(user.size, 0.02), empty=np.full(user.size, 0.004),
        stars=np.clip(rng.normal(3.9, 0.5, people)[user], 1, 5),
    )  # fmt: skip


def finished(name: str, draft: Draft, truth: Truth, *, arms: bool) -> Planted:
    """The log, drawn."""
    rng, n = draft.rng, draft.user.size
    empty = rng.random(n) < draft.empty
    shown = np.where(empty, 0, PLACES)
    clicked = (rng.random(n) < np.clip(draft.click, 0, 0.95)) & ~empty
    bought = clicked & (rng.random(n) < 0.12)
    rated = rng.random(n) < np.where(clicked, 0.15, 0.02)
    score = np.clip(np.round(draft.stars + rng.normal(0, 0.8, n)), 1, 5)
    release = np.where(draft.day >= (truth.day if truth.day is not None else 16), "v41", "v40")
    decision = np.char.add("d", np.arange(n).astype(str))
    frame = pl.DataFrame(
        {
            "decision": decision, "user": np.char.add("u", draft.user.astype(str)), "time": draft.time,
            **draft.columns, "release": release, "slates": np.ones(n, np.int64), "shown": shown,
            "repeats": rng.binomial(shown, np.clip(draft.repeats, 0, 1)),
            "owned": rng.binomial(shown, np.clip(draft.owned, 0, 1)),
            "fallbacks": (rng.random(n) < 0.003).astype(np.int64), "latency_sum": draft.latency,
            "clicked_slates": clicked.astype(np.int64), "purchases": bought.astype(np.int64),
            "ratings": rated.astype(np.int64), "rating_sum": np.where(rated, score, 0.0),
        }
    )  # fmt: skip
    return Planted(
        name=name,
        slates=frame.sort("time"),
        comments=_comments(draft, truth),
        where=truth.where,
        metrics=truth.metrics,
        day=None if arms else truth.day,
        arms=("treatment", "control") if arms else None,
        exposures=_exposures(draft, truth, decision, shown) if truth.starved else None,
        events=_events(draft, truth) if truth.pushed is not None else None,
        invalid=truth.invalid,
    )


def _comments(draft: Draft, truth: Truth) -> pl.DataFrame:
    rng, n = draft.rng, draft.user.size
    complains = np.zeros(n, bool) if truth.complaints is None else truth.complaints & (rng.random(n) < 0.03)
    at = np.flatnonzero(complains | (rng.random(n) < 0.004))
    text = np.where(complains[at], rng.choice(COMPLAINTS, at.size), rng.choice(SMALL_TALK, at.size))
    user, time = np.char.add("u", draft.user[at].astype(str)), draft.time[at] + 60
    return pl.DataFrame({"id": np.char.add("c", at.astype(str)), "user": user, "time": time, "text": text})


def _exposures(draft: Draft, truth: Truth, decision: NDArray[np.str_], shown: NDArray[np.int64]) -> pl.DataFrame:
    assert truth.starved is not None
    provider, day, factor = truth.starved
    weights = 1 / np.arange(2, len(PROVIDERS) + 2)
    after = np.where(np.array(PROVIDERS) == provider, factor, 1.0) * weights
    late = draft.day >= day
    parts = []
    for rows, chance in ((~late, weights), (late, after)):
        at = np.repeat(decision[rows], shown[rows])
        parts.append(
            pl.DataFrame({"decision": at, "provider": draft.rng.choice(PROVIDERS, at.size, p=chance / chance.sum())})
        )
    return pl.concat(parts)


def _events(draft: Draft, truth: Truth) -> pl.DataFrame:
    assert truth.pushed is not None
    assert truth.day is not None
    rng, n = draft.rng, draft.user.size
    item = np.char.add("i", np.minimum(rng.zipf(1.5, n), 200).astype(str))
    real = pl.DataFrame({"user": np.char.add("u", draft.user.astype(str)), "item": item, "time": draft.time})
    start = START + (truth.day + 0.4) * DAY
    fake = pl.DataFrame(
        {
            "user": np.char.add("fake", np.arange(truth.pushed).astype(str)),
            "item": np.full(truth.pushed, "i150"),
            "time": start + rng.uniform(0, 3000, truth.pushed),
        }
    )
    return pl.concat([real, fake])
