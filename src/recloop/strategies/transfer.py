import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.sequence.strategy import SequenceTransformer

CONFIG = "config"


class Transfer(Strategy):
    """A sequence network that was trained on another shop, before this catalogue.

    The source is a saved ``sequence`` strategy whose items are made from text (``items_from = "text"``). Items of this
    catalogue become vectors by the same function of their text, so that histories of items that the network never met
    are ranked (Hou et al. 2022, "Towards universal sequence representation learning for recommender systems", with the
    text encoder frozen). With ``epochs = 0`` nothing is learned here (zero-shot); with more the network goes on
    learning from this log (few-shot where the log is small).

    >>> from recloop.strategies.transfer import Transfer
    >>> Transfer(source="books/strategies/sequence", epochs=3).epochs
    3
    """

    name: ClassVar[str] = "transfer"
    summary: ClassVar[str] = "a sequence network trained on another catalogue, which knows items by their text"
    needs_text: ClassVar[bool] = True
    by_default: ClassVar[bool] = False

    source: str = setting("", "folder of a saved strategy 'sequence' with items_from = 'text'")
    epochs: int = setting(0, "passes over this log; 0: ranks by what was learned elsewhere", low=0, high=10_000)
    learning_rate: float = setting(0.0003, "with epochs: the highest one", low=1e-8, high=1, search=(1e-5, 3e-3, "log"))
    seed: int = setting(0, "of shuffling and dropout", low=0)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        if not self.source:
            raise SettingError(
                "strategy 'transfer': source is empty",
                allowed="it names the folder of a saved strategy 'sequence' with items_from = 'text'",
                advice="train one on the other data, and give its folder, such as release/strategies/sequence",
            )
        inner = SequenceTransformer.load(Path(self.source)).onto(dataset, progress)
        if self.epochs:
            inner = _with(inner, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed)
            inner.go_on(dataset, progress)
        self._inner = inner

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return self._inner._score(histories)

    def _best(self, histories: Histories, k: int, allowed: NDArray[np.bool_] | None) -> Rankings | None:
        return self._inner._best(histories, k, allowed)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        config = np.frombuffer(json.dumps(self._inner.config()).encode(), dtype=np.uint8)
        return {**self._inner._arrays(), CONFIG: config}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._inner = SequenceTransformer(**json.loads(arrays[CONFIG].tobytes()))
        self._inner._restore({name: array for name, array in arrays.items() if name != CONFIG})


def _with(strategy: SequenceTransformer, **settings: Any) -> SequenceTransformer:
    """The fitted strategy with other settings of training."""
    other = SequenceTransformer(**{**strategy.config(), **settings})
    other._restore(strategy._arrays())
    return other
