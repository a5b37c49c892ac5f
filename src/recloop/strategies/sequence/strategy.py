import json
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recloop.data.compiled import often
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import SettingError
from recloop.neural.extra import require_lm
from recloop.neural.graph import Graph
from recloop.neural.recipe import Recipe
from recloop.progress import SILENT, Progress
from recloop.strategies.base import setting
from recloop.strategies.prior import answer_empty, fill_unreached, popularity
from recloop.strategies.sequence.text import items_from_text
from recloop.strategies.sequence.validation import SHARE, hold_out, ndcg
from recloop.strategies.sequence.windows import GAPS, Windows, gap_classes, gather
from recloop.strategies.vectors import VectorStrategy

if TYPE_CHECKING:
    import torch

    from recloop.strategies.sequence.network import Network

FEW = 50_000  # items up to which the softmax is over all of them
DRAWN = 1_024  # items that stand for the others where there are more
KERNELS = "recloop.strategies.sequence.kernels"
STATE = "state:"  # marks arrays from which training can go on
ROWS = 64  # histories in one call of the network
Last = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]


class SequenceTransformer(VectorStrategy):
    """What comes next, by a causal transformer over the items of the history.

    An event is the sum of its item's vector, of its place counted from the newest and, where times are known, of the
    time since the event before. Pre-norm blocks with gated feed-forward turn the events into one vector h, and item i
    scores h · e_i with the same item vectors e (Kang & McAuley 2018, "Self-attentive sequential recommendation", with
    the softmax loss of Klenitskiy & Vasilev 2023, "Turning dross into gold loss: is BERT4Rec really better than
    SASRec?"). With ``items_from="text"`` e is a function of text alone, so that a trained network ranks a catalogue
    that it never met (see the strategy ``transfer``).

    Serving needs the item vectors and a small ONNX graph, not the library that trained them. An interrupted training
    goes on where it was.

    >>> from recloop.strategies.sequence.strategy import SequenceTransformer
    >>> SequenceTransformer(items_from="text-start").items_from
    'text-start'
    """

    name: ClassVar[str] = "sequence"
    summary: ClassVar[str] = "what comes next, by a causal transformer over the items of the history"
    by_default: ClassVar[bool] = False

    items_from: str = setting(
        "id", "item vectors: free; free but started from text; or made from text", choices=("id", "text-start", "text")
    )
    encoder: str = setting("default", "for text: what turns it into vectors")
    width: int = setting(128, "length of all vectors", low=4, high=4096, search=[32, 64, 128, 256])
    blocks: int = setting(2, "transformer layers", low=1, high=48, search=(1, 4))
    heads: int = setting(2, "attention heads; they divide the width", low=1, high=64)
    window: int = setting(200, "how many of the last events are read", low=1, high=512)
    dropout: float = setting(0.2, "share of values dropped in training", low=0, high=0.9, search=(0.0, 0.5))
    loss: str = setting("softmax", "what is minimised", choices=("softmax", "gbce"))
    negatives: int | None = setting(
        None, "items drawn to stand for all; null: none for up to 50,000, else 1,024", low=1
    )
    epochs: int = setting(30, "passes over the data, at most", low=1, high=10_000)
    batch: int = setting(4096, "events in a training step", low=2, high=10_000_000)
    learning_rate: float = setting(0.001, "the highest one", low=1e-8, high=1, search=(1e-4, 5e-3, "log"))
    weight_decay: float = setting(0.01, "how strongly matrices are drawn to zero", low=0, high=10)
    patience: int | None = setting(5, "epochs without a better validation before training ends; null: never", low=1)
    held_out: int = setting(1000, "users whose last event is kept for validation; at most a tenth of them", low=0)
    seed: int = setting(0, "of weights, shuffling and dropout", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % (2 * self.heads):
            raise SettingError(
                f"strategy 'sequence': width is {self.width} and heads is {self.heads}",
                allowed="the width must be a multiple of twice the heads",
                advice=f"set width = {2 * self.heads * max(1, round(self.width / (2 * self.heads)))}",
            )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        require_lm("training the strategy 'sequence'")
        from recloop.strategies.sequence.network import network_for

        self._prior = popularity(dataset)
        timed = bool(np.isfinite(dataset.histories().times).any())
        self._train(dataset, network_for(self, dataset, GAPS if timed else 0, progress), progress)

    def onto(self, dataset: Dataset, progress: Progress = SILENT) -> Self:
        """The same network before another catalogue, whose items it knows by their text alone. Nothing is trained.

        Raises:
            SettingError: the items are not made from text.
            ArtifactError: the encoder gives vectors of another length than the network was trained with.
        """
        if self.items_from != "text":
            raise SettingError(
                f"strategy 'sequence' was trained with items_from = '{self.items_from}'",
                allowed="only items made from text are known in another catalogue",
                advice="train it with items_from = 'text'",
            )
        moved = type(self)(**self.config())
        moved._restore(self._arrays())
        moved._vectors = items_from_text(self._state, dataset, self.encoder, progress)
        moved._prior = popularity(dataset)
        moved.items, moved.kinds = dataset.item_ids, dataset.kinds
        return moved

    def go_on(self, dataset: Dataset, progress: Progress = SILENT, *, share: float = SHARE) -> Self:
        """Train the network further, on this data.

        Args:
            dataset: of the catalogue that it was put onto.
            progress: who watches.
            share: of the users, whose last event is kept for validation, at most.

        Raises:
            ExtraError: the extra ``lm`` is not installed.
        """
        require_lm("training the strategy 'sequence'")
        from recloop.strategies.sequence.network import network_for

        self._prior = popularity(dataset)
        network = network_for(self, dataset, len(self._gaps), progress)
        network.start_from(self._state)
        self._train(dataset, network, progress, share)
        return self

    def _train(self, dataset: Dataset, network: "Network", progress: Progress, share: float = SHARE) -> None:
        """Train the network on the data and keep what serves."""
        from recloop.neural.fingerprint import fingerprint
        from recloop.neural.train import train

        kept, asked, truth = hold_out(dataset.histories(), self.held_out, self.seed, share=share)
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

        def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", ...]]:
            return self._batches(windows, dataset.n_items, rng)

        def validate() -> float:
            self._keep(network)
            return float(ndcg(self._scored(asked, self._hidden(asked, network.last)), asked, truth).mean())

        if len(windows):
            train(
                network,
                lambda batch: network.loss(batch, self.loss),
                batches,
                recipe,
                steps=len(windows),
                validate=validate if len(truth) else None,
                key=json.dumps([self.name, self.config(), dataset.fingerprint, fingerprint(network), share]),
                progress=progress,
                description="sequence",
            )
        self._keep(network)
        if not len(windows):  # no event follows another: nothing was learned, and chance is no answer
            self._vectors = np.zeros((dataset.n_items, self.width), np.float32)
        self._graph = network.graph().array
        vars(self).pop("_served", None)  # of an earlier fit
        if self.items_from == "text":
            self._state = network.transferable()

    def _batches(
        self, windows: Windows, n_items: int, rng: np.random.Generator
    ) -> Iterator[tuple["torch.Tensor", ...]]:
        import torch

        drawn = self.negatives or (0 if n_items <= FEW and self.loss == "softmax" else DRAWN)
        for batch in windows.epoch(rng):
            others = rng.integers(n_items, size=min(drawn, n_items))
            columns = (batch.items, batch.places, batch.gaps, batch.filled, others)
            yield tuple(torch.from_numpy(np.ascontiguousarray(column)) for column in columns)

    def _keep(self, network: "Network") -> None:
        self._vectors, self._places, self._gaps = network.tables()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        state = {STATE + name: value for name, value in self._state.items()} if self.items_from == "text" else {}
        return {**super()._arrays(), **state}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._state = {name.removeprefix(STATE): array for name, array in arrays.items() if name.startswith(STATE)}
        super()._restore({name: array for name, array in arrays.items() if not name.startswith(STATE)})

    def _compressed(self, dataset: Dataset, progress: Progress) -> Iterator[Self]:
        """Students of fewer blocks that learned from the network, then the network itself, all in whole numbers."""
        require_lm("compressing the strategy 'sequence'")
        from recloop.strategies.sequence.student import students

        for network in students(self, dataset, progress):
            student = type(self)(**(self.config() | {"blocks": len(network.transformer.blocks)}))
            student._restore(self._arrays())
            _, student._places, student._gaps = network.tables()
            student._graph = network.graph().quantised().array
            if self.items_from == "text":
                student._state |= network.transferable()
            student.items, student.kinds = self.items, self.kinds
            yield student
        yield self._with({**self._arrays(), "_graph": self._served.quantised().array})

    @cached_property
    def _served(self) -> Graph:
        return Graph.of(self._graph)

    def _item_vectors(self) -> NDArray[np.float32]:
        return self._vectors

    def _queries(self, histories: Histories) -> NDArray[np.float32]:
        return self._hidden(histories, lambda x, place: self._served.run(x=x, place=place)[0])

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return self._scored(histories, self._queries(histories))

    def _scored(self, histories: Histories, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        return answer_empty(fill_unreached(hidden @ self._vectors.T, self._prior), histories, self._prior)

    def _hidden(self, histories: Histories, last: Last) -> NDArray[np.float32]:
        """(n, width) what each history foretells, zeros where it is empty."""
        recent = histories.recent(self.window)
        hidden = np.zeros((len(recent), self.width), np.float32)
        order = np.argsort(recent.lengths, kind="stable")  # rows of like length share a call: little is filled up
        order = order[recent.lengths[order] > 0]
        for low in range(0, len(order), ROWS):
            rows = order[low : low + ROWS]
            lengths = recent.lengths[rows]
            hidden[rows] = last(self._embedded(recent, rows, lengths), lengths - 1)
        return hidden

    def _embedded(self, recent: Histories, rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m, longest, width) what the network reads: items, places and times of some of the histories."""
        size = int(lengths.max())
        if kernels := often(KERNELS, len(rows) * size * self.width):
            x = np.zeros((len(rows), size, self.width), np.float32)
            tables = map(np.ascontiguousarray, (self._vectors, self._places, self._gaps))  # as they are, mostly
            kernels.embedded(recent.indptr[rows], lengths, recent.items, recent.times, *tables, x)
            return x
        gaps = gap_classes(recent.times, recent.indptr)
        batch = gather(recent, gaps, recent.indptr[rows], lengths, size, self.window)
        x = self._vectors[batch.items] + self._places[batch.places]
        return x + self._gaps[batch.gaps] if len(self._gaps) else x
