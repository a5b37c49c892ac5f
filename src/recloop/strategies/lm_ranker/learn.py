"""Training of the ranker: clicks on lists of candidates, with the encoder frozen or learning, too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recloop.data.histories import Histories
from recloop.neural.recipe import Recipe
from recloop.neural.train import train
from recloop.progress import Progress
from recloop.strategies.lm_ranker.lists import Lists
from recloop.strategies.lm_ranker.network import CrossRanker, EncodedRanker, VectorRanker
from recloop.strategies.lm_ranker.pairs_of_texts import ItemTokens

VALIDATES = 0.15  # share of lists that are not learned from, and at most so many
MOST_VALIDATING = 1000
ROWS = 64  # pairs or lists that are judged at a time
RECENT = 10  # events of a history that an encoder learns by


Objective = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def clicks(logits: torch.Tensor, labels: torch.Tensor, context: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Cross-entropy of clicks."""
    return F.binary_cross_entropy_with_logits(logits, labels)


def ndcg(logits: NDArray[np.floating], labels: NDArray[np.floating], k: int = 10) -> float:
    """Mean NDCG@k of lists that have a click; NaN logits are no candidates."""
    clicked = labels.sum(axis=1) > 0
    if not clicked.any():
        return 0.0
    order = np.argsort(-np.where(np.isnan(logits), -np.inf, logits)[clicked], axis=1, kind="stable")[:, :k]
    gains = np.take_along_axis(labels[clicked], order, axis=1)
    discount = 1 / np.log2(np.arange(gains.shape[1]) + 2)
    ideal = np.array([discount[: int(count)].sum() for count in range(labels.shape[1] + 1)])
    return float(((gains * discount).sum(axis=1) / ideal[labels[clicked].sum(axis=1).astype(int)]).mean())


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned from.

    Attributes:
        lists: n lists.
        labels: (n, c).
        histories: n of them.
        recipe: how.
        key: of the training.
        progress: who watches.
        negatives: candidates without a click beside one with a click, where the encoder learns; they stand for all.
        objective: (outputs, labels, context) of candidates → what is minimised.
        worth: (outputs, labels) of validating lists, NaN where there is no candidate → higher is better.
    """

    lists: Lists
    labels: NDArray[np.float32]
    histories: Histories
    recipe: Recipe
    key: str
    progress: Progress
    negatives: int = 7
    objective: Objective = clicks
    worth: Callable[[NDArray[np.float64], NDArray[np.float32]], float] = ndcg

    def parts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lists to learn from and lists to validate by, by the recipe's seed; those without a click teach nothing of
        what sets one candidate above another, but they do teach how rare clicks are: they are in both.
        """
        n = len(self.labels)
        order = np.random.default_rng(np.random.SeedSequence(self.recipe.seed).spawn(1)[0]).permutation(n)
        held = min(MOST_VALIDATING, int(n * VALIDATES))
        return np.sort(order[held:]), np.sort(order[:held])


def _drawn(
    labels: NDArray[np.float32], there: NDArray[np.bool_], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(n, most + 1) places of candidates: those with a click first, the rest drawn."""
    keys = rng.random(labels.shape) - labels - 2.0 * (labels > 0) + 3.0 * ~there
    return np.argsort(keys, axis=1)[:, : most + 1]


def learn_vectors(task: Task, network: VectorRanker, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Train a ranker of vectors that stay as they are; gives the logits (v, c) of the validating lists."""
    lists, labels = task.lists, task.labels
    fit, held = task.parts()
    table = torch.from_numpy(vectors)
    there = torch.from_numpy(lists.items >= 0)
    items = torch.from_numpy(np.maximum(lists.items, 0).astype(np.int64))
    users, context, wanted = (torch.from_numpy(array) for array in (lists.users, lists.context, labels))
    steps = max(1, -(-len(fit) // task.recipe.batch))

    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for rows in np.array_split(rng.permutation(fit), steps):
            chosen = torch.from_numpy(rows)
            yield users[chosen], table[items[chosen]], context[chosen], wanted[chosen], there[chosen]

    def loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        u, v, c, y, known = batch
        return task.objective(network(u, v, c)[known].float(), y[known], c[known])

    def judge() -> NDArray[np.float64]:
        device = next(network.parameters()).device
        parts = []
        with torch.no_grad():
            for rows in np.array_split(held, max(1, len(held) // ROWS)):
                given = (users[rows], table[items[rows]], context[rows])
                parts.append(network(*(entry.to(device) for entry in given)).float().cpu().numpy())
        return _masked(np.concatenate(parts).astype(np.float64), lists.items[held])

    _train(task, network, loss, batches, steps, lambda: task.worth(judge(), labels[held]), bool(len(held)))
    return judge() if len(held) else np.empty((0, labels.shape[1]))


def learn_texts(
    task: Task, network: CrossRanker, tokens: ItemTokens, events: int, whole: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Train a ranker that reads texts; gives the logits (v, c) of the validating lists ``whole``."""
    lists, labels = task.lists, task.labels
    fit, _ = task.parts()
    fit = fit[labels[fit].sum(axis=1) > 0]
    steps = max(1, -(-len(fit) // task.recipe.batch))
    few = min(task.negatives, labels.shape[1] - 1)

    def given(rows: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        items = np.take_along_axis(lists.items[rows], places, axis=1)
        owner = np.repeat(np.arange(len(rows)), places.shape[1])
        ids, mask = tokens.pairs(task.histories.take(rows), owner, np.maximum(items, 0).ravel(), events)
        context = np.take_along_axis(lists.context[rows], places[..., None], axis=1).reshape(len(owner), -1)
        wanted = np.take_along_axis(labels[rows], places, axis=1).ravel()
        return tuple(torch.from_numpy(array) for array in (ids, mask, context, wanted, items.ravel() >= 0))

    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for rows in np.array_split(rng.permutation(fit), steps):
            yield given(rows, _drawn(labels[rows], lists.items[rows] >= 0, few, rng))

    def loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        ids, mask, context, y, known = batch
        return task.objective(network(ids, mask, context)[known].float(), y[known], context[known])

    def judge() -> NDArray[np.float64]:
        device = next(network.parameters()).device
        parts = []
        with torch.no_grad():
            for row in whole:
                places = np.arange(labels.shape[1])[None]
                entries = given(np.array([row]), places)[:3]
                parts.append(network(*(entry.to(device) for entry in entries)).float().cpu().numpy())
        return _masked(np.stack(parts).astype(np.float64), lists.items[whole])

    _train(task, network, loss, batches, steps, lambda: task.worth(judge(), labels[whole]), bool(len(whole)))
    return judge() if len(whole) else np.empty((0, labels.shape[1]))


def learn_encoder(
    task: Task, network: EncodedRanker, ids: NDArray[np.int64], mask: NDArray[np.int64], half_life: float
) -> NDArray[np.float32]:
    """Train ranker and encoder together; gives the vectors (n_items, d) of all items by the trained encoder.

    Args:
        task: what is learned from; its lists' user vectors are not looked at.
        network: both.
        ids: (n_items, length) tokens of the items.
        mask: likewise.
        half_life: of events.
    """
    lists, labels = task.lists, task.labels
    fit, held = task.parts()
    fit = fit[labels[fit].sum(axis=1) > 0]
    steps = max(1, -(-len(fit) // task.recipe.batch))
    few = min(task.negatives, labels.shape[1] - 1)

    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for rows in np.array_split(rng.permutation(fit), steps):
            places = _drawn(labels[rows], lists.items[rows] >= 0, few, rng)
            items = np.take_along_axis(lists.items[rows], places, axis=1)
            told = task.histories.take(rows).recent(RECENT)
            used, place = np.unique(np.concatenate([np.maximum(items, 0).ravel(), told.items]), return_inverse=True)
            taken = np.zeros((len(rows), len(used)), np.float32)
            later = np.repeat(told.indptr[1:], told.lengths) - 1 - np.arange(len(told.items))
            np.add.at(taken, (told.rows, place[items.size :]), told.weights * 0.5 ** (later / half_life))
            context = np.take_along_axis(lists.context[rows], places[..., None], axis=1)
            wanted = np.take_along_axis(labels[rows], places, axis=1)
            widest = max(1, int(mask[used].sum(axis=1).max()))
            arrays = (ids[used, :widest], mask[used, :widest], taken, place[: items.size].reshape(items.shape))
            yield tuple(torch.from_numpy(array) for array in (*arrays, context, wanted, items >= 0))

    def loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        tokens, seen, taken, place, context, wanted, known = batch
        return task.objective(
            network(tokens, seen, taken, place, context)[known].float(), wanted[known], context[known]
        )

    def judge() -> float:
        vectors = network.vectors(ids, mask)
        given = lists.again(task.histories, vectors, half_life)
        device = next(network.parameters()).device
        parts = []
        for rows in np.array_split(held, max(1, len(held) // ROWS)):
            arrays = (given.users[rows], vectors[np.maximum(lists.items[rows], 0)], given.context[rows])
            parts.append(
                network.ranker(*(torch.from_numpy(array).to(device) for array in arrays)).float().cpu().numpy()
            )
        return task.worth(_masked(np.concatenate(parts).astype(np.float64), lists.items[held]), labels[held])

    _train(task, network, loss, batches, steps, judge, bool(len(held)))
    return network.vectors(ids, mask)


def _train(
    task: Task,
    network: nn.Module,
    loss: Callable[[tuple[torch.Tensor, ...]], torch.Tensor],
    batches: Callable[[int, np.random.Generator], Iterator[tuple[torch.Tensor, ...]]],
    steps: int,
    validate: Callable[[], float],
    validates: bool,
) -> None:
    train(
        network,
        loss,
        batches,
        task.recipe,
        steps=steps,
        validate=validate if validates else None,
        key=task.key,
        progress=task.progress,
        description="lm-ranker",
    )


def _masked(logits: NDArray[np.float64], items: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.where(items >= 0, logits, np.nan)
