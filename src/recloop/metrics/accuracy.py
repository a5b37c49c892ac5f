"""Metrics of hits. n is the number of relevant items, k the cutoff, ranks start at 1."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.metrics.judged import Judged
from recloop.metrics.metric import Accuracy, Direction, ratio


@dataclass(frozen=True)
class Precision(Accuracy):
    """Share of the k places that are hits (Manning, Raghavan & Schütze 2008, Introduction to IR, section 8.4).

    An empty place is a miss. LensKit divides by the places filled, and leaves an empty slate undefined.
    """

    id: ClassVar[str] = "precision"
    title: ClassVar[str] = "Precision"
    formula: ClassVar[str] = r"\frac{h}{k}"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        hits = judged.hit_count(self.k)
        return ratio(hits, judged.length(self.k)) if self.convention == "lenskit" else hits / self.k


@dataclass(frozen=True)
class Recall(Accuracy):
    """Share of the relevant items that are among the k places (Manning, Raghavan & Schütze 2008, section 8.3).

    LensKit divides by min(n, k), so that k hits are worth 1.
    """

    id: ClassVar[str] = "recall"
    title: ClassVar[str] = "Recall"
    formula: ClassVar[str] = r"\frac{h}{n}"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        possible = np.minimum(judged.relevant, self.k) if self.convention == "lenskit" else judged.relevant
        return ratio(judged.hit_count(self.k), possible)


@dataclass(frozen=True)
class F1(Accuracy):
    """Harmonic mean of precision and recall, 0 where both are (van Rijsbergen 1979, chapter 7).

    LensKit has none: its convention takes its precision and its recall.
    """

    id: ClassVar[str] = "f1"
    title: ClassVar[str] = "F1"
    formula: ClassVar[str] = r"\frac{2 P R}{P + R}"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        precision = Precision(self.k, self.convention).per_user(judged)
        recall = Recall(self.k, self.convention).per_user(judged)
        total = precision + recall
        zero = np.where(np.isnan(total), np.nan, 0.0)
        return np.divide(2 * precision * recall, total, out=zero, where=total > 0)


@dataclass(frozen=True)
class HitRate(Accuracy):
    """Share of slates with at least one hit among the k places (Deshpande & Karypis 2004)."""

    id: ClassVar[str] = "hit-rate"
    title: ClassVar[str] = "Hit rate"
    formula: ClassVar[str] = r"[h > 0]"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        return (judged.hit_count(self.k) > 0).astype(np.float64)


@dataclass(frozen=True)
class NDCG(Accuracy):
    """Discounted hits over what the best slate would have (Järvelin & Kekäläinen 2002, with rank + 1 in the discount).

    The ideal slate has min(n, k) hits. RecTools takes an ideal of k hits whatever n is; LensKit discounts by
    max(log2 rank, 1), so that the first two places weigh the same.
    """

    id: ClassVar[str] = "ndcg"
    title: ClassVar[str] = "NDCG"
    formula: ClassVar[str] = r"\frac{\sum_{r \in H} 1 / \log_2(r + 1)}{\sum_{r=1}^{\min(n, k)} 1 / \log_2(r + 1)}"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        ranks = np.arange(1, max(self.k, judged.rankings.k) + 1)
        shifted = np.maximum(ranks, 2) if self.convention == "lenskit" else ranks + 1
        worth = 1 / np.log2(shifted)
        ideal = np.concatenate([[0.0], np.cumsum(worth)])
        best = np.full(judged.n, self.k) if self.convention == "rectools" else np.minimum(judged.relevant, self.k)
        return ratio(judged.hit_sum(self.k, worth[judged.hits.ranks - 1]), ideal[best])


@dataclass(frozen=True)
class MAP(Accuracy):
    """Mean over users of the average precision at the hits (Manning, Raghavan & Schütze 2008, section 8.4).

    Divided by min(n, k), so that a perfect slate is worth 1. RecTools and trec_eval divide by n; LensKit by the
    smaller of n and the places filled, and leaves an empty slate undefined.
    """

    id: ClassVar[str] = "map"
    title: ClassVar[str] = "Mean average precision"
    formula: ClassVar[str] = r"\frac{1}{\min(n, k)} \sum_{r \in H} \frac{h_r}{r}"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        total = judged.hit_sum(self.k, judged.hits.nth / judged.hits.ranks)
        if self.convention in {"rectools", "trec"}:
            return ratio(total, judged.relevant)
        places = judged.length(self.k) if self.convention == "lenskit" else self.k
        return ratio(total, np.minimum(judged.relevant, places))


@dataclass(frozen=True)
class MRR(Accuracy):
    """Mean over users of one over the rank of the first hit, 0 without one (Voorhees 1999, TREC-8)."""

    id: ClassVar[str] = "mrr"
    title: ClassVar[str] = "Mean reciprocal rank"
    formula: ClassVar[str] = r"\frac{1}{\min H}"
    unit: ClassVar[str] = "share"
    direction: ClassVar[Direction] = "higher"

    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        return judged.hit_sum(self.k, (judged.hits.nth == 1) / judged.hits.ranks)
