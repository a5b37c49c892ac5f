import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError, SettingError
from recloop.language.cache import CachedEncoder
from recloop.language.encoder import Encoder, load_encoder
from recloop.progress import SILENT, Progress
from recloop.stats.auc import auc

RIDGES = np.logspace(-2, 2, 41)
CLASSES = {"positive": 1.0, "neutral": 0.0, "negative": -1.0}
MEMORY = 500_000  # scores in memory after which it starts anew
BORDER = 1 / 3  # below it a score counts as neutral


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well scores agree with labels that people gave.

    Attributes:
        n: labelled texts.
        auc: probability that a positive text scores above a negative one; 0.5 is chance.
        agreement: share of the texts whose score lies on the side that the label says, a third to either side of 0
            counting as neutral.

    >>> print(Accuracy(n=200, auc=0.931, agreement=0.7))
    on 200 labelled texts: AUC 0.931 (positive against negative), 70% put in the right class of three
    """

    n: int
    auc: float
    agreement: float

    def __str__(self) -> str:
        return (
            f"on {self.n:,} labelled texts: AUC {self.auc:.3f} (positive against negative), "
            f"{self.agreement:.0%} put in the right class of three"
        )


class Sentiment:
    """How pleased a text sounds, from -1 to 1: a linear head on the vectors of a frozen encoder.

    The head is a ridge regression of the labels -1, 0 and 1, so that a score is the expected label. It is solved in
    closed form when the object is made, from some two hundred short sentences that come with recloop; the strength of
    the ridge is the one with the least squared leave-one-out error (Hastie, Tibshirani & Friedman 2009, "The elements
    of statistical learning", equation 7.64). The scores are meant for means over many texts: a single score is often
    wrong. Where you have labelled texts, ``measure`` says how often.

    Nothing of a scored text goes to disk, not even its vector, from which much of it could be read. What is kept in
    memory is its hash and its score.

    Attributes:
        accuracy: on the examples themselves, each scored by the others (leave-one-out).

    Args:
        encoder: a source for ``load_encoder``, or an encoder.
        examples: (text, label) pairs with labels in [-1, 1], in place of the shipped ones.

    Raises:
        DataError: the examples are all of one label.
        ExtraError: the extra ``text`` is not installed.

    >>> mood = Sentiment()
    >>> good, bad = mood.score(["I really enjoyed this", "it broke and nobody helped me"])
    >>> bool(good > 0.3), bool(bad < -0.3)
    (True, True)
    """

    def __init__(
        self, encoder: str | Encoder = "default", *, examples: Sequence[tuple[str, float]] | None = None
    ) -> None:
        self.encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
        pairs = shipped_examples() if examples is None else examples
        labels = np.array([label for _, label in pairs], dtype=np.float64)
        if not len(labels) or labels.min() == labels.max():
            raise DataError(
                f"the {len(labels)} examples do not differ in their label",
                allowed="positive and negative examples are needed",
            )
        if not (np.abs(labels) <= 1).all():
            raise SettingError("an example has a label outside [-1, 1]", advice="1 is positive, 0 neutral, -1 negative")
        found = CachedEncoder(self.encoder).encode([text for text, _ in pairs]).astype(np.float64)
        self._weights, self._intercept, left_out = _ridge(found, labels)
        self.accuracy = _accuracy(left_out, np.sign(labels))
        self._known: dict[bytes, float] = {}

    def score(self, texts: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """(n,) float32 in [-1, 1]; 0 where a text is blank. The same text is encoded once per object.

        Raises:
            SettingError: ``texts`` is one string.
        """
        if isinstance(texts, str):
            raise SettingError("one text was given where a list is wanted", advice="write score([text])")
        keys = [blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        known = self._known if len(self._known) < MEMORY else {}
        fresh = {key: text.strip() for key, text in zip(keys, texts, strict=True) if key not in known}
        if fresh:
            found = self.encoder.encode(list(fresh.values()), progress) @ self._weights + self._intercept
            said = [bool(text) for text in fresh.values()]
            known.update(zip(fresh, np.where(said, np.clip(found, -1, 1), 0.0).tolist(), strict=True))
            self._known = known
        return np.fromiter(map(known.__getitem__, keys), np.float32, count=len(keys))

    def of_vectors(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) the scores of texts that the same encoder has turned into vectors already; nothing is kept."""
        return np.clip(vectors @ self._weights + self._intercept, -1, 1).astype(np.float32)

    def measure(self, texts: Sequence[str], labels: Sequence[float] | NDArray[Any]) -> Accuracy:
        """How well the scores agree with labels: above 0 is positive, below is negative.

        Raises:
            SettingError: there are not as many labels as texts.
            DataError: the labels lack positive or negative ones.
        """
        given = np.sign(np.asarray(labels, dtype=np.float64))
        if len(given) != len(texts):
            raise SettingError(f"{len(texts)} texts come with {len(given)} labels", allowed="one label per text")
        if not ((given > 0).any() and (given < 0).any()):
            raise DataError("the labels are not both positive and negative", allowed="at least one of each is needed")
        return _accuracy(self.score(texts), given)


def shipped_examples() -> list[tuple[str, float]]:
    """The labelled sentences that come with recloop.

    >>> len(shipped_examples()) >= 200
    True
    """
    stored = json.loads(files("recloop.language").joinpath("sentences.json").read_text(encoding="utf-8"))
    return [(text, label) for name, label in CLASSES.items() for text in stored[name]]


def _accuracy(scores: NDArray[np.floating], truth: NDArray[np.floating]) -> Accuracy:
    """Of scores against labels -1, 0 and 1."""
    classes = np.where(np.abs(scores) < BORDER, 0, np.sign(scores))
    return Accuracy(
        n=len(truth), auc=auc(scores[truth > 0], scores[truth < 0]), agreement=float((classes == truth).mean())
    )


def _ridge(X: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Weights, intercept and what each example is predicted to be by the others; in the dual, since there are fewer
    examples than dimensions.
    """
    centre, level = X.mean(axis=0), float(y.mean())
    Z, target = X - centre, y - level
    values, axes = np.linalg.eigh(Z @ Z.T)
    rotated = axes.T @ target
    errors, missed = [], []
    for ridge in RIDGES:
        shrink = np.maximum(values, 0) / (np.maximum(values, 0) + ridge)
        left_out = (target - axes @ (shrink * rotated)) / (1 - 1 / len(y) - (axes**2) @ shrink)
        missed.append(left_out)
        errors.append(float(np.square(left_out).mean()))
    place = int(np.argmin(errors))
    best = RIDGES[place]
    weights = Z.T @ (axes @ (rotated / (np.maximum(values, 0) + best)))
    return weights, level - float(centre @ weights), y - missed[place]
