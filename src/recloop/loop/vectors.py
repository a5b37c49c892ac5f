from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy

DIMENSIONS = 64


class ItemVectors(NamedTuple):
    """What items are like.

    Attributes:
        values: (n_items, d) float32.
        encoder: the source of the encoder that made them of the items' texts; "" where they are of behaviour.
        fingerprint: of that encoder.
    """

    values: NDArray[np.float32]
    encoder: str = ""
    fingerprint: str = ""

    @property
    def origin(self) -> str:
        """Where they come from, in words."""
        return f"texts, encoder '{self.encoder}'" if self.encoder else "behaviour: who took what"


def item_vectors(strategies: Iterable[Strategy], dataset: Dataset, progress: Progress = SILENT) -> ItemVectors:
    """Item vectors for diversity and steering: those of the texts where a strategy reads them, else of behaviour.

    Raises:
        ExtraError: the encoder's packages are not installed.
        MissingError: there is no such encoder.
    """
    for strategy in strategies:
        if strategy.needs_text:
            from recloop.language.encoder import load_encoder
            from recloop.language.item_vectors import vectors

            source = str(strategy.config().get("encoder", "default"))
            encoder = load_encoder(source)
            return ItemVectors(vectors(dataset, encoder, progress=progress), source, encoder.fingerprint)
    return ItemVectors(behaviour_vectors(dataset))


def behaviour_vectors(dataset: Dataset, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """Item vectors from who took what: items taken by the same users point the same way.

    The right singular vectors, scaled by the singular values, of the users x items matrix with rows of length 1
    (latent semantic analysis: Deerwester et al. 1990, "Indexing by latent semantic analysis"). They stand in where no
    texts are embedded. An item that nobody took has the zero vector.

    Returns:
        (n_items, d) float32 of length 1 or 0; d is ``dimensions`` or what the data gives.

    >>> import polars as pl
    >>> log = pl.DataFrame({"user": ["a", "a", "b", "b", "c"], "item": ["x", "y", "x", "y", "z"]})
    >>> v = behaviour_vectors(Dataset.of(log))
    >>> (v @ v.T).round(3).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    taken = dataset.matrix()
    taken.data[:] = 1.0
    count = np.maximum(np.diff(taken.indptr), 1)
    rows = sparse.diags_array(1.0 / np.sqrt(count)) @ taken
    if not taken.nnz:
        return np.zeros((dataset.n_items, 1), dtype=np.float32)
    if min(rows.shape) <= dimensions + 1:
        _, sizes, right = np.linalg.svd(rows.toarray(), full_matrices=False)
    else:
        _, sizes, right = sparse.linalg.svds(rows.astype(np.float64), k=dimensions, v0=np.ones(min(rows.shape)))
    vectors = (right * sizes[:, None]).T
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    there = (lengths > 1e-9) & (np.bincount(taken.indices, minlength=dataset.n_items) > 0)[:, None]
    unit: NDArray[np.float32] = np.where(there, vectors / np.where(there, lengths, 1.0), 0.0).astype(np.float32)
    return unit
