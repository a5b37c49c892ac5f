"""A history and an item as one text for an encoder, made of tokens that were cut once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories
from recloop.strategies.interactions import runs_as_one


@dataclass(frozen=True, eq=False)
class ItemTokens:
    """The tokens of each item's text, without a frame, and the two that frame a pair.

    Attributes:
        tokens: (nnz,) int32.
        indptr: (n_items + 1,) int64.
        first: begins a pair, such as [CLS].
        between: ends each half, such as [SEP].
    """

    tokens: NDArray[np.int32]
    indptr: NDArray[np.int64]
    first: int
    between: int

    @classmethod
    def of(cls, tokenizer: Any, texts: list[str], length: int) -> "ItemTokens":
        """At most ``length`` tokens of each text."""
        framed = tokenizer.encode("a").ids
        tokenizer.no_truncation()
        encoded = [entry.ids[:length] for entry in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        lengths = np.fromiter(map(len, encoded), np.int64, count=len(encoded))
        return cls(
            tokens=np.fromiter((token for row in encoded for token in row), np.int32, count=int(lengths.sum())),
            indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            first=int(framed[0]),
            between=int(framed[-1]),
        )

    def pairs(
        self, histories: Histories, rows: NDArray[np.integer], items: NDArray[np.integer], events: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token ids and mask, both (m, longest), of m pairs: first, last events, between, item, between.

        Args:
            histories: what ``rows`` index.
            rows: (m,) the history of each pair.
            items: (m,) the item of each pair.
            events: how many of a history's last items are read, the newest first.
        """
        told = runs_as_one(histories).recent(events)
        source = [items.astype(np.int64)]
        # each pair as a run of items: those of its history from the newest on, then its own
        lengths = told.lengths[rows]
        ends = np.cumsum(lengths + 1)
        flat = np.empty(int(ends[-1]) if len(ends) else 0, np.int64)
        flat[ends - 1] = source[0]
        inside = np.ones(len(flat), dtype=bool)
        inside[ends - 1] = False
        back = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat[inside] = told.items[np.repeat(told.indptr[1:][rows] - 1, lengths) - back]
        # then each item as a run of tokens; the pair's own item stands between two marks
        sizes = np.diff(self.indptr)[flat]
        extra = np.zeros(len(flat), np.int64)
        extra[ends - 1] = 2
        pair = np.repeat(np.arange(len(rows)), lengths + 1)
        widths = 1 + np.bincount(pair, sizes + extra, minlength=len(rows)).astype(np.int64)
        longest = int(widths.max(initial=1))
        ids = np.full((len(rows), longest), self.between, np.int64)
        ids[:, 0] = self.first
        mask = (np.arange(longest) < widths[:, None]).astype(np.int64)
        starts = 1 + np.cumsum(sizes + extra) - (sizes + extra)
        starts -= np.repeat(np.concatenate([[0], np.cumsum(widths - 1)[:-1]]), lengths + 1)[: len(starts)]
        starts[ends - 1] += 1  # the mark before the item
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        ids[np.repeat(pair, sizes), np.repeat(starts, sizes) + within] = self.tokens[
            np.repeat(self.indptr[:-1][flat], sizes) + within
        ]
        return ids * mask, mask

    def arrays(self) -> dict[str, NDArray[Any]]:
        """To be saved."""
        frame = np.array([self.first, self.between], np.int64)
        return {"token_ids": self.tokens, "token_indptr": self.indptr, "token_frame": frame}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> "ItemTokens | None":
        """The inverse of ``arrays``; None where nothing was saved."""
        if "token_ids" not in arrays:
            return None
        first, between = arrays["token_frame"].tolist()
        return cls(arrays["token_ids"], arrays["token_indptr"], first, between)
