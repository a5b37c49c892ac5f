"""Sorts texts into classes that people defined by examples."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.errors import ArtifactError, DataError
from recloop.language.encoder import Encoder, load_encoder
from recloop.language.extra import require_text_extra
from recloop.language.labels.grams import BUCKETS, Grams, plain_words
from recloop.language.labels.measure import Agreement
from recloop.language.labels.softmax import SoftmaxHead, log_softmax
from recloop.progress import SILENT, Progress

ENCODER = "encoder"  # the folder of a fitted encoder inside that of a labeller
NOTE, HEADS = "labeller.json", "heads.safetensors"
VECTOR_RIDGE, GRAM_RIDGE = 1.0, 0.1
BALANCE = 0.7  # of labels that are a draw of all texts
COMMON = 2.0  # power of the share of a class among texts without labels
ENOUGH = 200  # texts without labels from which that share is taken
MOST = 1_500  # of them that are read for it


@dataclass(frozen=True, eq=False)
class Labeller:
    """Which class a text is of, by two views of it that err differently.

    One view is a softmax head on the vectors of an encoder, frozen or fitted to the labels; the other is one on runs
    of letters (``Grams``), which knows the words of this very collection. Their log-probabilities are averaged (a
    product of experts: Hinton 2002, "Training products of experts by minimizing contrastive divergence", equation 1,
    with equal powers).

    Labels are often gathered evenly, some of each class, while the classes are not equally common. Where there are
    texts without labels as well, the mean probability of each class among them tells how common it is, and enters into
    the probabilities (Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities", equation 2.4; with the power 2, since such a mean is drawn towards even shares).

    Attributes:
        names: of the classes, sorted.
        encoder: of the one view.
        view: its head.
        grams, letters: the other view: its features, and its head on those that count.
        common: (classes,) what is added to the log-probabilities for how common each class is.
        agreement: what was measured on texts not learned from; None where nothing was.
    """

    names: tuple[str, ...]
    encoder: Encoder
    view: SoftmaxHead
    grams: Grams
    letters: SoftmaxHead
    common: NDArray[np.float64]
    agreement: Agreement | None = None

    @classmethod
    def learn(
        cls,
        texts: Sequence[str],
        labels: Sequence[str],
        encoder: str | Encoder = "default",
        *,
        others: Sequence[str] = (),
        vectors: NDArray[np.float32] | None = None,
        agreement: Agreement | None = None,
        progress: Progress = SILENT,
    ) -> Self:
        """Learn from labelled texts.

        Args:
            texts: (n,) in any language that the encoder reads.
            labels: (n,) of at least two classes.
            encoder: a source for ``load_encoder``, or an encoder.
            others: texts without labels, which tell what words are common; from 200 on also how common each class is.
            vectors: (n, d) of the texts by this encoder, where they are at hand.
            agreement: what is known of how right it is.
            progress: shows how far it has come.

        Raises:
            DataError: lengths differ, or there are fewer than two classes.
            ExtraError: the extra ``text`` is not installed.

        >>> bags = ["where is my bag", "my bag is lost", "lost luggage"]
        >>> late = ["late again", "hours late", "a late plane"]
        >>> labeller = Labeller.learn(bags + late, ["bag"] * 3 + ["late"] * 3)
        >>> labeller.label(["they lost my suitcase", "the flight is three hours late"])
        ['bag', 'late']
        """
        if len(texts) != len(labels):
            raise DataError(f"{len(texts)} texts come with {len(labels)} labels", allowed="one label per text")
        names = tuple(sorted(set(labels)))
        if len(names) < 2:
            raise DataError(f"the labels name {len(names)} class", allowed="at least two are wanted")
        place = {name: i for i, name in enumerate(names)}
        y = np.array([place[label] for label in labels])
        read = load_encoder(encoder) if isinstance(encoder, str) else encoder
        found = read.encode([plain_words(text) for text in texts], progress) if vectors is None else vectors
        grams = Grams.of([*texts, *others])
        n, even = len(names), len(others) >= ENOUGH
        balance = 1.0 if even else BALANCE
        labeller = cls(
            names=names,
            encoder=read,
            view=SoftmaxHead.fit(found.astype(np.float64), y, n, ridge=VECTOR_RIDGE, balance=balance),
            grams=grams,
            letters=SoftmaxHead.fit(_kept(grams, texts), y, n, ridge=GRAM_RIDGE, balance=balance),
            common=np.zeros(n),
            agreement=agreement,
        )
        if not even:
            return labeller
        some = [others[place] for place in np.linspace(0, len(others) - 1, min(len(others), MOST)).astype(int)]
        share = labeller.probabilities(some, progress).mean(axis=0)
        return replace(labeller, common=COMMON * np.log(share))

    def probabilities(
        self, texts: Sequence[str], progress: Progress = SILENT, *, vectors: NDArray[np.float32] | None = None
    ) -> NDArray[np.float64]:
        """(n, classes) that sum to 1 in each row; ``vectors`` where they are at hand."""
        if vectors is None:
            vectors = self.encoder.encode([plain_words(text) for text in texts], progress)
        views = self.view.logs(vectors.astype(np.float64)) + self.letters.logs(_kept(self.grams, texts))
        found: NDArray[np.float64] = np.exp(log_softmax(views / 2 + self.common))
        return found

    def label(self, texts: Sequence[str], progress: Progress = SILENT) -> list[str]:
        """The likeliest class of each text."""
        return [self.names[place] for place in self.probabilities(texts, progress).argmax(axis=1)] if texts else []

    # ---- the folder

    def save(self, folder: Path) -> None:
        """Write into a folder that is there; a fitted encoder lies in its folder ``encoder`` already."""
        from safetensors.numpy import save_file

        buckets = np.flatnonzero(self.grams.weights)
        arrays = {
            "view.weights": self.view.weights,
            "view.intercept": self.view.intercept,
            "letters.weights": self.letters.weights,
            "letters.intercept": self.letters.intercept,
            "common": self.common,
            "grams.weights": self.grams.weights[buckets],
        }
        kept = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
        save_file({**kept, "grams.buckets": buckets.astype(np.int32)}, folder / HEADS)
        fitted = (folder / ENCODER).is_dir()
        note = {
            "names": self.names,
            "encoder": ENCODER if fitted else self.encoder.name,
            "fingerprint": self.encoder.fingerprint,
            "agreement": None if self.agreement is None else asdict(self.agreement),
        }
        (folder / NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, encoder: str | Encoder = "default") -> Self:
        """The labeller in a folder.

        Args:
            folder: that ``save`` wrote.
            encoder: the encoder that it was learned with, where it does not bring its own.

        Raises:
            ArtifactError: the folder holds none, is damaged, or was learned with another encoder.
            ExtraError: the extra ``text`` is not installed.
        """
        require_text_extra("a labeller")
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            note: dict[str, Any] = json.loads((folder / NOTE).read_text(encoding="utf-8"))
            arrays = load_file(folder / HEADS)
            weights = np.zeros(BUCKETS, np.float32)
            weights[arrays["grams.buckets"]] = arrays["grams.weights"]
            heads = [
                SoftmaxHead(
                    arrays[f"{part}.weights"].astype(np.float64), arrays[f"{part}.intercept"].astype(np.float64)
                )
                for part in ("view", "letters")
            ]
            common = arrays["common"].astype(np.float64)
            names, agreement = tuple(note["names"]), note["agreement"] and Agreement(**note["agreement"])
            own, fingerprint = note["encoder"] == ENCODER, note["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise ArtifactError(
                f"{folder} holds no labeller ({error})", advice="make one: recloop ux learn-labels"
            ) from error
        read = (
            load_encoder(str(folder / ENCODER))
            if own
            else load_encoder(encoder)
            if isinstance(encoder, str)
            else encoder
        )
        if read.fingerprint != fingerprint:
            raise ArtifactError(
                f"the labeller in {folder} was learned with another encoder",
                advice="learn it again, or name that encoder",
            )
        return cls(names, read, heads[0], Grams(weights), heads[1], common, agreement)


def _kept(grams: Grams, texts: Sequence[str]) -> sparse.csr_array:
    """The columns of the runs that count."""
    found: sparse.csr_array = grams.encode(texts)[:, np.flatnonzero(grams.weights)]
    return found
