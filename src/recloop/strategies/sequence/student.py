"""A sequence network in fewer blocks: taught by the whole one, over the same item vectors."""

import copy
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from recloop.data.dataset import Dataset
from recloop.neural.export import restore
from recloop.neural.fingerprint import fingerprint
from recloop.neural.recipe import Recipe
from recloop.neural.train import train
from recloop.progress import Progress
from recloop.strategies.compact import compact, expand
from recloop.strategies.sequence.loss import distilled
from recloop.strategies.sequence.network import FreeItems, LastPlace, Network, Transformer
from recloop.strategies.sequence.windows import Windows

if TYPE_CHECKING:
    from recloop.strategies.sequence.strategy import SequenceTransformer

FORM = "int6"  # of the item vectors that a student learns over: the boldest in which it will be served


def students(strategy: "SequenceTransformer", dataset: Dataset, progress: Progress) -> Iterator[Network]:
    """Trained networks of one block, then of half of the blocks, where the strategy has more.

    A student starts from the first blocks of the network. It reads and ranks the network's item vectors in six bits, as
    it will be served, and learns to give the scores that the network gives over exact ones, in half as many epochs,
    with half the dropout. So it makes up for what rounding moves. No label is needed.
    """
    windows = Windows(dataset.histories(), strategy.window, strategy.batch)
    if not len(windows):
        return
    teacher = _teacher(strategy)
    for blocks in dict.fromkeys((1, strategy.blocks // 2)):
        if 0 < blocks < strategy.blocks:
            student = copy.deepcopy(teacher)
            student.items.table.data = torch.from_numpy(expand(compact({"": strategy._vectors}, FORM))[""])
            student.transformer.blocks = student.transformer.blocks[:blocks]
            for part in student.modules():
                if isinstance(part, nn.Dropout):
                    part.p = strategy.dropout / 2
            _teach(strategy, dataset, windows, teacher, student, progress)
            yield student


def _teacher(strategy: "SequenceTransformer") -> Network:
    """The trained network, made again from what is served."""
    transformer = Transformer(strategy.width, strategy.blocks, strategy.heads, strategy.dropout)
    restore(LastPlace(transformer), strategy._served)
    items = FreeItems(torch.from_numpy(strategy._vectors.copy()))
    items.table.requires_grad_(requires_grad=False)
    network = Network(items, transformer, strategy.width, strategy.window, len(strategy._gaps), strategy.dropout)
    network.places.data, network.gaps.data = (
        torch.from_numpy(table.copy()) for table in (strategy._places, strategy._gaps)
    )
    network.eval()
    return network


def _teach(
    strategy: "SequenceTransformer",
    dataset: Dataset,
    windows: Windows,
    teacher: Network,
    student: Network,
    progress: Progress,
) -> None:
    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        return strategy._batches(windows, dataset.n_items, rng)

    def loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        items, places, gaps, filled, drawn = batch
        known = filled[:, 1:]
        read = (items[:, :-1], places[:, :-1], gaps[:, :-1])
        table, exact = student.items(), teacher.to(items.device).items()
        with torch.no_grad():
            told = teacher(exact, *read)[known]
        hidden = student(table, *read)[known]
        if len(drawn):  # they, and what came, stand for all
            those = torch.cat([drawn, items[:, 1:][known].unique()])
            table, exact = table[those], exact[those]
        return distilled(hidden, table, told, exact)

    recipe = Recipe(
        epochs=math.ceil(strategy.epochs / 2),
        batch=strategy.batch,
        learning_rate=strategy.learning_rate,
        weight_decay=strategy.weight_decay,
        seed=strategy.seed,
    )
    blocks = len(student.transformer.blocks)
    key = json.dumps([strategy.name, strategy.config(), dataset.fingerprint, fingerprint(teacher), blocks, FORM])
    train(
        student,
        loss,
        batches,
        recipe,
        steps=len(windows),
        key=key,
        progress=progress,
        description=f"distil, {blocks} of {strategy.blocks} blocks",
    )
    teacher.cpu()
