from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.language.cache import CachedEncoder
from recloop.language.encoder import load_encoder
from recloop.progress import Progress
from recloop.strategies.attributes import Attributes

FREE_TEXT = ("item", "title", "description", "text")  # read by the encoder, not as attributes
MOST = 2000  # attributes of items; the learning inverts a matrix of this size


@dataclass(frozen=True, eq=False)
class Representation:
    """An item as numbers that mean the same in every catalogue: its text along a few axes, and its attributes.

    The first feature is 1 for all. Then come the principal components of the encoder's vectors, in the catalogue that
    they were learned from of mean square length 1 together, and then the indicators of ``Attributes``.

    Attributes:
        centre: (v,) float64, the mean vector of the catalogue that it was learned from; empty without text.
        axes: (v, c) float64, what turns a centred vector into components.
        attributes: the other columns of the catalogue.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    attributes: Attributes

    @classmethod
    def of(
        cls, dataset: Dataset, encoder: str, components: int, least: int, progress: Progress
    ) -> tuple["Representation", sparse.csr_array]:
        """Learned from a catalogue, with the features of its items.

        Args:
            dataset: its catalogue is read.
            encoder: a source for ``load_encoder``, "" for none.
            components: c, at most.
            least: an attribute that fewer items have is none.
            progress: who watches.

        Raises:
            ExtraError: there is text, and the extra ``text`` is not installed.
        """
        vectors, there = _encode(dataset, encoder, progress)
        centre, axes = _principal(vectors[there], components)
        table = dataset.items.drop(FREE_TEXT, strict=False)
        attributes = Attributes.of(table, least)
        while len(attributes) > MOST:
            least *= 2
            attributes = Attributes.of(table, least)
        found = cls(centre, axes, attributes)
        return found, found._features(dataset, vectors, there)

    def encode(self, dataset: Dataset, encoder: str, progress: Progress) -> sparse.csr_array:
        """(n_items, p) float64 sparse: the features of another catalogue's items."""
        return self._features(dataset, *_encode(dataset, encoder if len(self.centre) else "", progress))

    @property
    def groups(self) -> NDArray[np.intp]:
        """(p,) the group of each feature: 0 the constant, 1 the text, then one for each column."""
        text = np.ones(self.axes.shape[1], np.intp)
        columns = np.unique(self.attributes.columns, return_inverse=True)[1] + 2
        return np.concatenate([[0], text, columns]).astype(np.intp)

    def _features(self, dataset: Dataset, vectors: NDArray[np.float32], there: NDArray[np.bool_]) -> sparse.csr_array:
        n = dataset.n_items
        text = np.zeros((n, self.axes.shape[1]))
        if vectors.shape[1] == len(self.centre):
            text[there] = (vectors[there] - self.centre) @ self.axes
        columns = Attributes.texts(dataset.items.drop(FREE_TEXT, strict=False))
        return _beside(n, sparse.csr_array(text), self.attributes.encode(columns, n))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, by name, to be saved."""
        return {"text_centre": self.centre, "text_axes": self.axes, **self.attributes.arrays("item")}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> "Representation":
        """The inverse of ``arrays``."""
        return cls(arrays["text_centre"], arrays["text_axes"], Attributes.restore("item", arrays))


def _encode(dataset: Dataset, encoder: str, progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(n_items, v) the vectors of the items' texts, and (n_items,) which items have one."""
    texts = dataset.item_texts() if encoder else []
    there = np.array([bool(text.strip()) for text in texts], dtype=bool)
    if not there.any():
        return np.empty((dataset.n_items, 0), np.float32), np.zeros(dataset.n_items, bool)
    chosen = CachedEncoder(load_encoder(encoder))
    vectors = np.zeros((len(texts), chosen.dimension), np.float32)
    vectors[there] = chosen.encode([text for text, full in zip(texts, there, strict=True) if full], progress)
    return vectors, there


def _principal(vectors: NDArray[np.float32], components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean, and the axes of greatest variance, scaled so that the components have mean square length 1."""
    if not vectors.size:
        return np.empty(0), np.empty((0, 0))
    centre = vectors.mean(axis=0, dtype=np.float64)
    moved = vectors - centre
    variance, axes = np.linalg.eigh(moved.T @ moved / len(moved))
    kept = np.flatnonzero(variance > 1e-9 * max(variance.max(), 1e-9))[::-1][:components]
    size = np.sqrt(variance[kept].sum())
    return centre, axes[:, kept] / (size if size > 0 else 1.0)


def profile_features(attributes: Attributes, columns: dict[str, NDArray[np.object_]], n: int) -> sparse.csr_array:
    """(n, 1 + f) float64 sparse: 1 for all, then what the profiles say."""
    return _beside(n, attributes.encode(columns, n))


def _beside(n: int, *parts: sparse.csr_array) -> sparse.csr_array:
    """(n, 1 + p) float64 sparse: 1 for all, then the parts."""
    blocks: list[sparse.csr_array] = [sparse.csr_array(np.ones((n, 1))), *parts]
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))
