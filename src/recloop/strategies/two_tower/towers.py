"""Fitted towers as arrays: what serving needs, without the encoder and without torch."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.histories import Histories
from recloop.strategies.interactions import strongest

WIDE = 2**22  # floats of one block of rows inside the scorer


@dataclass(frozen=True, eq=False)
class Towers:
    """A history tower and the vectors that the item tower gave.

    The history tower: h = sum_i w_i E_i / sqrt(sum_i w_i) over the events, w_i halved by each ``half_life`` later ones;
    then g = B silu(A h + a). With ``layers`` its output is [h, g], and items have two parts, too; else h + g. The score
    is the product with the item's vector, plus the item's bias, plus a scorer of one hidden layer where there is one:
    c . relu(P u + Q v).

    Attributes:
        events: (n_items, d) E, what having an item says.
        hidden: (d + 1, m) A' with a as its last row; m may be 0.
        out: (m, d) B'.
        items: (n_items, D) what the history's vector is multiplied with.
        bias: (n_items,).
        scorer_history: (D, s) P'; s may be 0.
        scorer_items: (n_items, s) Q v.
        scorer_out: (s,) c.
        half_life: None where all events count alike.
        layers: whether h and g stand side by side.
    """

    events: NDArray[np.float32]
    hidden: NDArray[np.float32]
    out: NDArray[np.float32]
    items: NDArray[np.float32]
    bias: NDArray[np.float32]
    scorer_history: NDArray[np.float32]
    scorer_items: NDArray[np.float32]
    scorer_out: NDArray[np.float32]
    half_life: float | None = None
    layers: bool = False

    @classmethod
    def plain(
        cls,
        events: NDArray[np.float32],
        items: NDArray[np.float32],
        bias: NDArray[np.float32],
        half_life: float | None = None,
    ) -> "Towers":
        """Towers without hidden layers.

        >>> one = np.eye(2, dtype=np.float32)
        >>> Towers.plain(one, 2 * one, np.zeros(2, np.float32)).score(Histories.of([[0], [0, 1]], 2)).round(2).tolist()
        [[2.0, 0.0], [1.409999966621399, 1.409999966621399]]
        """
        d, n = events.shape[1], len(items)
        empty = np.zeros((0, d), np.float32)
        nothing = np.zeros((items.shape[1], 0), np.float32), np.zeros((n, 0), np.float32), np.zeros(0, np.float32)
        return cls(events, np.zeros((d + 1, 0), np.float32), empty, items, bias, *nothing, half_life)

    def history_vectors(self, histories: Histories) -> NDArray[np.float32]:
        """(n, D) float32, what the history tower says."""
        weights = weigh(histories, self.half_life)
        total = np.sqrt(np.maximum(weights.sum(axis=1), 1e-12)).astype(np.float32)
        pooled: NDArray[np.float32] = np.divide(weights @ self.events, total[:, None], dtype=np.float32)
        if not self.hidden.shape[1]:
            return pooled
        inner = pooled @ self.hidden[:-1] + self.hidden[-1]
        deeper = (inner / (1 + np.exp(-np.clip(inner, -60, 60)))) @ self.out
        return np.concatenate([pooled, deeper], axis=1) if self.layers else pooled + deeper

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """(n, n_items) float32."""
        own = self.history_vectors(histories)
        scores: NDArray[np.float32] = own @ self.items.T + self.bias
        if len(self.scorer_out):
            left = own @ self.scorer_history
            step = max(1, WIDE // max(1, len(self.items)))
            for start in range(0, len(own), step):
                rows = slice(start, start + step)
                for unit, weight in enumerate(self.scorer_out):
                    inner = left[rows, unit, None] + self.scorer_items[None, :, unit]
                    scores[rows] += weight * np.maximum(inner, 0)
        return scores

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, large ones in half precision, which moves no figure."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            name: value.astype(np.float16) if name in {"events", "items", "scorer_items"} else value
            for name, value in found.items()
            if isinstance(value, np.ndarray)
        }

    def rounded(self) -> "Towers":
        """As they will be after saving and loading, so that both answer the same."""
        return Towers.restore(self.arrays(), self.half_life, self.layers)

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], half_life: float | None, layers: bool) -> "Towers":
        """The inverse of ``arrays``."""
        names = [entry.name for entry in fields(cls) if entry.name not in {"half_life", "layers"}]
        kept: dict[str, Any] = {name: arrays[name].astype(np.float32) for name in names}
        return cls(**kept, half_life=half_life, layers=layers)


def weigh(histories: Histories, half_life: float | None) -> sparse.csr_array:
    """(n, n_items) float32: what each item of a history counts, its strongest event; later items more.

    >>> weigh(Histories.of([[1, 0]], 2), 1.0).toarray().tolist()
    [[1.0, 0.5]]
    """
    if half_life is None:
        return strongest(histories)
    later = np.repeat(histories.indptr[1:], histories.lengths) - 1 - np.arange(len(histories.items))
    faded = (histories.weights * 0.5 ** (later / half_life)).astype(np.float32)
    return strongest(
        Histories(
            indptr=histories.indptr,
            items=histories.items,
            weights=faded,
            times=histories.times,
            ratings=histories.ratings,
            now=histories.now,
            keys=histories.keys,
            n_items=histories.n_items,
        )
    )
