"""What an item's tower reads: blocks of features, one from its text and one from each further column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.language.cache import CachedEncoder
from recloop.language.encoder import Encoder, load_encoder
from recloop.language.item_vectors import spread
from recloop.progress import SILENT, Progress
from recloop.strategies.attributes import Attributes

LONG = ("item", "title", "description", "text")  # what is read as text only
LEAST = 2  # items that share a value of a column: a value of one item says nothing of another


@dataclass(frozen=True, eq=False)
class Block:
    """One view of every item.

    Attributes:
        name: the column of the catalogue, or ``text``.
        values: (n_items, d) float32, dense or sparse; two items are alike in this view where their rows are near.
            Zeros where the view says nothing of an item.
        present: (n_items,) bool, of which items it says something.
    """

    name: str
    values: Any
    present: NDArray[np.bool_]

    @property
    def variance(self) -> float:
        """Mean squared distance of the items to their mean."""
        mean = np.asarray(self.values.mean(axis=0)).ravel()
        return float(max(_squares(self.values).mean() - (mean * mean).sum(), 0.0))

    def distances(self, rows: NDArray[np.integer], others: NDArray[np.integer]) -> NDArray[np.float32]:
        """(rows, others) float32: squared distances between items."""
        A, B = self.values[rows], self.values[others]
        found: NDArray[np.float32] = _squares(A)[:, None] + _squares(B)[None] - 2 * _plain(A @ B.T)
        return np.maximum(found, 0).astype(np.float32, copy=False)

    def narrow(self, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """(n_items, <= width) float32: the strongest directions, for a network to read."""
        values = self.values
        if values.shape[1] <= width:
            return _plain(values)
        # Halko, Martinsson & Tropp 2011, "Finding structure with randomness", algorithm 4.4, two power iterations
        sample = values @ rng.standard_normal((values.shape[1], min(width + 8, *values.shape))).astype(np.float32)
        for _ in range(2):
            sample = values @ (values.T @ np.linalg.qr(sample)[0])
        basis = np.linalg.qr(sample)[0]
        left, size, _ = np.linalg.svd(np.asarray(values.T @ basis).T, full_matrices=False)
        return np.asarray(((basis @ left) * size)[:, :width], np.float32)


def item_blocks(
    dataset: Dataset, encoder: str | Encoder = "default", *, whitening: float = 0.5, progress: Progress = SILENT
) -> list[Block]:
    """Every view that the catalogue gives of its items, each with rows of length 1 where it speaks.

    - ``text``: title, category, brand, description and text of the item as a language model reads them together;
      ``name``: the title alone, which long descriptions drown; ``facts``: all attributes (year, director, price) as one
      text, so that what an encoder knows of people and brands counts even where no two items share them.
    - columns of vectors (images, sounds): centred, at length 1.
    - columns of numbers and dates: their rank among the items, at variance 1, so that a few giants hide nobody.
    - other columns (category, brand, director): an indicator per value of at least two items, weighed by inverse
      document frequency, so that a rare director says more than a common genre. Cells may hold several values.

    A column that says the same of all items is left out.

    >>> import polars as pl
    >>> items = pl.DataFrame({"item": ["x", "y", "z"], "brand": ["A", "A", "B|A"], "price": [1.0, 9.0, None]})
    >>> found = item_blocks(Dataset.of(pl.DataFrame({"user": ["u"], "item": ["x"]}), items))
    >>> [(block.name, block.values.shape[1], block.present.tolist()) for block in found]
    [('text', 384, [True, True, True]), ('facts', 384, [True, True, True]), ('price', 1, [True, True, False])]
    """
    found = _texts(dataset, encoder, whitening, progress)
    for name in dataset.vector_columns:
        extra = dataset.extra_vectors(name)
        values = np.zeros_like(extra.values)
        values[extra.present] = spread(extra.unit[extra.present])
        found.append(_dense(name, values))
    for name in dataset.items.columns:
        if name not in LONG and name not in dataset.vector_columns:
            block = _numbers(dataset.items[name]) or _values(dataset.items[name])
            found += [block] if block is not None else []
    return found


def _texts(dataset: Dataset, encoder: str | Encoder, whitening: float, progress: Progress) -> list[Block]:
    """The texts that differ, each read once."""
    attributes = [name for name in dataset.items.columns if name not in (*LONG, *dataset.vector_columns)]
    title = ["title"] if "title" in dataset.items.columns else []
    written = {"text": dataset.item_texts(), "name": _joined(dataset, title), "facts": _joined(dataset, attributes)}
    reader: CachedEncoder | None = None
    found: list[Block] = []
    for place, (name, texts) in enumerate(written.items()):
        present = np.array([bool(text.strip()) for text in texts], bool)
        if len(set(texts)) < 2 or texts in list(written.values())[:place]:
            continue
        reader = reader or CachedEncoder(load_encoder(encoder) if isinstance(encoder, str) else encoder, None)
        values = np.zeros((len(texts), reader.dimension), np.float32)
        read = reader.encode([text for text in texts if text.strip()], progress)
        values[present] = spread(read, whitening)
        found.append(_dense(name, values))
    return found


def _joined(dataset: Dataset, columns: list[str]) -> list[str]:
    if not columns:
        return [""] * dataset.n_items
    texts = Attributes.texts(dataset.items.select(columns))
    if all(dataset.items.schema[name].is_numeric() for name in texts):  # numbers alone are no text
        return [""] * dataset.n_items
    frame = pl.DataFrame({name: pl.Series(cells.tolist(), dtype=pl.String) for name, cells in texts.items()})
    filled = [
        pl.when(pl.col(name) != "").then(pl.col(name).str.replace_all(r"\s*\|\s*", ", ")) for name in frame.columns
    ]
    return frame.select(pl.concat_str(filled, separator=". ", ignore_nulls=True).fill_null(""))[:, 0].to_list()


def _dense(name: str, values: NDArray[np.float32]) -> Block:
    return Block(name, values, np.asarray(values.any(axis=1), bool))


def _numbers(column: pl.Series) -> Block | None:
    if column.dtype.is_temporal():
        column = column.to_physical()
    if not column.dtype.is_numeric():
        return None
    numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    present = np.isfinite(numbers)
    places = pl.Series(numbers[present]).rank("average").to_numpy()
    spread_ = places.std() if len(places) else 0.0
    if spread_ == 0:
        return None
    values = np.zeros((len(numbers), 1), np.float32)
    values[present, 0] = (places - places.mean()) / spread_
    return Block(column.name, values, present)


def _values(column: pl.Series) -> Block | None:
    table = column.to_frame()
    known = Attributes.of(table, least=LEAST)
    if not len(known):
        return None
    values = known.encode(Attributes.texts(table), len(column))
    frequency = np.bincount(values.indices, minlength=len(known))
    values = sparse.csr_array(values * np.log(len(column) / frequency)[None, :])
    length = np.sqrt(_squares(values))
    present: NDArray[np.bool_] = np.greater(length, 0)
    values = sparse.csr_array(values * np.where(present, 1 / np.where(present, length, 1), 0)[:, None])
    return Block(column.name, values.astype(np.float32), present)


def _plain(values: Any) -> NDArray[np.float32]:
    return np.asarray(values.toarray() if isinstance(values, sparse.csr_array) else values, np.float32)


def _squares(values: Any) -> NDArray[np.float32]:
    return np.asarray((values * values).sum(axis=1)).ravel()
