"""Texts said otherwise: what a training sees instead of the same words each time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAREST = 4  # words that may stand for a word
BLOCK = 1024  # rows of the table of words that are compared at a time


@dataclass(frozen=True)
class Augmentation:
    """Chances of what happens to a text. See ``Finetune``."""

    word_dropout: float = 0.0
    shuffle_fields: float = 0.0

    def __call__(self, fields: Sequence[str], rng: np.random.Generator) -> str:
        """Fields as one text, perhaps in another order and without some words; at least one word stays.

        >>> Augmentation()(["Alien", "horror"], np.random.default_rng(0))
        'Alien. horror'
        >>> Augmentation(shuffle_fields=0.99, word_dropout=0.5)(["The old lamp", "home"], np.random.default_rng(4))
        'The lamp.'
        """
        order = list(fields)
        if self.shuffle_fields and len(order) > 1 and rng.random() < self.shuffle_fields:
            order = [order[place] for place in rng.permutation(len(order))]
        text = ". ".join(order)
        if not self.word_dropout:
            return text
        words = text.split()
        kept = rng.random(len(words)) >= self.word_dropout
        return " ".join(word for word, stays in zip(words, kept, strict=True) if stays) if kept.any() else text


class Synonyms:
    """Words replaced by near ones, by the encoder's own table of word vectors: no dictionary is needed.

    As Jiao et al. 2020, "TinyBERT", section 3.3, with the table for their GloVe vectors. Whole words only: a piece of a
    word has no meaning of its own.

    Args:
        table: (vocabulary, width) word vectors.
        tokens: the word of each row.
        used: ids of the words that occur in the texts.
        share: of the words that are replaced.
    """

    def __init__(
        self, table: NDArray[np.float32], tokens: Sequence[str], used: NDArray[np.integer], share: float
    ) -> None:
        self.share = share
        self.pieces = np.array([token.startswith("##") for token in tokens], dtype=bool)
        words = np.array([token.isalpha() and len(token) > 2 for token in tokens], dtype=bool)
        length = np.linalg.norm(table, axis=1, keepdims=True)
        unit = table / np.where(length > 0, length, 1)
        others = np.flatnonzero(words)
        self.near = np.tile(np.arange(len(tokens))[:, None], (1, NEAREST))
        asked = np.asarray(used)[words[used]]
        if len(others) <= NEAREST + 1:
            return
        for start in range(0, len(asked), BLOCK):
            rows = asked[start : start + BLOCK]
            cosines = unit[rows] @ unit[others].T
            cosines[others[None] == rows[:, None]] = -np.inf
            self.near[rows] = others[np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]]

    def __call__(self, ids: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """(n, length) ids → the same with some words replaced."""
        begins = np.zeros(ids.shape, dtype=bool)  # words of several pieces
        begins[:, :-1] = self.pieces[ids[:, 1:]]
        chosen = (rng.random(ids.shape) < self.share) & ~begins
        others = np.take_along_axis(self.near[ids], rng.integers(NEAREST, size=(*ids.shape, 1)), axis=2)[..., 0]
        return np.where(chosen, others, ids)
