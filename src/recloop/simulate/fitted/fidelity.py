"""How far a fitted simulator is from the log that it was fitted on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.histories import Histories
from recloop.simulate.clicks.model import DRAWS
from recloop.simulate.clicks.model import curve as click_curve
from recloop.simulate.fitted.drive import drawn
from recloop.simulate.fitted.world import FittedWorld

USERS = 600
LONGEST = 400  # events of a simulated history
TOP = 100  # the most popular items, whose pairs are compared
EXPECTED = 2.0  # times that a pair is to be expected by chance, at least, to be compared


@dataclass(frozen=True, slots=True)
class Measure:
    """One distance or agreement.

    Attributes:
        name: in words; meaning: in a sentence.
        value: simulated against real.
        floor: real against real, other users: what no simulator can do better than. NaN where there is none.
        better: "low" or "high".
    """

    name: str
    meaning: str
    value: float
    floor: float
    better: str


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A simulated log beside the real one.

    Attributes:
        measures: numbers, each with its floor.
        shares: (3, n) share of events of the items in the order of the real log: real, simulated, and other real users.
        lengths: events of real and of simulated histories.
        pairs: (m, 2) log lifts of pairs of items in one history, real and simulated; ``steps``: the same for items
            right after each other.
        curve: (k, 2) click rate by place, of the log and simulated on its slates; None without slates.
        users: of each log.
    """

    measures: tuple[Measure, ...]
    shares: NDArray[np.float64]
    lengths: tuple[NDArray[np.int64], NDArray[np.int64]]
    pairs: NDArray[np.float64]
    steps: NDArray[np.float64]
    curve: NDArray[np.float64] | None
    users: int

    def measure(self, name: str) -> Measure:
        """A measure by name."""
        return next(one for one in self.measures if one.name == name)


def fidelity(world: FittedWorld, *, rng: np.random.Generator, users: int = USERS) -> Fidelity:
    """Simulate the histories of as many newcomers as there are real users in a sample, and compare.

    The floor beside each number is the same distance between two samples of real users: a simulator that reaches it
    cannot be told from the data by that number.

    Args:
        world: fitted.
        rng: who is compared, and the simulated users' luck.
        users: of each sample; at most half of the log's.
    """
    whole = world.dataset.histories()
    able = rng.permutation(np.flatnonzero(whole.lengths > 0))
    n = min(users, len(able) // 2)
    real, other = (whole.take(np.sort(rows)).recent(LONGEST) for rows in (able[:n], able[n : 2 * n]))
    made = simulated_histories(world, n, rng)
    shares = np.stack([_shares(one) for one in (real, made, other)])
    top = np.argsort(-world.preferences.fame, kind="stable")[:TOP]
    pairs = _compare(_together, real, made, other, top)
    steps = _compare(_in_a_row, real, made, other, top)
    lengths = [one.lengths for one in (real, made, other)]
    likelihood = world.preferences.likelihood
    measures = [
        Measure("popularity", "share of events that would have to move to other items (total variation)",
                _moved(shares[0], shares[1]), _moved(shares[0], shares[2]), "low"),
        Measure("history length", "greatest gap between the distributions (Kolmogorov-Smirnov)",
                _gap(lengths[0], lengths[1]), _gap(lengths[0], lengths[2]), "low"),
        Measure("items of one history", "correlation of log lifts of pairs", pairs[1], pairs[2], "high"),
        Measure("items in a row", "correlation of log lifts of neighbours", steps[1], steps[2], "high"),
        Measure("held-out likelihood", "nats per event above popularity, on events that fitted nothing",
                likelihood.model - likelihood.popularity, float("nan"), "high"),
    ]  # fmt: skip
    curve = None
    if world.dataset.slates is not None and world.judged is not None:
        curve, gap, floor = _curves(world, rng)
        measures.append(
            Measure("clicks by place", "mean gap of click rates, relative to their mean", gap, floor, "low")
        )
    return Fidelity(tuple(measures), shares[:, np.argsort(-shares[0], kind="stable")], (lengths[0], lengths[1]),
                    pairs[0], steps[0], curve, n)  # fmt: skip


def simulated_histories(world: FittedWorld, n: int, rng: np.random.Generator) -> Histories:
    """Histories of ``n`` newcomers who take items one after another by their preferences.

    Each resembles a user of the log in taste, and draws its number of events from the fitted distribution.
    """
    preferences = world.preferences
    tastes = preferences.users[rng.integers(len(preferences.users), size=n)]
    most = LONGEST if preferences.repeats else min(LONGEST, len(preferences.items) - 1)
    lengths = np.minimum(world.activity.draw_lengths(n, rng), most)
    order = np.argsort(-lengths, kind="stable")
    tastes, lengths = tastes[order], lengths[order]
    base = preferences.utility(tastes, np.full(n, -1))
    items, last = np.full((n, int(lengths[0])), -1, np.int32), np.full(n, -1)
    alone = replace(preferences, weights=preferences.weights * np.array([0.0, 0.0, 1.0]))
    weight = np.float32(alone.weights[2])
    for step in range(int(lengths[0])):  # over events of one history; users side by side
        alive = int(np.searchsorted(-lengths, -step))
        utility = base[:alive].copy()
        rows, after, lift = preferences.after.entries(last[:alive])
        utility[rows, after] += weight * lift
        taken = drawn(utility, rng.random(alive))
        items[:alive, step], last[:alive] = taken, taken
        if not preferences.repeats:
            base[np.arange(alive), taken] = -np.inf
    return _histories(items, lengths, len(preferences.items))


def _histories(items: NDArray[np.int32], lengths: NDArray[np.int64], n_items: int) -> Histories:
    flat = items[np.arange(items.shape[1]) < lengths[:, None]]
    empty = Histories.of([[]] * len(lengths), n_items)
    nothing = np.full(len(flat), np.nan)
    return replace(
        empty,
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=flat,
        weights=np.ones(len(flat), np.float32),
        times=nothing,
        ratings=nothing.astype(np.float32),
    )


def _shares(histories: Histories) -> NDArray[np.float64]:
    counts = np.bincount(histories.items, minlength=histories.n_items).astype(np.float64)
    return np.asarray(counts / max(1.0, counts.sum()))


def _gap(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """The Kolmogorov-Smirnov statistic of two samples."""
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    return float(np.abs(np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)).max())


def _moved(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    return float(np.abs(one - two).sum() / 2)


def _together(histories: Histories, top: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times that pairs of items share a history, and what chance would give."""
    X = histories.matrix()[:, top]
    X.data = np.ones_like(X.data)
    counts = (X.T @ X).toarray().astype(np.float64)
    alone = np.diag(counts).copy()
    return counts, alone[:, None] * alone / max(1, len(histories))


def _in_a_row(histories: Histories, top: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times that one item comes within three places after another, and what chance would give."""
    place = np.full(histories.n_items, -1)
    place[top] = np.arange(len(top))
    where, rows = place[histories.items], histories.rows
    counts = np.zeros((len(top), len(top)))
    for apart in (1, 2, 3):
        a, b = where[:-apart], where[apart:]
        kept = (a >= 0) & (b >= 0) & (rows[:-apart] == rows[apart:])
        ones = (np.ones(int(kept.sum())), (a[kept], b[kept]))
        counts += sparse.coo_array(ones, shape=counts.shape).toarray()
    out, into = counts.sum(axis=1), counts.sum(axis=0)
    return counts, out[:, None] * into / max(1.0, counts.sum())


def _compare(
    count: object, real: Histories, made: Histories, other: Histories, top: NDArray[np.int64]
) -> tuple[NDArray[np.float64], float, float]:
    """The log lifts of real and simulated pairs, their correlation, and that of two real samples."""
    assert callable(count)
    lifts, enough = [], np.ones((len(top), len(top)), bool)
    for histories in (real, made, other):
        counts, chance = count(histories, top)
        lifts.append(np.log((counts + 0.5) / (chance + 0.5)))
        enough &= chance >= EXPECTED
    enough &= ~np.eye(len(top), dtype=bool)
    a, b, c = (lift[enough] for lift in lifts)
    return np.stack([a, b], axis=1), _correlation(a, b), _correlation(a, c)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if len(a) < 3 or not a.std() or not b.std():
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _curves(world: FittedWorld, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, float]:
    """Click rates by place: of the log, and simulated on its slates; their gap, and that of two halves of the log."""
    from scipy.special import expit

    log = world.dataset.slates
    assert log is not None
    nobody = np.full(len(log), -1)
    pull = expit(world.pull(world.preferences.users[log.users], world.level[log.users], log.items, nobody))
    clicks = world.clicks.draw(log.items, pull, rng.random((len(log), DRAWS * log.k)))
    real, made = click_curve(log), click_curve(replace(log, clicks=clicks))
    half = rng.permutation(len(log)) < len(log) // 2
    one, two = click_curve(log.take(half)), click_curve(log.take(~half))
    level = float(np.nanmean(real))
    # two halves differ by twice the noise that the whole has
    return (
        np.stack([real, made], axis=1),
        float(np.nanmean(np.abs(real - made)) / level),
        float(np.nanmean(np.abs(one - two)) / level / 2),
    )


__all__ = ["Fidelity", "Measure", "fidelity", "simulated_histories"]
