import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import SettingError
from recloop.progress import Progress
from recloop.strategies.base import Shared, Strategy, setting
from recloop.strategies.content import Content
from recloop.strategies.sequence.strategy import SequenceTransformer
from recloop.strategies.sequence.validation import hold_out, ndcg

CONFIG, CONTENT, NETWORK, WEIGHT = "config", "content:", "network:", "weight"
WEIGHTS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # that the network may get beside the texts, which count 1
SURE = 2.0  # standard errors that a weight must gain by
ASKED = 1000  # users, at most, whose last event is not learned from: it is asked which weight helps there
ROWS = 64  # of them, scored at a time


class Transfer(Strategy):
    """The texts of this catalogue, and a sequence network that was trained on another shop, as far as it helps here.

    Scores are those of ``content``, plus ``weight`` times those of the network, both with mean 0 and deviation 1 over
    the catalogue. The source is a saved ``sequence`` strategy whose items are made from text (``items_from = "text"``).
    Items of this catalogue become vectors by the same function of their text, so that histories of items that the
    network never met are ranked (Hou et al. 2022, "Towards universal sequence representation learning for recommender
    systems", with the text encoder frozen). With ``epochs = 0`` the network learns nothing here (zero-shot); with more
    it goes on learning from this log (few-shot where the log is small).

    Its weight is the one with the best NDCG@10 on held-out last events, where that is better than without the network
    by two standard errors, else 0: a network that knows nothing of this catalogue is not listened to.

    >>> from recloop.strategies.transfer import Transfer
    >>> Transfer(source="books/strategies/sequence", epochs=3).epochs
    3
    """

    name: ClassVar[str] = "transfer"
    summary: ClassVar[str] = "text, and a sequence network of another catalogue as far as it helps"
    needs_text: ClassVar[bool] = True
    by_default: ClassVar[bool] = False

    source: str = setting("", "folder of a saved strategy 'sequence' with items_from = 'text'")
    epochs: int = setting(0, "passes over this log; 0: ranks by what was learned elsewhere", low=0, high=10_000)
    weight: float | None = setting(None, "of the network beside the texts; null: what helps on this log", low=0)
    learning_rate: float = setting(0.001, "with epochs: the highest one", low=1e-8, high=1, search=(1e-5, 3e-3, "log"))
    seed: int = setting(0, "of shuffling and dropout", low=0)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        if not self.source:
            raise SettingError(
                "strategy 'transfer': source is empty",
                allowed="it names the folder of a saved strategy 'sequence' with items_from = 'text'",
                advice="train one on the other data, and give its folder, such as release/strategies/sequence",
            )
        network = SequenceTransformer.load(Path(self.source)).onto(dataset, progress)
        settings: dict[str, Any] = {"encoder": network.encoder}
        self._content = Content(**settings).fit(dataset, progress)
        if self.epochs:
            settings = {"epochs": self.epochs, "learning_rate": self.learning_rate, "seed": self.seed}
            network = _with(network, **settings, held_out=ASKED).go_on(dataset, progress, share=1.0)
        self._network = network
        self._weight = self._helpful(dataset.histories()) if self.weight is None else self.weight

    def _helpful(self, histories: Histories) -> float:
        """The weight that is better than none beyond doubt, on events that the network did not learn from."""
        _, asked, truth = hold_out(histories, ASKED, self.seed, share=1.0)
        gains = [np.zeros((0, 1 + len(WEIGHTS)))]
        for low in range(0, len(asked), ROWS):
            block, true = asked.block(low, low + ROWS), truth[low : low + ROWS]
            text, learned = (_standard(part._score(block)) for part in (self._content, self._network))
            gains.append(np.stack([ndcg(text + w * learned, block, true) for w in (0, *WEIGHTS)], axis=1))
        gained = np.concatenate(gains)
        gained = gained[:, 1:] - gained[:, :1]
        if len(gained) < 2:
            return 0.0
        mean, error = gained.mean(axis=0), gained.std(axis=0, ddof=1) / np.sqrt(len(gained))
        best = int(mean.argmax())
        return WEIGHTS[best] if mean[best] > SURE * error[best] else 0.0

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        text = self._content._score(histories)
        if not self._weight:
            return text
        return _standard(text) + np.float32(self._weight) * _standard(self._network._score(histories))

    def shared_words(self, histories: Histories, items: NDArray[np.integer]) -> list[Shared]:
        """See ``Content.shared_words``; what the network makes of a text is not taken apart.

        Args:
            histories: one row.
            items: (k,) item indices.
        """
        return self._content.shared_words(histories, items)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        settings = {"network": self._network.config(), "content": self._content.config()}
        return {
            CONFIG: np.frombuffer(json.dumps(settings).encode(), dtype=np.uint8),
            WEIGHT: np.array([self._weight]),
            **{CONTENT + name: array for name, array in self._content._arrays().items()},
            **{NETWORK + name: array for name, array in self._network._arrays().items()},
        }

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        settings = json.loads(arrays[CONFIG].tobytes())
        self._weight = float(arrays[WEIGHT][0])
        self._content = Content(**settings["content"])
        self._content._restore(_below(CONTENT, arrays))
        self._network = SequenceTransformer(**settings["network"])
        self._network._restore(_below(NETWORK, arrays))


def _standard(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of mean 0 and deviation 1; zeros where all are equal."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    found: NDArray[np.float32] = centred / np.where(spread > 0, spread, 1)
    return found


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _with(strategy: SequenceTransformer, **settings: Any) -> SequenceTransformer:
    """The fitted strategy with other settings of training."""
    other = SequenceTransformer(**{**strategy.config(), **settings})
    other._restore(strategy._arrays())
    return other
