import json
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.language.item_vectors import vectors
from recloop.neural.extra import require_lm
from recloop.neural.graph import Graph
from recloop.neural.recipe import Recipe
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.lm_ranker.calibration import Calibration
from recloop.strategies.lm_ranker.lists import Held, Lists, candidates
from recloop.strategies.lm_ranker.pairs_of_texts import ItemTokens
from recloop.strategies.lm_ranker.ratings import CONTEXT as RATING_CONTEXT
from recloop.strategies.lm_ranker.ratings import NEIGHBOURS, SHRINKAGE, RatingHead, objective, parted
from recloop.strategies.prior import popularity
from recloop.strategies.rating_model import RatingModel
from recloop.strategies.registry import make

WHITENING = 0.25  # as the strategy content
BASE = "base:"
RATES = {"head": 1e-3, "lora": 3e-4, "top": 5e-5, "full": 2e-5}


class LmRanker(Strategy):
    """How likely each candidate of another strategy is taken, by what the history and the item say.

    A base strategy chooses ``candidates``; each gets p = sigmoid(a f + b), where f is a network over what an encoder
    makes of history and item and over what the base strategy and popularity say of them. Scores of candidates are these
    probabilities; all other items follow below 0 in the base strategy's order.

    With ``reads = "vectors"`` f is a hidden layer over (u, v, u * v, |u - v|) and context, where v is the item's vector
    and u the mean of the history's, later events louder (Reimers & Gurevych 2019, "Sentence-BERT", section 3). With
    ``reads = "texts"`` the encoder reads the history's texts and the item's together (Nogueira & Cho 2019, "Passage
    re-ranking with BERT"): slower by two orders of magnitude, for short lists.

    It learns from lists that the base strategy makes of a log without each user's last events, by cross-entropy; a and
    b are fitted on lists that were held out (Platt 1999), and ``calibration`` says how far p can be trusted. Where the
    log has ratings, ``predict`` foretells them: see ``RatingHead``. Serving needs ONNX Runtime, not torch.

    >>> from recloop.strategies.lm_ranker.strategy import LmRanker
    >>> LmRanker(base="item-knn").candidates
    50
    """

    name: ClassVar[str] = "lm-ranker"
    summary: ClassVar[str] = "re-ranks candidates of another strategy by the probability of a click, from texts"
    needs_text: ClassVar[bool] = True
    by_default: ClassVar[bool] = False

    encoder: str = setting("default", "what turns text into vectors: a hub id, a folder, an installed package")
    base: str = setting("ease", "the strategy that chooses candidates, with its default settings")
    candidates: int = setting(50, "how many items are ranked anew", low=2, high=10_000, search=(20, 200, "log"))
    reads: str = setting(
        "vectors", "history and item as two vectors, or their texts together", choices=("vectors", "texts")
    )
    tune: str = setting(
        "head", "what learns: the head alone, or parts of the encoder, too", choices=("head", "top", "lora", "full")
    )
    half_life: float = setting(
        10.0, "an event with so many later ones counts half", low=0.1, high=1e6, search=(1.0, 50.0, "log")
    )
    events: int = setting(8, "with texts: how many of the last items are read", low=1, high=100)
    length: int = setting(16, "tokens of an item's text that are read where the encoder learns", low=2, high=512)
    negatives: int = setting(7, "candidates that nobody took beside one that was, where the encoder learns", low=1)
    width: int = setting(64, "of the hidden layer", low=1, high=8192, search=(16, 256, "log"))
    dropout: float = setting(0.2, "share of values dropped in training", low=0, high=0.9, search=(0.0, 0.5))
    epochs: int = setting(20, "passes over the lists, at most", low=1, high=10_000)
    batch: int = setting(64, "lists in a step", low=1, high=1_000_000)
    learning_rate: float | None = setting(
        None, "the highest one; null: .001 for the head, less where the encoder learns", low=1e-8, high=1
    )
    weight_decay: float = setting(0.01, "how strongly matrices are drawn to zero", low=0, high=10)
    patience: int | None = setting(3, "epochs without better held-out lists before training ends; null: never", low=1)
    rating_loss: str = setting("mse", "what foretold ratings are judged by in training", choices=("mse", "nmsle"))
    seed: int = setting(0, "of weights, shuffling and dropout", low=0, high=2**31 - 1)

    # ---- learning

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        require_lm("training the strategy 'lm-ranker'")
        self._prior = popularity(dataset)
        self._tokens: ItemTokens | None = None
        self._graph: Graph | None = None
        self.calibration = Calibration()
        held = Held.of(dataset)
        self._vectors = vectors(dataset, self.encoder, whitening=WHITENING, progress=progress)
        if held is not None:
            chosen = make(self.base).fit(held.past, progress)
            lists = self._lists(chosen._score(held.histories), held.histories, popularity(held.past))
            labels = held.labels(lists.items)
            if labels.any():
                self._learn(dataset, held, lists, labels, progress)
                progress.note(f"lm-ranker: {self.calibration}")
        self._base = make(self.base).fit(dataset, progress)
        self._vectors = self._vectors.astype(np.float16).astype(np.float32)
        self._ratings = self._rating_head(dataset, progress)

    def _learn(
        self, dataset: Dataset, held: Held, lists: Lists, labels: NDArray[np.float32], progress: Progress
    ) -> None:
        from recloop.strategies.lm_ranker import build
        from recloop.strategies.lm_ranker.learn import Task, learn_vectors

        task = Task(lists, labels, held.histories, self._recipe(), self._key(dataset), progress, self.negatives)
        if self.reads == "texts":
            self._tokens, self._graph, logits, judged = build.texts(self, dataset, task)
            labels = labels[judged]
        else:
            if self.tune != "head":
                self._vectors = build.vectors(self, dataset, task)
                again = lists.again(held.histories, self._vectors, self.half_life)
                task = Task(again, labels, held.histories, self._recipe("head"), task.key + "head", progress)
            network = build.vector_ranker(self)
            logits = learn_vectors(task, network, self._vectors)
            self._graph = network.graph()
            labels = labels[task.parts()[1]]
        self.calibration = Calibration.of(logits, labels)

    def _rating_head(self, dataset: Dataset, progress: Progress) -> RatingHead | None:
        model = RatingModel.of(dataset, NEIGHBOURS, SHRINKAGE)
        if model is None:
            return None
        made = RatingHead(model, None, np.array([0.0, 1.0]))
        found = parted(dataset)
        inner = None if found is None else RatingModel.of(found[0], NEIGHBOURS, SHRINKAGE)
        if found is None or inner is None:
            return made
        from recloop.strategies.lm_ranker import build
        from recloop.strategies.lm_ranker.learn import Task, learn_vectors

        _, histories, items, values = found
        known = values[items >= 0]
        made.scale = np.array([known.mean(), max(float(known.std()), 1e-3)])
        plain = np.nan_to_num(inner.predict(histories, items))
        lists = made.lists(inner, histories, items, self._vectors, plain)
        labels = np.where(items >= 0, (values - plain) / made.scale[1], 0).astype(np.float32)
        task = Task(
            lists,
            labels,
            histories,
            self._recipe("head"),
            self._key(dataset) + "ratings",
            progress,
            objective=objective(self.rating_loss, made.scale, float(model.span[0])),
            worth=lambda mended, wanted: -float(np.nanmean((mended - wanted) ** 2)),
        )
        network = build.vector_ranker(self, context=RATING_CONTEXT, start=0.0)
        mended = learn_vectors(task, network, self._vectors)
        wanted = labels[task.parts()[1]]
        if len(mended) and np.nanmean((mended - wanted) ** 2) < np.nanmean(
            np.where(np.isnan(mended), np.nan, wanted) ** 2
        ):
            made.graph = network.graph()
        return made

    def _recipe(self, tune: str | None = None) -> Recipe:
        return Recipe(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate or RATES[tune or self.tune],
            weight_decay=self.weight_decay,
            patience=self.patience,
            warmup=min(0.1, 1 / self.epochs),
            seed=self.seed,
        )

    def _key(self, dataset: Dataset) -> str:
        return json.dumps([self.name, self.config(), dataset.fingerprint])

    # ---- answering

    def _lists(
        self, scores: NDArray[np.float32], histories: Histories, prior: NDArray[np.float32] | None = None
    ) -> Lists:
        prior = self._prior if prior is None else prior
        return candidates(scores.copy(), histories, self.candidates, self._vectors, prior, self.half_life)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        scores = self._base._score(histories).astype(np.float32, copy=True)
        lists = self._lists(scores, histories)
        scores -= scores.max(axis=1, keepdims=True, initial=-np.inf) if scores.shape[1] else 0
        scores -= 1
        if self._graph is None:
            return scores
        asked = np.flatnonzero(histories.lengths > 0)
        logits = self._logits(lists, histories, asked)
        rows, places = np.nonzero(lists.items[asked] >= 0)
        chosen = self.calibration(logits[rows, places]).astype(np.float32)
        scores[asked[rows], lists.items[asked][rows, places]] = chosen
        return scores

    def _logits(self, lists: Lists, histories: Histories, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(rows, c) by the network."""
        assert self._graph is not None
        if not len(rows):
            return np.empty((0, lists.items.shape[1]), np.float32)
        items, context = np.maximum(lists.items[rows], 0), lists.context[rows]
        if self._tokens is None:
            found: NDArray[np.float32] = self._graph.run(
                users=lists.users[rows], items=self._vectors[items], context=context
            )[0]
            return found
        parts = []
        for place, row in enumerate(rows):  # one list at a time: pairs of one length, and memory for one
            told = histories.block(int(row), int(row) + 1)
            owner = np.zeros(items.shape[1], np.int64)
            ids, mask = self._tokens.pairs(told, owner, items[place], self.events)
            parts.append(self._graph.run(ids=ids, mask=mask, context=context[place])[0])
        return np.stack(parts)

    def predict(self, histories: Histories, items: NDArray[np.integer]) -> NDArray[np.float64]:
        """The ratings that users would give; see ``RatingHead``.

        Args:
            histories: n histories.
            items: (n, m) item indices, padded with -1.

        Returns:
            (n, m) float64; NaN where the item is -1, and everywhere where no rating was ever learned from.

        Raises:
            SettingError: the histories are of another catalogue, or the items are not n rows.
            ConflictError: the strategy is not fitted.
        """
        histories = self._asked(histories, items)
        if self._ratings is None:
            return np.full(items.shape, np.nan)
        return self._ratings.predict(histories, items, self._vectors)

    # ---- keeping

    def _compressed(self, dataset: Dataset, progress: Progress) -> Iterator[Self]:
        """Networks of whole numbers; with texts first students of a third or half of the layers, without the words that
        the catalogue does not have.
        """
        if self._graph is None:
            return
        if self._tokens is None:
            yield self._with({**self._arrays(), "graph": self._graph.quantised().array})
            return
        require_lm("compressing the strategy 'lm-ranker'")
        from recloop.strategies.lm_ranker.student import students

        for tokens, graph in students(self, dataset, progress):
            yield self._with({**self._arrays(), **tokens.arrays(), "graph": graph.array})

    def _arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {"vectors": self._vectors.astype(np.float16), "prior": self._prior}
        found |= {} if self._graph is None else {"graph": self._graph.array}
        found |= {} if self._tokens is None else self._tokens.arrays()
        found |= {} if self._ratings is None else self._ratings.arrays()
        told = self.calibration
        found["calibration"] = np.array([told.slope, told.shift, told.before, told.after, told.rows])
        return found | {BASE + name: value for name, value in self._base._arrays().items()}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._vectors, self._prior = arrays["vectors"].astype(np.float32), arrays["prior"]
        self._graph = Graph.of(arrays["graph"]) if "graph" in arrays else None
        self._tokens = ItemTokens.restore(arrays)
        self._ratings = RatingHead.restore(arrays)
        slope, shift, before, after, rows = arrays["calibration"].tolist()
        self.calibration = Calibration(slope, shift, before, after, int(rows))
        self._base = make(self.base)
        self._base._restore({name.removeprefix(BASE): value for name, value in arrays.items() if name.startswith(BASE)})
