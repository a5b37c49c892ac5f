from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import TEXT_COLUMNS, Dataset
from recloop.errors import DataError
from recloop.language.cache import CachedEncoder
from recloop.language.encoder import Encoder, load_encoder
from recloop.progress import SILENT, Progress


def vectors(
    dataset: Dataset, encoder: str | Encoder = "default", *, cache: Path | None = None, progress: Progress = SILENT
) -> NDArray[np.float32]:
    """(n_items, d) float32: the text of each item as a vector of length 1, through the cache on disk.

    Items without text get the zero vector. The mean of the catalogue is taken away first: sentence encoders put all
    texts of one trade into a narrow cone, and what tells items apart is their direction from its axis (Mu & Viswanath
    2018, "All-but-the-top", section 2.2, without its second step).

    Args:
        dataset: its catalogue is read, see ``Dataset.item_texts``.
        encoder: a source for ``load_encoder``, or an encoder.
        cache: folder of the cache, None for the default one.
        progress: who watches.

    Raises:
        DataError: no item has text.
        ExtraError: the extra ``text`` is not installed.

    >>> import polars as pl
    >>> catalogue = pl.DataFrame({"item": ["x", "y", "z"], "title": ["red shoes", "blue shoes", None]})
    >>> dataset = Dataset.of(pl.DataFrame({"user": ["a"], "item": ["x"]}), catalogue)
    >>> found = vectors(dataset)
    >>> found.shape, bool((found[2] == 0).all())
    ((3, 384), True)
    """
    texts = dataset.item_texts()
    filled = np.array([bool(text.strip()) for text in texts], dtype=bool)
    if not filled.any():
        raise DataError(
            f"none of the {len(texts):,} items has a text",
            allowed=f"the catalogue needs one of the columns {', '.join(TEXT_COLUMNS)}",
            advice="give a table of items with a title, or leave out the strategy 'content'",
        )
    chosen = load_encoder(encoder) if isinstance(encoder, str) else encoder
    found = np.zeros((len(texts), chosen.dimension), np.float32)
    written = [text for text, there in zip(texts, filled, strict=True) if there]
    found[filled] = CachedEncoder(chosen, cache).encode(written, progress)
    return centred(found, filled)


def centred(vectors: NDArray[np.float32], filled: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Rows minus the mean of the ``filled`` ones, at length 1; the others stay 0, and so does a row at the mean.

    >>> print(centred(np.eye(2, dtype=np.float32), np.array([True, True])).round(3))
    [[ 0.707 -0.707]
     [-0.707  0.707]]
    """
    moved = np.where(filled[:, None], vectors - vectors[filled].mean(axis=0, dtype=np.float64), 0).astype(np.float32)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    far = length > 1e-4  # below is rounding: a catalogue of one text has no directions
    return np.where(far, moved / np.where(far, length, 1), 0).astype(np.float32)
