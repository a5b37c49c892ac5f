"""A ranker of texts in fewer bytes: taught by the large one, with parts taken out, in whole numbers."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.language.compress.prune import keep_heads, keep_inner, keep_layers, keep_words
from recloop.language.finetune.network import layers_of
from recloop.neural.export import restore
from recloop.neural.graph import Graph
from recloop.neural.recipe import Recipe
from recloop.neural.train import train
from recloop.progress import Progress
from recloop.strategies.lm_ranker.build import cross_ranker
from recloop.strategies.lm_ranker.lists import Lists
from recloop.strategies.lm_ranker.network import CrossRanker
from recloop.strategies.lm_ranker.pairs_of_texts import ItemTokens

if TYPE_CHECKING:
    from recloop.strategies.lm_ranker.strategy import LmRanker

USERS = 2000  # whose histories the teacher is asked about, at most
PAIRS = 64  # in a step
CANDIDATES = 8  # of a list in it
STEPS, EPOCHS = 80, 3
RATE = 5e-4


@dataclass(frozen=True)
class Shape:
    """Of a student: layers of the teacher's that it starts from, shares of inner units and heads that stay."""

    layers: int
    inner: float = 1.0
    heads: float = 1.0


def students(ranker: "LmRanker", dataset: Dataset, progress: Progress) -> Iterator[tuple[ItemTokens, Graph]]:
    """Tokens and graphs of smaller rankers, the smallest first; the last is the teacher itself in whole numbers.

    Words that no item of the catalogue has are taken out of all of them: only texts of items are ever read.
    """
    tokens, teacher = ranker._tokens, teacher_of(ranker)
    assert tokens is not None
    used = np.unique(np.concatenate([[0, tokens.first, tokens.between], tokens.tokens]))
    cut = ItemTokens(
        tokens=np.searchsorted(used, tokens.tokens).astype(np.int32),
        indptr=tokens.indptr,
        first=int(np.searchsorted(used, tokens.first)),
        between=int(np.searchsorted(used, tokens.between)),
    )
    keep_words(teacher.encoder.model, used)
    depth = len(layers_of(teacher.encoder.model))
    for shape in dict.fromkeys(
        (Shape(max(1, depth // 3), 0.5, 0.5), Shape(max(1, depth // 3)), Shape(max(1, depth // 2)))
    ):
        student = copy.deepcopy(teacher)
        keep_layers(student.encoder.model, shape.layers)
        if shape.inner < 1:
            keep_inner(student.encoder.model, shape.inner)
            keep_heads(student.encoder.model, shape.heads)
        teach(ranker, dataset, teacher, student, cut, shape, progress)
        yield cut, student.graph().quantised()
    yield cut, teacher.graph().quantised()


def teacher_of(ranker: "LmRanker") -> CrossRanker:
    """The trained network, made again from what is served."""
    assert ranker._graph is not None
    network = cross_ranker(ranker)
    restore(network, ranker._graph)
    return network


def teach(
    ranker: "LmRanker",
    dataset: Dataset,
    teacher: CrossRanker,
    student: CrossRanker,
    tokens: ItemTokens,
    shape: Shape,
    progress: Progress,
) -> None:
    """Train a student to give the teacher's logits, from vectors that point where the teacher's do.

    Logits as Hinton, Vinyals & Dean 2015; vectors as Sanh et al. 2019, "DistilBERT", section 2. The lists are those
    of the base strategy for the beginnings of histories: more of them than anybody clicked on, and no label is needed.
    """
    histories, lists = _asked(ranker, dataset)
    scale = _spread(ranker, histories, lists)
    device = next(student.parameters()).device

    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for _ in range(STEPS):
            rows = rng.integers(len(histories), size=max(1, PAIRS // CANDIDATES))
            places = rng.integers(lists.items.shape[1], size=(len(rows), CANDIDATES))
            items = np.take_along_axis(lists.items[rows], places, axis=1)
            context = np.take_along_axis(lists.context[rows], places[..., None], axis=1)
            owner = np.repeat(np.arange(len(rows)), CANDIDATES)
            ids, mask = tokens.pairs(histories.take(rows), owner, np.maximum(items, 0).ravel(), ranker.events)
            yield tuple(torch.from_numpy(array) for array in (ids, mask, context.reshape(len(owner), -1)))

    def loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        ids, mask, context = batch
        with torch.no_grad():
            teacher.to(ids.device)
            told = teacher.pooled(ids, mask)
            wanted = teacher.head(told, context)
        said = student.pooled(ids, mask)
        near = 1 - F.cosine_similarity(said, told).mean()
        return ((student.head(said, context) - wanted) ** 2).mean() / scale + near

    recipe = Recipe(epochs=EPOCHS, batch=PAIRS, learning_rate=RATE, seed=ranker.seed)
    key = json.dumps([ranker.name, ranker.config(), dataset.fingerprint, vars(shape), _digest(ranker)])
    train(student, loss, batches, recipe, steps=STEPS, key=key, progress=progress, description=f"distil {shape.layers}")
    teacher.to(device).eval()


def _asked(ranker: "LmRanker", dataset: Dataset) -> tuple[Histories, Lists]:
    """Beginnings of histories, and the candidates of the base strategy for them."""
    rng = np.random.default_rng(np.random.SeedSequence(ranker.seed).spawn(2)[1])
    whole = dataset.histories()
    able = np.flatnonzero(whole.lengths > 0)
    rows = np.sort(rng.choice(able, size=min(USERS, len(able)), replace=False))
    histories = whole.take(rows)
    kept = np.maximum(1, (histories.lengths * rng.uniform(0.3, 1.0, len(histories))).astype(np.int64))
    begun = _first(histories, kept)
    return begun, ranker._lists(ranker._base._score(begun), begun)


def _first(histories: Histories, counts: NDArray[np.int64]) -> Histories:
    """The first ``counts`` events of each row."""
    from dataclasses import replace

    inside = np.arange(len(histories.items)) - np.repeat(histories.indptr[:-1], histories.lengths)
    stay = inside < np.repeat(counts, histories.lengths)
    columns = {name: getattr(histories, name)[stay] for name in ("items", "weights", "times", "ratings")}
    indptr = np.concatenate([[0], np.cumsum(np.minimum(counts, histories.lengths))]).astype(np.int64)
    return replace(histories, indptr=indptr, **columns)


def _spread(ranker: "LmRanker", histories: Histories, lists: Lists) -> float:
    """The variance of the teacher's logits on a few lists."""
    logits: Any = ranker._logits(lists, histories, np.arange(min(8, len(histories))))
    return max(float(np.var(logits)), 1e-3)


def _digest(ranker: "LmRanker") -> str:
    from hashlib import sha256

    assert ranker._graph is not None
    return sha256(ranker._graph.data).hexdigest()
