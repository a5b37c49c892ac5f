"""A labeller learned from labelled texts, measured, kept, and put to use."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.feedback import table_of
from recloop.errors import DataError, nearest
from recloop.language.encoder import Encoder, load_encoder
from recloop.language.labels import Agreement, Labeller, cross_validated
from recloop.language.labels.grams import plain_words
from recloop.language.labels.labeller import ENCODER
from recloop.language.masking import masked
from recloop.loop.folder import whole_file, whole_folder
from recloop.neural.extra import require_lm
from recloop.progress import SILENT, Progress

MEASURED = 4_000  # texts on which it is measured


class Learned(NamedTuple):
    """A labeller, and where it is."""

    folder: Path
    labeller: Labeller
    texts: int


def learn_labels(
    path: Path,
    folder: Path,
    *,
    text: str = "text",
    label: str = "label",
    encoder: str = "default",
    fit: bool = False,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Learned:
    """Learn a labeller from a table of labelled texts, measure it by five folds, and write it into a new folder.

    Rows without a label tell which words are common. With ``fit`` the encoder is fine-tuned to the labels as well; the
    measure is that of the labeller with the encoder as it was, which is the lower of both as a rule, since measuring
    the fitted one takes five trainings.

    Args:
        path: Parquet, CSV, TSV or JSON lines.
        folder: must not exist.
        text: column of the texts.
        label: column of the labels.
        encoder: a source for ``load_encoder``.
        fit: fine-tune the encoder; needs the extra ``lm``.
        epochs: of that; by the number of labels where None.
        seed: of folds and training.
        progress: shows how far it has come.

    Raises:
        MissingError: there is no such file.
        DataError: a column is missing, or there are fewer than two labels, or one has a single text.
        ConflictError: the folder exists.
        ExtraError: the extra ``text``, or ``lm`` with ``fit``, is not installed.
    """
    if fit:
        require_lm("fitting an encoder to labels")
    frame = table_of(path)
    for name in (text, label):
        if name not in frame.columns:
            raise DataError(f"{path} has no column '{name}'", advice=nearest(name, frame.columns))
    given = frame.select(text=pl.col(text).cast(pl.String), label=pl.col(label).cast(pl.String))
    given = given.filter(pl.col("text").fill_null("").str.strip_chars() != "")
    given = given.with_columns(pl.Series("text", masked(given["text"].to_list()), dtype=pl.String))
    known = given.filter(pl.col("label").fill_null("") != "")
    texts, labels = known["text"].to_list(), known["label"].to_list()
    others = given.filter(pl.col("label").fill_null("") == "")["text"].to_list()
    if not texts:
        raise DataError(f"no row of {path} has a text and a label", advice="name the columns: --text, --label")
    read = load_encoder(encoder)
    with whole_folder(folder) as draft:
        vectors = read.encode([plain_words(one) for one in texts], progress)
        agreement = _measure(texts, labels, vectors, read, others, seed, progress)
        source = encoder
        if fit:
            source = str(draft / ENCODER)
            _fit(texts, labels, encoder, draft / ENCODER, epochs, seed, progress)
        labeller = Labeller.learn(
            texts, labels, load_encoder(source), others=others, vectors=None if fit else vectors, agreement=agreement,
            progress=progress,
        )  # fmt: skip
        labeller.save(draft)
    return Learned(folder, labeller, len(texts))


def _measure(
    texts: list[str],
    labels: list[str],
    vectors: NDArray[np.float32],
    encoder: Encoder,
    others: list[str],
    seed: int,
    progress: Progress,
) -> Agreement:
    names = tuple(sorted(set(labels)))
    y = np.array([names.index(one) for one in labels])
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(len(y), MEASURED, replace=False)) if len(y) > MEASURED else np.arange(len(y))
    drawn = np.union1d(drawn, np.concatenate([np.flatnonzero(y == c)[:5] for c in range(len(names))]))
    y = y[drawn]

    with progress.task("measure the labeller", total=5) as advance:

        def predict(known: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
            own = drawn[known]
            found = Labeller.learn(
                [texts[i] for i in own], [labels[i] for i in own], encoder, others=others, vectors=vectors[own]
            )
            given = found.probabilities([texts[i] for i in drawn[asked]], vectors=vectors[drawn[asked]]).argmax(axis=1)
            advance(1)
            return np.array([names.index(found.names[i]) for i in given])

        return cross_validated(y, names, predict, seed=seed)


def _fit(
    texts: list[str], labels: list[str], encoder: str, folder: Path, epochs: int | None, seed: int, progress: Progress
) -> None:
    from recloop.language.finetune.labels import LabelTuning, tune_to_labels

    names = sorted(set(labels))
    y = np.array([names.index(one) for one in labels])
    settings = LabelTuning.for_labels(len(y), len(names), encoder=encoder, epochs=epochs, seed=seed)
    tune_to_labels([plain_words(one) for one in texts], y, len(names), folder, settings, progress=progress)


def label_texts(
    path: Path, labeller: Path, target: Path, *, text: str = "text", progress: Progress = SILENT
) -> dict[str, int]:
    """Add the columns ``label`` and ``label_probability`` to a table, as Parquet; how many texts got each label.

    A text without a letter, blank or of emoji, gets no label.

    Raises:
        MissingError: there is no such file.
        DataError: the column of texts is missing.
        ArtifactError: there is no labeller in the folder.
    """
    frame = table_of(path)
    if text not in frame.columns:
        raise DataError(f"{path} has no column '{text}'", advice=nearest(text, frame.columns))
    known = Labeller.load(labeller)
    texts = frame[text].cast(pl.String).fill_null("").to_list()
    found = known.probabilities(masked(texts), progress)
    names = np.array(known.names)[found.argmax(axis=1)]
    blank = frame[text].cast(pl.String).fill_null("").str.count_matches(r"\p{L}") == 0
    told = frame.with_columns(
        label=pl.Series(names.tolist(), dtype=pl.String), label_probability=pl.Series(found.max(axis=1))
    )
    told = told.with_columns(pl.when(~blank).then(pl.col(name)).alias(name) for name in ("label", "label_probability"))
    with whole_file(target) as draft:
        told.write_parquet(draft)
    return dict(told["label"].drop_nulls().value_counts(sort=True).iter_rows())
