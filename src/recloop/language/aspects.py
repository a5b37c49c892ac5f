"""What a text talks about, of a list of aspects that each have a few example sentences."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError
from recloop.language.encoder import Encoder

NEAR = 0.42  # cosine to an example from which a clause is about its aspect
_CLAUSES = re.compile(r"[.!?;\n]+|,?\s+\b(?:but|although|however|yet|aber|mais|pero)\b\s*", re.IGNORECASE)
LONGEST = 12  # clauses of a text that are read


def shipped_aspects() -> dict[str, list[str]]:
    """The aspects that come with recloop, each with example sentences.

    >>> sorted(shipped_aspects())[:3]
    ['account', 'app', 'delivery']
    """
    found: dict[str, list[str]] = json.loads(
        files("recloop.language").joinpath("aspects.json").read_text(encoding="utf-8")
    )
    return found


def clauses(text: str) -> list[str]:
    """The parts of a text that say one thing each, as far as punctuation and "but" tell.

    >>> clauses("Great picks! But far too expensive, and late")
    ['Great picks', 'far too expensive, and late']
    """
    found = [part.strip() for part in _CLAUSES.split(text) if part and part.strip()]
    return (found or [text])[:LONGEST]


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of example sentences that were placed by the others: leave-one-out.

    Attributes:
        n: sentences.
        right: of them, in their own aspect.
        wrong: in another one; all others were near to none.

    >>> print(Placed(50, 30, 5))
    of 50 example sentences, each placed by the others, 60% in their aspect, 30% in none, 10% in a wrong one
    """

    n: int
    right: int
    wrong: int

    def __str__(self) -> str:
        right, wrong = self.right / self.n, self.wrong / self.n
        return (
            f"of {self.n:,} example sentences, each placed by the others, {right:.0%} in their aspect, "
            f"{1 - right - wrong:.0%} in none, {wrong:.0%} in a wrong one"
        )


class Aspects:
    """Says which aspects a clause is about: those with an example sentence near it.

    Nothing is trained: the examples are the definition, and a reader may bring others.

    Attributes:
        accuracy: on the examples themselves, each placed by the others; None with a single example.

    Args:
        encoder: of the clauses.
        examples: aspect → sentences about it, whatever their mood; the shipped ones where None.
        near: cosine that counts as near.

    Raises:
        SettingError: an aspect has no example.

    >>> from recloop.language import load_encoder
    >>> encoder = load_encoder()
    >>> aspects = Aspects(encoder)
    >>> found = aspects.of(encoder.encode(["way too expensive for me", "hello there"]))
    >>> [[aspects.names[place] for place in np.flatnonzero(row)] for row in found]
    [['price'], []]
    """

    def __init__(
        self, encoder: Encoder, examples: Mapping[str, Sequence[str]] | None = None, *, near: float = NEAR
    ) -> None:
        given = shipped_aspects() if examples is None else examples
        for name, sentences in given.items():
            if isinstance(sentences, str) or not sentences:
                raise SettingError(
                    f"the aspect '{name}' has no list of examples", allowed="give some sentences about it"
                )
        self.names, self.near = tuple(given), near
        self._owner = np.repeat(np.arange(len(self.names)), [len(given[name]) for name in self.names])
        self._examples = encoder.encode([sentence for name in self.names for sentence in given[name]])
        self.accuracy = self._left_out() if len(self._owner) > 1 else None

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(n, aspects) bool for (n, d) vectors: the aspect nearest to each clause, where it is near at all."""
        cosines = vectors @ self._examples.T
        best = cosines.argmax(axis=1)
        found = np.zeros((len(vectors), len(self.names)), dtype=bool)
        rows = np.flatnonzero(cosines[np.arange(len(vectors)), best] >= self.near) if len(vectors) else np.empty(0, int)
        found[rows, self._owner[best[rows]]] = True
        return found

    def _left_out(self) -> Placed:
        cosines = self._examples @ self._examples.T
        np.fill_diagonal(cosines, -1.0)
        best = cosines.argmax(axis=1)
        near = cosines[np.arange(len(best)), best] >= self.near
        own = self._owner[best] == self._owner
        return Placed(len(best), int((near & own).sum()), int((near & ~own).sum()))
