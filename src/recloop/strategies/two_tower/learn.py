"""Training of both towers: histories are split, what was taken away is told from other items by softmax."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories
from recloop.neural.recipe import Recipe
from recloop.progress import SILENT, Progress
from recloop.strategies.two_tower.towers import Towers, weigh

if TYPE_CHECKING:
    import torch

    from recloop.strategies.two_tower.network import Network

TAKEN = 0.3  # share of a history that is taken away and foretold from the rest
LEFT_OUT = 0.1  # share of items that training never asks for, to see how new ones would do
FEWEST = 3  # left-out items below which nothing can be seen
JUDGES = 500  # histories that judge
PLACES = 20


@dataclass(frozen=True, eq=False)
class Lessons:
    """Histories to learn from, and how batches are made of them.

    Attributes:
        histories: one per user.
        asked: (n_items,) bool: items that training may ask for.
        known: (n_items,) bool: items with an id.
        id_dropout: share of items whose ids a batch hides: those are told by their features, as new items are (Volkovs,
            Yu & Poutanen 2017, "DropoutNet: addressing cold start in recommender systems").
        candidates: items among which targets are told apart, at least; all where there are no more.
        batch: histories in a step.
        half_life: see ``weigh``.
    """

    histories: Histories
    asked: NDArray[np.bool_]
    known: NDArray[np.bool_]
    id_dropout: float
    candidates: int
    batch: int
    half_life: float | None

    @property
    def users(self) -> NDArray[np.int64]:
        """Whose histories hold something to ask for and something to ask from."""
        asked = np.bincount(self.histories.rows[self.asked[self.histories.items]], minlength=len(self.histories))
        return np.flatnonzero((asked > 0) & (self.histories.lengths > 1))

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.users) // self.batch)

    def epoch(self, rng: np.random.Generator) -> Iterator[dict[str, "torch.Tensor"]]:
        """The batches of one pass over the users."""
        order = rng.permutation(self.users)
        taken = np.bincount(self.histories.items[self.asked[self.histories.items]], minlength=len(self.asked))
        share = taken / max(1, taken.sum())
        for start in range(0, len(order), self.batch):
            yield self._batch(self.histories.take(order[start : start + self.batch]), share, rng)

    def _batch(
        self, histories: Histories, share: NDArray[np.float64], rng: np.random.Generator
    ) -> dict[str, "torch.Tensor"]:
        """One step.

        Items compete with candidates: all that may be asked for, or the targets of the batch and a uniform sample.
        The chance that a candidate is among them is taken from its logit (Yi et al. 2019, "Sampling-bias-corrected
        neural modeling for large corpus item recommendations", equation 3), so that the softmax is that over all.
        """
        import torch

        rows = histories.rows
        target = self.asked[histories.items] & (rng.random(len(rows)) < TAKEN)
        _at_least_one(target, self.asked[histories.items], histories, rng)
        rest = _only(histories, ~target)
        possible = np.flatnonzero(self.asked)
        log_chance = np.zeros(len(possible), np.float32)
        candidates = possible
        if len(possible) > self.candidates:
            wanted = np.unique(histories.items[target])
            drawn = rng.choice(possible, max(1, self.candidates - len(wanted)), replace=False)
            candidates = np.union1d(wanted, drawn)
            missed = (1 - len(drawn) / len(possible)) * (1 - share[candidates]) ** target.sum()
            log_chance = np.log(1 - missed).astype(np.float32)
        place = np.full(len(self.asked), -1)
        place[candidates] = np.arange(len(candidates))
        known = self.known & (rng.random(len(self.known)) >= self.id_dropout)
        weights = weigh(rest, self.half_life).tocoo()
        total = np.sqrt(np.maximum(np.bincount(weights.coords[0], weights.data, minlength=len(rest)), 1e-12))
        seen, event_place = np.unique(weights.coords[1], return_inverse=True)
        own = place[rest.items] >= 0
        hit = target & (place[histories.items] >= 0)
        per_row = np.bincount(rows[hit], minlength=len(histories))
        columns = {
            "rows": np.int64(len(histories)),
            "seen": seen.astype(np.int64),
            "seen_known": known[seen, None].astype(np.float32),
            "event_row": weights.coords[0].astype(np.int64),
            "event_place": event_place.astype(np.int64),
            "event_weight": (weights.data / total[weights.coords[0]]).astype(np.float32),
            "candidates": candidates.astype(np.int64),
            "candidates_known": known[candidates, None].astype(np.float32),
            "log_chance": log_chance,
            "hidden_row": rest.rows[own],
            "hidden_place": place[rest.items[own]].astype(np.int64),
            "target_row": rows[hit],
            "target_place": place[histories.items[hit]].astype(np.int64),
            "target_weight": (1 / per_row[rows[hit]]).astype(np.float32),
        }
        return {name: torch.as_tensor(column) for name, column in columns.items()}


@dataclass(frozen=True, eq=False)
class Exam:
    """Items to rank for users who took some of them.

    Attributes:
        histories: what the users are known by.
        items: (m,) the items to rank.
        took: (n, m) bool: what they took beside.
        new: whether the items are to be ranked as if nobody had touched them.
    """

    histories: Histories
    items: NDArray[np.int64]
    took: NDArray[np.bool_]
    new: bool

    def mark(self, towers: Towers) -> float:
        """Mean NDCG of the first ``PLACES``; 0 where there is nothing to rank."""
        if not self.took.size:
            return 0.0
        scores = towers.score(self.histories)
        scores[self.histories.rows, self.histories.items] = -np.inf
        order = np.argsort(-scores[:, self.items], axis=1, kind="stable")[:, :PLACES]
        gains = 1 / np.log2(np.arange(2, 2 + order.shape[1]))
        ideal = np.r_[0, np.cumsum(gains)][np.minimum(self.took.sum(axis=1), order.shape[1])]
        return float(((np.take_along_axis(self.took, order, axis=1) * gains).sum(axis=1) / ideal).mean())


@dataclass(frozen=True, eq=False)
class Plan:
    """Histories to learn from, and how what was learned is judged.

    Attributes:
        histories: one per user, each item once.
        asked: (n_items,) bool: items that training may ask for.
        exams: on items that it does not ask for, as new ones; and, with ids, on events of some users that neither the
            linear optimum nor training sees.
    """

    histories: Histories
    asked: NDArray[np.bool_]
    exams: tuple[Exam, ...]

    @classmethod
    def of(cls, histories: Histories, rng: np.random.Generator, *, ids: bool, features: bool) -> "Plan":
        """Hold out, with ``features``, a tenth of the items and, with ``ids``, events of a tenth of the users."""
        histories = _once(histories)
        asked = np.bincount(histories.items, minlength=histories.n_items) > 0
        exams = []
        if ids:
            long = np.flatnonzero(histories.lengths > 1)
            judges = np.sort(rng.permutation(long)[: min(JUDGES, int(LEFT_OUT * len(long)))])
            out = (rng.random(len(histories.items)) < TAKEN) & np.isin(histories.rows, judges)
            touched = np.bincount(histories.items[~out], minlength=histories.n_items) > 0
            out &= touched[histories.items]
            exams.append(_exam(histories, judges, out, np.flatnonzero(touched), new=False))
            histories, asked = _only(histories, ~out), touched
        new = rng.permutation(np.flatnonzero(asked))[: int(LEFT_OUT * asked.sum())]
        if features and len(new) >= FEWEST:
            asked[new] = False
            users = np.unique(histories.rows[~asked[histories.items]])
            judges = np.sort(rng.permutation(users)[:JUDGES])
            exams.append(_exam(histories, judges, ~asked[histories.items], np.sort(new), new=True))
        return cls(histories, asked, tuple(exam for exam in exams if len(exam.took)))


def learn(
    network: "Network",
    plan: Plan,
    known: NDArray[np.bool_],
    recipe: Recipe,
    *,
    id_dropout: float,
    candidates: int,
    half_life: float | None,
    key: str,
    progress: Progress = SILENT,
) -> tuple[Towers, bool]:
    """Train a network and give its towers; those of before, and False, where training passes the exams no better.

    Args:
        network: trained in place.
        plan: what to learn from.
        known: (n_items,) bool: items that have an id. Items that nobody touched are no examples of an unwanted item.
        recipe: how.
        id_dropout: see ``Lessons``.
        candidates: see ``Lessons``.
        half_life: see ``Lessons``.
        key: whatever the training depends on, beside the network.
        progress: who watches.
    """
    from recloop.neural.train import train

    lessons = Lessons(plan.histories, plan.asked, known, id_dropout, candidates, recipe.batch, half_life)

    def mark() -> float:
        marks = [exam.mark(network.towers(known & (plan.asked | (not exam.new)), half_life)) for exam in plan.exams]
        return float(np.mean(marks))

    network.eval()
    before: Towers = network.towers(known, half_life)
    passed = mark() if plan.exams else -np.inf
    if not lessons.steps:
        return before, False
    network.train()
    history = train(
        network,
        network.loss,
        lambda _epoch, rng: lessons.epoch(rng),
        recipe,
        steps=lessons.steps,
        validate=mark if plan.exams else None,
        key=json.dumps([key, network.fingerprint()]),
        progress=progress,
        description="two-tower",
    )
    if plan.exams and max(history.validations) <= passed:
        progress.note("two-tower: training ranked held-out items no better; the towers stay where they began")
        return before, False
    network.eval()
    after: Towers = network.towers(known, half_life)
    return after, True


def _exam(
    histories: Histories, judges: NDArray[np.int64], out: NDArray[np.bool_], items: NDArray[np.int64], *, new: bool
) -> Exam:
    """The judges whose history holds both what is out and what is not."""
    lost = np.bincount(histories.rows[out], minlength=len(histories))
    judges = judges[(lost[judges] > 0) & (lost[judges] < histories.lengths[judges])]
    took = _only(histories, out).take(judges).matrix()[:, items].toarray() > 0
    return Exam(_only(histories, ~out).take(judges), items, took, new)


def _at_least_one(
    target: NDArray[np.bool_], possible: NDArray[np.bool_], histories: Histories, rng: np.random.Generator
) -> None:
    """Every history asks for something and keeps something, in place."""
    lottery = np.where(possible, rng.random(len(target)), -1.0)
    order = np.lexsort((lottery, histories.rows))
    last = order[histories.indptr[1:] - 1]  # the one that may be asked for and drew best
    asks = np.add.reduceat(target, histories.indptr[:-1])
    target[last[asks == 0]] = True
    full = np.add.reduceat(target, histories.indptr[:-1]) == histories.lengths
    target[order[histories.indptr[:-1]][full]] = False


def _once(histories: Histories) -> Histories:
    """The last event with each item: what is taken away must not stay behind."""
    rows, items = histories.rows, histories.items
    order = np.lexsort((items, rows))
    kept = np.ones(len(items), bool)
    kept[order[:-1]] = (rows[order[1:]] != rows[order[:-1]]) | (items[order[1:]] != items[order[:-1]])
    return _only(histories, kept)


def _only(histories: Histories, kept: NDArray[np.bool_]) -> Histories:
    """The events that are kept."""
    indptr = np.r_[0, np.cumsum(kept)][histories.indptr].astype(np.int64)
    return Histories(
        indptr=indptr,
        items=histories.items[kept],
        weights=histories.weights[kept],
        times=histories.times[kept],
        ratings=histories.ratings[kept],
        now=histories.now,
        keys=histories.keys,
        n_items=histories.n_items,
    )
