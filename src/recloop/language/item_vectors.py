from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import TEXT_COLUMNS, Dataset
from recloop.errors import DataError
from recloop.language.cache import CachedEncoder
from recloop.language.encoder import Encoder, load_encoder
from recloop.progress import SILENT, Progress


def vectors(
    dataset: Dataset,
    encoder: str | Encoder = "default",
    *,
    whitening: float = 0.0,
    template: str = "",
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> NDArray[np.float32]:
    """(n_items, d) float32: the text of each item as a vector of length 1, through the cache on disk.

    The vectors are centred (see ``spread``). Items without text get the zero vector, which is as near to anything as
    the average item.

    Args:
        dataset: its catalogue is read, see ``Dataset.item_texts``.
        encoder: a source for ``load_encoder``, or an encoder.
        whitening: see ``spread``.
        template: of the texts, see ``Dataset.item_texts``.
        cache: folder of the cache, None for the default one.
        progress: who watches.

    Raises:
        DataError: no item has text.
        SettingError: the template is wrong, or names a column that the catalogue does not have.
        ExtraError: the extra ``text`` is not installed.

    >>> import polars as pl
    >>> catalogue = pl.DataFrame({"item": ["x", "y", "z"], "title": ["red shoes", "blue shoes", None]})
    >>> dataset = Dataset.of(pl.DataFrame({"user": ["a"], "item": ["x"]}), catalogue)
    >>> found = vectors(dataset)
    >>> found.shape, bool((found[2] == 0).all())
    ((3, 384), True)
    """
    texts = dataset.item_texts(template)
    filled = np.array([bool(text.strip()) for text in texts], dtype=bool)
    if not filled.any():
        raise DataError(
            f"none of the {len(texts):,} items has a text",
            allowed=f"the catalogue needs one of the columns {', '.join(TEXT_COLUMNS)}",
            advice="give a table of items with a title, or leave out the strategy 'content'",
        )
    chosen = load_encoder(encoder) if isinstance(encoder, str) else encoder
    written = [text for text, there in zip(texts, filled, strict=True) if there]
    found = np.zeros((len(texts), chosen.dimension), np.float32)
    found[filled] = spread(CachedEncoder(chosen, cache).encode(written, progress), whitening)
    return found


def spread(vectors: NDArray[np.float32], whitening: float = 0.0) -> NDArray[np.float32]:
    """(n, d) float32: the vectors of a catalogue turned so that it fills the space, each at length 1.

    Sentence encoders put all texts of one trade into a narrow cone, and the words that they share ("PlayStation",
    "Comedy") into a few strong directions; what tells items apart is the rest. So the mean is taken away (Mu &
    Viswanath 2018, "All-but-the-top", section 2.2), and along each principal axis the values are divided by
    ``s ** whitening``, s their standard deviation: 0 leaves them, 1 is full whitening (Su et al. 2021, "Whitening
    sentence representations for better semantics and faster retrieval", section 3), turned back to the encoder's own
    axes, so that catalogues can be compared. The variances are drawn to their mean with the weight of d texts, so that
    a small catalogue is not torn apart. A row at the mean becomes 0.

    >>> print(spread(np.eye(2, dtype=np.float32)).round(3))
    [[ 0.707 -0.707]
     [-0.707  0.707]]
    """
    moved = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if whitening:
        variance, axes = np.linalg.eigh(moved.T @ moved / len(moved))
        n, d = moved.shape  # few texts say little about the axes: their variances are drawn to the mean
        shrunk = (n * np.maximum(variance, 0) + d * variance.mean()) / (n + d)
        moved = moved @ (axes * np.maximum(shrunk, 1e-12) ** (-whitening / 2)) @ axes.T
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    far = length > max(length.max(), 1.0) * 1e-5  # less is rounding: a catalogue of one text has no directions
    return np.where(far, moved / np.where(far, length, 1), 0).astype(np.float32)
