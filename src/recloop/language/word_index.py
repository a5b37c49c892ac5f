from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.language.lexicon import singular, word_table, words

K1, B = 1.2, 0.75


@dataclass(frozen=True, eq=False)
class WordIndex:
    """Which texts hold which words, and how much each word says of a text: BM25.

    A word q counts ``idf(q) x f (k1 + 1) / (f + k1 (1 - b + b l / mean l))`` in a text of l words that holds it f
    times, with ``idf(q) = ln(1 + (n - m + 0.5) / (m + 0.5))`` for m of n texts that hold it, k1 = 1.2 and b = 0.75.
    One of many is read as the one: comedies as comedy. Source: Robertson and Zaragoza 2009, "The Probabilistic
    Relevance Framework: BM25 and Beyond", section 3; the idf is that of Lucene, which is never negative.

    Attributes:
        places: word to column.
        matrix: (n_texts, words) float32 sparse by column.

    >>> index = WordIndex.of(["Comedies of war", "War and peace", "Heat"])
    >>> index.score("a comedy about war").round(1).astype(str).tolist()
    ['1.3', '0.4', '0.0']
    """

    places: Mapping[str, int]
    matrix: sparse.csc_array

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """The index of texts; "" where there is none."""
        table = word_table(texts)
        forms = table["word"].unique()
        table = table.with_columns(
            word=table["word"].replace_strict(forms, pl.Series([singular(form) for form in forms], dtype=pl.String))
        ).with_columns(length=pl.len().over("text"))
        counts = table.group_by("text", "word").agg(f=pl.len(), length=pl.first("length")).sort("word", "text")
        held = counts.group_by("word", maintain_order=True).agg(m=pl.len()).with_row_index("place")
        counts = counts.join(held, on="word", maintain_order="left")
        mean = max(1.0, table.height / max(1, table["text"].n_unique()))
        f, length, m = (counts[name].to_numpy().astype(np.float64) for name in ("f", "length", "m"))
        idf = np.log1p((len(texts) - m + 0.5) / (m + 0.5))
        data = idf * f * (K1 + 1) / (f + K1 * (1 - B + B * length / mean))
        matrix = sparse.csc_array(
            (data.astype(np.float32), (counts["text"].to_numpy(), counts["place"].to_numpy())),
            shape=(len(texts), held.height),
        )
        return cls(dict(zip(held["word"].to_list(), held["place"].to_list(), strict=True)), matrix)

    def score(self, text: str) -> NDArray[np.float32]:
        """(n_texts,) how well each text fits the words, 0 where it holds none of them."""
        return np.asarray(self.matrix[:, self._known(text)].sum(axis=1), dtype=np.float32)

    def holding_all(self, text: str) -> NDArray[np.bool_]:
        """(n_texts,) which texts hold every word; none where the text has no word."""
        if not words(text) or not all(singular(word) in self.places for word in words(text)):
            return np.zeros(self.matrix.shape[0], dtype=bool)
        known = self._known(text)
        found: NDArray[np.bool_] = (self.matrix[:, known] > 0).sum(axis=1) == len(known)
        return found

    def _known(self, text: str) -> list[int]:
        """The columns of the words of a text, each once."""
        return sorted({self.places[form] for word in words(text) if (form := singular(word)) in self.places})
