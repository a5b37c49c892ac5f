from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

WORDS = 128  # of a text that are read: about what an encoder reads of a long one
# Scripts that write no spaces are read character by character; their words are pairs of characters
_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}']+"


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The words of a catalogue, and pairs of neighbouring words, with what each tells of an item.

    An encoder sees what a text is about; the words see that two games are of one series and for one console. A term
    counts once per text, with the weight ``ln((1 + n) / (1 + items that have it)) + 1``, and a row is brought to length
    1 (binary term frequency, inverse document frequency, cosine: Salton & Buckley 1988, "Term-weighting approaches in
    automatic text retrieval", table 1). A term that one item alone has makes it like no other: it counts in the length
    of the row, and is not kept.

    Attributes:
        terms: (t,) words, and pairs with a space between, sorted.
        weights: (t,) float32.
        matrix: (n_items, t) float32 sparse.
        rest: (n_items,) float32, what the terms that are not kept add to the squared length of a row: 1 with it, or 0
            where an item has no text.

    >>> lexicon = Lexicon.of(["FIFA 09 (PS3)", "FIFA 10 (PS3)", "Halo 3"])
    >>> lexicon.terms
    ('fifa', 'ps3')
    >>> (lexicon.matrix @ lexicon.matrix.T).toarray()[0].round(2).astype(str).tolist()
    ['0.28', '0.28', '0.0']
    """

    terms: tuple[str, ...]
    weights: NDArray[np.float32]
    matrix: sparse.csr_array
    rest: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """The lexicon of a catalogue, one text per item; "" where an item has none."""
        n = len(texts)
        found = term_table(texts)
        counted = found.group_by("term").agg(items=pl.len()).sort("term")
        counted = counted.with_columns(weight=((1 + n) / (1 + pl.col("items"))).log() + 1)
        kept = counted.filter(pl.col("items") > 1).with_row_index("place")
        entries = found.join(counted, on="term").join(kept.select("term", "place"), on="term", how="left")
        square = _squares(entries, n)
        alone = entries.filter(pl.col("place").is_null())
        rest = _squares(alone, n) / np.where(square, square, 1)
        matrix = _matrix(entries.filter(pl.col("place").is_not_null()), square, (n, kept.height))
        weights = kept["weight"].to_numpy().astype(np.float32)
        return cls(tuple(kept["term"].to_list()), weights, matrix, rest.astype(np.float32))

    def encode(self, texts: Sequence[str]) -> sparse.csr_array:
        """(n, t) float32 sparse: other texts in these terms, rows of length 1, or 0 where no term is known."""
        known = pl.DataFrame({"term": pl.Series(self.terms, dtype=pl.String), "weight": self.weights}).with_row_index(
            "place"
        )
        entries = term_table(texts).join(known, on="term")
        return _matrix(entries, _squares(entries, len(texts)), (len(texts), len(self.terms)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, by name, to be saved."""
        return {
            "terms": np.frombuffer("\n".join(self.terms).encode(), dtype=np.uint8),
            "term_weights": self.weights,
            "term_data": self.matrix.data,
            "term_indices": self.matrix.indices.astype(np.int32),
            "term_indptr": self.matrix.indptr.astype(np.int64),
            "term_rest": self.rest,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of ``arrays``."""
        terms = tuple(arrays["terms"].tobytes().decode().split("\n")) if len(arrays["terms"]) else ()
        indptr = arrays["term_indptr"]
        matrix = sparse.csr_array(
            (arrays["term_data"], arrays["term_indices"], indptr), shape=(len(indptr) - 1, len(terms))
        )
        return cls(terms, arrays["term_weights"], matrix, arrays["term_rest"])


def words(text: str) -> list[str]:
    """The words of a text, in order and in small letters, as the lexicon reads them.

    >>> words("Zelda: Majora's Mask (3DS), 時の")
    ['zelda', "majora's", 'mask', '3ds', '時', 'の']
    """
    found: list[str] = word_table([text])["word"].to_list()
    return found


def singular(word: str) -> str:
    """One of many as the one, by English endings.

    >>> [singular(word) for word in ("comedies", "films", "children's", "glass")]
    ['comedy', 'film', 'children', 'glass']
    """
    word = word.removesuffix("'s").strip("'")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def word_table(texts: Sequence[str]) -> pl.DataFrame:
    """text, word: the words of each text, in order."""
    frame = pl.DataFrame({"word": pl.Series(texts, dtype=pl.String)}).with_row_index("text")
    return (
        frame.with_columns(pl.col("word").str.to_lowercase().str.extract_all(_WORD).list.head(WORDS))
        .explode("word")
        .filter(pl.col("word").is_not_null())
    )


def term_table(texts: Sequence[str]) -> pl.DataFrame:
    """text, term: each word and each pair of neighbours, once per text."""
    single = word_table(texts)
    pairs = single.with_columns(
        word=pl.col("word") + " " + pl.col("word").shift(-1),
        text=pl.when(pl.col("text") == pl.col("text").shift(-1)).then("text"),
    ).drop_nulls()
    return pl.concat([single, pairs]).rename({"word": "term"}).unique()


def _squares(entries: pl.DataFrame, n: int) -> NDArray[np.float64]:
    """(n,) the squared length of each row."""
    return np.bincount(entries["text"], entries["weight"].to_numpy().astype(np.float64) ** 2, n).astype(np.float64)


def _matrix(entries: pl.DataFrame, square: NDArray[np.float64], shape: tuple[int, int]) -> sparse.csr_array:
    """The weights of terms (text, place, weight) over the lengths of the rows."""
    entries = entries.sort("text", "place")
    rows = entries["text"].to_numpy()
    data = (entries["weight"].to_numpy() / np.sqrt(square[rows])).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))]).astype(np.int64)
    return sparse.csr_array((data, entries["place"].to_numpy().astype(np.int32), indptr), shape=shape)
