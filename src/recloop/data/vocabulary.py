from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray


class Vocabulary:
    """Ids in a fixed order: id ↔ index. The order is part of every saved model.

    >>> v = Vocabulary(["a", "b"])
    >>> v.indices(["b", "zebra"])
    array([ 1, -1], dtype=int32)
    >>> v[0], len(v), "a" in v
    ('a', 2, True)
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids: tuple[str, ...] = tuple(ids)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.ids)}

    @cached_property
    def _series(self) -> pl.Series:
        return pl.Series("id", self.ids, dtype=pl.String)

    @cached_property
    def array(self) -> NDArray[np.object_]:
        """The ids as an object array, to be indexed by index arrays."""
        return np.array(self.ids, dtype=object)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> str:
        return self.ids[index]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.ids == other.ids

    def __hash__(self) -> int:
        return hash(self.ids)

    def index(self, name: str) -> int:
        """The index of an id, -1 where it is unknown."""
        return self._index.get(name, -1)

    def places(self, names: Sequence[str]) -> list[int]:
        """As ``indices``, as a list: quicker for a few."""
        get = self._index.get
        return [get(name, -1) for name in names]

    def indices(self, names: Sequence[str] | pl.Series) -> NDArray[np.int32]:
        """The index of each id, int32, -1 where it is unknown."""
        if isinstance(names, pl.Series):
            lookup = pl.DataFrame({"id": self._series, "index": np.arange(len(self.ids), dtype=np.int32)})
            frame = names.cast(pl.String).rename("id").to_frame()
            found = frame.join(lookup, on="id", how="left", maintain_order="left")
            return found["index"].fill_null(-1).to_numpy().astype(np.int32)
        return np.array(self.places(names), dtype=np.int32)
