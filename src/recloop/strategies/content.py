from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.language.item_vectors import vectors
from recloop.language.lexicon import Lexicon
from recloop.progress import Progress
from recloop.strategies.base import Shared, Strategy, setting
from recloop.strategies.interactions import runs_as_one
from recloop.strategies.prior import answer_empty, fill_unreached, popularity


class Content(Strategy):
    """Items whose text is near the texts of the history, in meaning and in words.

    Each item is a vector v of a frozen language-model encoder (see ``recloop.language.item_vectors.vectors``) and a
    sparse vector t of its words (see ``recloop.language.lexicon.Lexicon``). A history is the weighted mean of those of
    its items, p and q. The score is ``(cos(p, v) + lexical x cos(q, t)) / (1 + lexical)``. With ``history="recency"``
    an event counts ``weight x 0.5 ** (later / half_life)``, where ``later`` is the number of events after it.

    The vectors are centred, so that 0 is the score of the average item: an item without text gets it, and those follow
    one another by popularity. An item that nobody touched is ranked like any other. A history that says nothing
    (empty, or only of items without text) is answered by popularity. Serving needs the vectors, not the encoder.

    >>> from recloop.strategies.content import Content
    >>> Content(half_life=10).config()
    {'encoder': 'default', 'history': 'recency', 'half_life': 10, 'whitening': 0.25, 'lexical': 0.5}
    """

    name: ClassVar[str] = "content"
    summary: ClassVar[str] = "items whose text is near the texts of the history; ranks items that nobody touched"
    needs_text: ClassVar[bool] = True

    encoder: str = setting("default", "what turns text into vectors: a hub id, a folder, an installed package")
    history: str = setting(
        "recency", "how the events of a history are weighed", choices=("mean", "recency"), search=["mean", "recency"]
    )
    half_life: float = setting(
        4.0, "with recency: an event with so many later ones counts half", low=0.1, high=1e6, search=(0.5, 50.0, "log")
    )
    whitening: float = setting(
        0.25, "how far the strongest directions of the catalogue are damped", low=0, high=1, search=(0.0, 1.0)
    )
    lexical: float = setting(
        0.5, "what shared words count beside shared meaning, which counts 1", low=0, high=100, search=(0.1, 4.0, "log")
    )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        found = vectors(dataset, self.encoder, whitening=self.whitening, progress=progress)
        self._set(found.astype(np.float16), self._lexicon(dataset))  # half the file; the rounding moves no figure
        self._prior = popularity(dataset)

    def _lexicon(self, dataset: Dataset) -> Lexicon | None:
        return Lexicon.of(dataset.item_texts()) if self.lexical else None

    def _set(self, stored: NDArray[np.float16], lexicon: Lexicon | None) -> None:
        self._vectors = stored.astype(np.float32)
        self._words = lexicon
        if lexicon is not None:
            self._postings = lexicon.matrix.T.tocsr()

    def _taken(self, histories: Histories) -> sparse.csr_array:
        """(n, n_items) what each event of the histories counts."""
        events = runs_as_one(histories)
        weights = events.weights
        if self.history == "recency":
            later = np.repeat(events.indptr[1:], events.lengths) - 1 - np.arange(len(events.items))
            weights = (weights * 0.5 ** (later / self.half_life)).astype(np.float32)
        shape = (len(events), events.n_items)
        taken = sparse.csr_array((weights, events.items, events.indptr), shape=shape, copy=True)
        taken.sum_duplicates()
        return taken

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        taken = self._taken(histories)
        scores = self._meaning(taken)
        if self._words is not None:
            scores += np.float32(self.lexical) * self._shared(taken, self._words)
            scores /= np.float32(1 + self.lexical)
        return answer_empty(fill_unreached(scores, self._prior), histories, self._prior)

    def _meaning(self, taken: sparse.csr_array) -> NDArray[np.float32]:
        """(n, n_items) cosines of the profiles of histories (n, n_items) and the items' vectors."""
        profiles = taken @ self._vectors
        length = np.linalg.norm(profiles, axis=1, keepdims=True)
        cosines: NDArray[np.float32] = (profiles / np.where(length > 0, length, 1)).astype(np.float32) @ self._vectors.T
        return cosines

    def _shared(self, taken: sparse.csr_array, words: Lexicon) -> NDArray[np.float32]:
        """As ``_meaning``, of the items' words."""
        profiles, length = self._profile(taken, words)
        shared: NDArray[np.float32] = (sparse.diags_array(1 / length) @ profiles @ self._postings).toarray()
        return shared

    @staticmethod
    def _profile(taken: sparse.csr_array, words: Lexicon) -> tuple[sparse.csr_array, NDArray[np.float32]]:
        """The words of histories, (n, terms), and the lengths of these rows, with those of terms not kept."""
        profiles = taken @ words.matrix
        square = profiles.power(2).sum(axis=1) + taken.power(2) @ words.rest
        return profiles, np.sqrt(np.where(square > 0, square, 1)).astype(np.float32)

    def shared_words(self, histories: Histories, items: NDArray[np.integer]) -> list[Shared]:
        """For each item, the terms that it shares with a history, and what each of them adds to its score.

        What the encoder makes of a text is not taken apart.

        Args:
            histories: one row.
            items: (k,) item indices.

        Returns:
            For each item: word or pair of words → its part of the score, and the items of the history that have it.
        """
        words = self._words
        if words is None:
            return [{} for _ in items]
        taken = self._taken(histories)
        profile, length = self._profile(taken, words)
        parts = words.matrix[items].multiply(profile / length).tocsr() * (self.lexical / (1 + self.lexical))
        seen = np.unique(histories.items)
        has = words.matrix[seen].tocsc()
        having = {
            term: frozenset(seen[has.indices[has.indptr[term] : has.indptr[term + 1]]].tolist())
            for term in np.unique(parts.indices).tolist()
        }
        return [
            {
                words.terms[term]: (part, having[term])
                for term, part in zip(parts.indices[start:stop].tolist(), parts.data[start:stop].tolist(), strict=True)
            }
            for start, stop in pairwise(parts.indptr.tolist())
        ]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        words = self._words.arrays() if self._words is not None else {}
        return {"vectors": self._vectors.astype(np.float16), "prior": self._prior, **words}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._set(arrays["vectors"], Lexicon.restore(arrays) if self.lexical else None)
        self._prior = arrays["prior"]
