from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.language.item_vectors import vectors
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import runs_as_one
from recloop.strategies.prior import answer_empty, fill_unreached, popularity


class Content(Strategy):
    """Items whose text is near the texts of the history, by a frozen language-model encoder.

    Each item is a vector v (see ``recloop.language.item_vectors.vectors``); a history is the weighted mean p of the
    vectors of its items, and the score is the cosine of p and v. With ``history="recency"`` an event counts
    ``weight x 0.5 ** (later / half_life)``, where ``later`` is the number of events that came after it.

    The vectors are centred, so that 0 is the score of the average item: an item without text gets it, and those follow
    one another by popularity. An item that nobody touched is ranked like any other. A history that says nothing
    (empty, or only of items without text) is answered by popularity. Serving needs the vectors, not the encoder.

    >>> from recloop.strategies.content import Content
    >>> Content(half_life=10).config()
    {'encoder': 'default', 'history': 'recency', 'half_life': 10, 'whitening': 0.5}
    """

    name: ClassVar[str] = "content"
    summary: ClassVar[str] = "items whose text is near the texts of the history; ranks items that nobody touched"
    needs_text: ClassVar[bool] = True

    encoder: str = setting("default", "what turns text into vectors: a hub id, a folder, an installed package")
    history: str = setting(
        "recency", "how the events of a history are weighed", choices=("mean", "recency"), search=["mean", "recency"]
    )
    half_life: float = setting(
        3.0, "with recency: an event with so many later ones counts half", low=0.1, high=1e6, search=(0.5, 50.0, "log")
    )
    whitening: float = setting(
        0.5, "how far the strongest directions of the catalogue are damped", low=0, high=1, search=(0.0, 1.0)
    )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        found = vectors(dataset, self.encoder, whitening=self.whitening, progress=progress)
        self._set(found.astype(np.float16))  # half the file, and rounding that moves no figure
        self._prior = popularity(dataset)

    def _set(self, stored: NDArray[np.float16]) -> None:
        self._vectors = stored.astype(np.float32)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        events = runs_as_one(histories)
        weights = events.weights
        if self.history == "recency":
            later = np.repeat(events.indptr[1:], events.lengths) - 1 - np.arange(len(events.items))
            weights = (weights * 0.5 ** (later / self.half_life)).astype(np.float32)
        shape = (len(events), events.n_items)
        profiles = sparse.csr_array((weights, events.items, events.indptr), shape=shape) @ self._vectors
        length = np.linalg.norm(profiles, axis=1, keepdims=True)
        profiles /= np.where(length > 0, length, 1)
        return answer_empty(fill_unreached(profiles @ self._vectors.T, self._prior), histories, self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"vectors": self._vectors.astype(np.float16), "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._set(arrays["vectors"])
        self._prior = arrays["prior"]
