"""Runs of letters as features: robust against typing errors, in every script, without a list of words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

BUCKETS = 1 << 17
SIZES = (2, 3, 4, 5)
READ = 600  # characters of a text that are read
SEEN = 3  # texts that a run must be in to count
_NOISE = re.compile(r"@\w+|https?://\S+|\s+")
_MIX = np.uint64(0x9E3779B97F4A7C15)


def plain_words(text: str) -> str:
    """A text in small letters without the names and links that a labeller should not learn.

    >>> plain_words("@AcmeAir  LATE again https://t.co/x")
    'late again'
    """
    return _NOISE.sub(" ", _NOISE.sub(" ", text[:READ])).strip().lower()


@dataclass(frozen=True, eq=False)
class Grams:
    """What each run of two to five letters tells, learned from a collection of texts.

    Runs are hashed into buckets (Weinberger et al. 2009, "Feature hashing for large scale multitask learning"), so that
    nothing of a text is kept. A run counts once per text, times ``ln((1 + n) / (1 + texts that have it)) + 1``; rows
    have length 1 (Salton & Buckley 1988). Runs in fewer than three texts do not count.

    Attributes:
        weights: (BUCKETS,) float32; 0 where a bucket does not count.

    >>> grams = Grams.of(["late flight", "late plane", "late again", "lost bag"])
    >>> rows = grams.encode(["flight was late", "a late one", "where is it"])
    >>> near = (rows @ rows.T).toarray()[0]
    >>> bool(near[1] > 0.8 > near[2]), rows.shape == (3, BUCKETS)
    (True, True)
    """

    weights: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Learn from texts; no label is needed, so give all there are."""
        _, buckets = _runs(texts)
        seen = np.bincount(buckets, minlength=BUCKETS)
        weights = np.where(seen >= min(SEEN, max(1, len(texts) // 2)), np.log((1 + len(texts)) / (1 + seen)) + 1, 0)
        return cls(weights.astype(np.float32))

    def encode(self, texts: Sequence[str]) -> sparse.csr_array:
        """(n, BUCKETS) float64 sparse, rows of length 1, or 0 where nothing of a text is known."""
        rows, buckets = _runs(texts)
        kept = self.weights[buckets] > 0
        rows, buckets = rows[kept], buckets[kept]
        data = self.weights[buckets].astype(np.float64)
        length = np.sqrt(np.bincount(rows, data**2, len(texts)))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(texts)))])
        return sparse.csr_array((data / length[rows], buckets, indptr), shape=(len(texts), BUCKETS))


def _runs(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(m,) the text and the bucket of each different run, by text, then by bucket."""
    framed = [f" {plain_words(text)} " for text in texts]
    lengths = np.fromiter(map(len, framed), np.int64, count=len(framed))
    letters = np.frombuffer("".join(framed).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(framed)), lengths)
    found = []
    with np.errstate(over="ignore"):
        running = np.zeros(len(letters), np.uint64)
        for size in range(1, max(SIZES) + 1):
            end = len(letters) - size + 1
            if end <= 0:
                break
            running = (running[:end] ^ letters[size - 1 :]) * _MIX
            running ^= running >> np.uint64(29)
            if size in SIZES:
                inside = owner[:end] == owner[size - 1 :]
                bucket = (running[inside] >> np.uint64(7)) % np.uint64(BUCKETS)
                found.append(owner[:end][inside] * BUCKETS + bucket.astype(np.int64))
    keys = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return keys // BUCKETS, keys % BUCKETS
