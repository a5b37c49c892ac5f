from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import runs_as_one
from recloop.strategies.prior import answer_empty, fill_unreached, popularity


class Content(Strategy):
    """Items whose text is near the texts of the history.

    >>> from recloop.strategies.content import Content
    >>> Content(encoder="default").history
    'recency'
    """

    name: ClassVar[str] = "content"
    summary: ClassVar[str] = "items whose text is near the texts of the history; ranks items that nobody touched"
    needs_text: ClassVar[bool] = True

    encoder: str = setting("default", "what turns text into vectors: a hub id, a folder or an installed package")
    history: str = setting("recency", "how the events of a history are weighed", choices=("mean", "recency"))
    half_life: float = setting(5.0, "with recency: after so many later events one counts half", low=0.1, high=1e6)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        from recloop.language.item_vectors import vectors

        self._vectors = vectors(dataset, encoder=self.encoder, progress=progress)
        self._prior = popularity(dataset)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        merged = runs_as_one(histories)
        weights = merged.weights
        if self.history == "recency":
            later = np.repeat(merged.indptr[1:], merged.lengths) - 1 - np.arange(len(merged.items))
            weights = (weights * 0.5 ** (later / self.half_life)).astype(np.float32)
        shape = (len(merged), merged.n_items)
        profiles = sparse.csr_array((weights, merged.items, merged.indptr), shape=shape) @ self._vectors
        lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
        scores = (profiles / np.where(lengths > 0, lengths, 1)) @ self._vectors.T
        return answer_empty(fill_unreached(scores, self._prior), histories, self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"vectors": self._vectors, "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._vectors, self._prior = arrays["vectors"], arrays["prior"]
