import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import SettingError
from recloop.language.item_vectors import vectors
from recloop.neural.extra import require_lm
from recloop.neural.graph import Graph
from recloop.neural.recipe import Recipe
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.generative.beam import Floats, Run, beam_search
from recloop.strategies.generative.residual import semantic_ids
from recloop.strategies.generative.trie import Trie
from recloop.strategies.prior import PRIOR_SCALE, answer_empty, fill_unreached, popularity
from recloop.strategies.sequence.validation import hold_out, ndcg
from recloop.strategies.sequence.windows import Windows, gap_classes, gather

if TYPE_CHECKING:
    import torch

    from recloop.strategies.generative.network import Network

ROWS = 64  # histories in one call of the network, at most
CELLS = 2**22  # codes that are weighed in one call
LEAST = 10 * PRIOR_SCALE  # the score of what is reached with a smaller probability: above what is not reached


class Generative(Strategy):
    """What comes next, spelled out code by code in names that are made from the items' text.

    The text vector of an item becomes a few codes by residual k-means, and one more where texts are alike (its semantic
    id). A causal transformer over the codes of the history foretells the codes of the next item, one after another
    (Rajput et al. 2023, "Recommender systems with generative retrieval", with a decoder alone and codes by k-means). A
    beam search over the names that exist finds the likeliest items; an item's score is the probability of its name.
    What the search does not reach follows by popularity. An item that nobody touched is reached by its text.

    Training minimises -log P(item | history), where each code is weighed against the codes that may stand in its place.
    Serving needs the vectors of codes, of which there are few, and a small ONNX graph.

    >>> from recloop.strategies.generative.strategy import Generative
    >>> Generative(levels=2, codes=64).beams
    32
    """

    name: ClassVar[str] = "generative"
    summary: ClassVar[str] = "what comes next, spelled code by code in names made from text; reaches untouched items"
    needs_text: ClassVar[bool] = True
    by_default: ClassVar[bool] = False

    encoder: str = setting("default", "what turns text into vectors: a hub id, a folder, an installed package")
    levels: int = setting(3, "codes of a name, but for the one that parts like items", low=1, high=8, search=(2, 4))
    codes: int = setting(256, "the most codes of a level", low=2, high=65_536, search=[64, 128, 256, 512])
    beams: int = setting(32, "beginnings of names that go on in the search", low=1, high=10_000)
    width: int = setting(128, "length of all vectors", low=4, high=4096, search=[32, 64, 128, 256])
    blocks: int = setting(2, "transformer layers", low=1, high=48, search=(1, 4))
    heads: int = setting(4, "attention heads; they divide the width", low=1, high=64)
    window: int = setting(20, "how many of the last events are read", low=1, high=512)
    dropout: float = setting(0.2, "share of values dropped in training", low=0, high=0.9, search=(0.0, 0.5))
    epochs: int = setting(30, "passes over the data, at most", low=1, high=10_000)
    batch: int = setting(1024, "events in a training step", low=2, high=10_000_000)
    learning_rate: float = setting(0.001, "the highest one", low=1e-8, high=1, search=(1e-4, 5e-3, "log"))
    weight_decay: float = setting(0.01, "how strongly matrices are drawn to zero", low=0, high=10)
    patience: int | None = setting(5, "epochs without a better validation before training ends; null: never", low=1)
    held_out: int = setting(500, "users whose last event is kept for validation; at most a tenth of them", low=0)
    seed: int = setting(0, "of centres, weights, shuffling and dropout", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise SettingError(
                f"strategy 'generative': width is {self.width} and heads is {self.heads}",
                allowed="the width must be a multiple of the heads",
                advice=f"set width = {self.heads * max(1, round(self.width / self.heads))}",
            )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        require_lm("training the strategy 'generative'")
        from recloop.neural.fingerprint import fingerprint
        from recloop.neural.train import train
        from recloop.strategies.generative.network import network_for

        self._prior = popularity(dataset)
        text = vectors(dataset, self.encoder, progress=progress)
        self._ids, books = semantic_ids(text, self._prior, self.levels, self.codes, self.seed)
        # an item that neither text nor events tell of has a name that means nothing: its place is by popularity, last
        self._listed = text.any(axis=1) | (self._prior > 0)
        trie = Trie(self._ids, self._listed)
        network = network_for(
            books,
            trie.sizes,
            width=self.width,
            blocks=self.blocks,
            heads=self.heads,
            window=self.window,
            dropout=self.dropout,
            seed=self.seed,
        )
        kept, asked, truth = hold_out(dataset.histories(), self.held_out, self.seed)
        windows = Windows(kept, self.window, self.batch)
        recipe = Recipe(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience if len(truth) else None,
            warmup=min(0.1, 1 / self.epochs),
            seed=self.seed,
        )

        def validate() -> float:
            self._keep(network)
            return float(ndcg(self._scores(asked, trie, network.run), asked, truth).mean())

        if len(windows):
            train(
                network,
                network.loss,
                lambda _epoch, rng: self._batches(windows, trie, rng),
                recipe,
                steps=len(windows),
                validate=validate if len(truth) else None,
                key=json.dumps([self.name, self.config(), dataset.fingerprint, fingerprint(network)]),
                progress=progress,
                description="generative",
            )
        else:  # no event follows another: nothing was learned, and chance is no answer
            self._listed[:] = False
        self._keep(network)
        self._decoder = network.graph().array if len(windows) else np.empty(0, np.uint8)
        self._open()

    def _batches(self, windows: Windows, trie: Trie, rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", ...]]:
        import torch

        counted = self._counted(trie)
        for batch in windows.epoch(rng):
            filled = batch.filled
            back = filled.sum(axis=1, keepdims=True) - np.arange(filled.shape[1])
            places = np.where(filled, self.window + 1 - back, 0)
            targets = batch.items[:, 1:][filled[:, 1:]]
            nodes = trie.path[targets]
            allowed = [trie.children(depth, nodes[:, depth]) >= 0 for depth in range(nodes.shape[1])]
            columns = (counted[batch.items], places, filled, self._ids[targets].astype(np.int64), *allowed)
            yield tuple(torch.from_numpy(column) for column in columns)

    def _counted(self, trie: Trie) -> NDArray[np.int64]:
        """(n_items, levels) the codes of each item, counted through all levels."""
        counted: NDArray[np.int64] = self._ids + np.cumsum((0, *trie.sizes[:-1]))
        return counted

    def _keep(self, network: "Network") -> None:
        self._tokens, self._places = network.tables()

    def _open(self) -> None:
        """What is derived from the arrays."""
        self._trie, self._served = Trie(self._ids, self._listed), Graph.of(self._decoder)

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(arrays)
        self._open()

    def _score(self, histories: Histories) -> Floats:
        def run(x: Floats, keys: Floats, values: Floats, known: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
            hidden, own_keys, own_values = self._served.run(x=x, keys=keys, values=values, known=known)
            return hidden, own_keys, own_values

        return self._scores(histories, self._trie, run)

    def _scores(self, histories: Histories, trie: Trie, run: Run) -> Floats:
        scores = np.zeros((len(histories), histories.n_items), np.float32)
        recent = histories.recent(self.window)
        gaps = gap_classes(recent.times, recent.indptr)
        counted, levels = self._counted(trie), len(trie.sizes)
        tables = np.split(self._tokens, np.cumsum(trie.sizes)[:-1])
        step = int(np.clip(CELLS // (self.beams * max(trie.sizes)), 1, ROWS))
        order = np.argsort(recent.lengths, kind="stable")  # rows of like length share a call: little is filled up
        order = order[recent.lengths[order] > 0] if len(trie) else order[:0]
        for low in range(0, len(order), step):
            rows = order[low : low + step]
            lengths = recent.lengths[rows]
            batch = gather(recent, gaps, recent.indptr[rows], lengths, int(lengths.max()), self.window)
            x = self._tokens[counted[batch.items]] + self._places[batch.places][:, :, None]
            nodes, found = beam_search(
                run,
                x.reshape(len(rows), -1, self.width),
                lengths * levels,
                trie,
                tables,
                self._places[-1],
                (self.blocks, self.heads, self.width // self.heads),
                self.beams,
            )
            place, column = np.nonzero(np.isfinite(found))
            reached = np.maximum(np.exp(found[place, column]), LEAST)
            scores[rows[place], trie.items[nodes[place, column]]] = reached
        return answer_empty(fill_unreached(scores, self._prior), histories, self._prior)
