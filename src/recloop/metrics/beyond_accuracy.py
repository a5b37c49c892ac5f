"""Metrics of what slates look like, whatever the users did with them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.metrics.judged import Judged
from recloop.metrics.metric import AtK, Direction, Need, pooled, ratio
from recloop.stats.ranks import average_ranks


@dataclass(frozen=True)
class Coverage(AtK):
    """Share of the catalogue that at least one slate shows (Ge, Delgado-Battenfeld & Jannach 2010).

    It grows with the number of slates: compare strategies on the same users only. The pseudo-values are the
    jackknife's: without one slate, the items that it alone shows are lost.
    """

    id: ClassVar[str] = "coverage"
    title: ClassVar[str] = "Coverage"
    formula: ClassVar[str] = r"\frac{|\bigcup_u S_u|}{N}"
    unit: ClassVar[str] = "share of items"
    direction: ClassVar[Direction] = "higher"
    aggregate: ClassVar[bool] = True

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) pseudo-values; their mean is the coverage."""
        if not judged.n or not judged.n_allowed:
            return np.full(judged.n, np.nan)
        exposure = judged.exposure(self.k)
        alone = judged.slate_sum(self.k, (exposure == 1).astype(np.float64))
        value = np.count_nonzero(exposure) / judged.n_allowed
        influence: NDArray[np.float64] = (judged.n - 1) / judged.n_allowed * (alone - alone.mean())
        return value + influence


@dataclass(frozen=True)
class Gini(AtK):
    """How unequally the places are shared out: 0 where all items are shown equally often, near 1 where one has all.

    Gini 1912, over all N items including those never shown, sorted by exposure; equal exposures share their rank.
    """

    id: ClassVar[str] = "gini"
    title: ClassVar[str] = "Gini of exposure"
    formula: ClassVar[str] = r"\frac{\sum_{i=1}^{N} (2 i - N - 1)\, e_{(i)}}{N \sum_i e_i}"
    unit: ClassVar[str] = "0 to 1"
    direction: ClassVar[Direction] = "lower"
    aggregate: ClassVar[bool] = True

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) pseudo-values; their mean is the Gini coefficient."""
        exposure = judged.exposure(self.k)
        inside = np.ones(judged.n_items, dtype=bool) if judged.allowed is None else judged.allowed
        size = judged.n_allowed
        # the coefficient is linear in the exposures given their ranks: each place adds the weight of its item's rank
        weight = np.zeros(judged.n_items)
        if size:
            weight[inside] = (2 * average_ranks(exposure[inside]) - size - 1) / size
        return pooled(judged.slate_sum(self.k, weight), judged.length(self.k).astype(np.float64))


@dataclass(frozen=True)
class Novelty(AtK):
    """How surprising the items are: bits of self-information (Zhou et al. 2010, PNAS 107(10), "surprisal").

    An item that no training user had counts as one user's.
    """

    id: ClassVar[str] = "novelty"
    title: ClassVar[str] = "Novelty"
    formula: ClassVar[str] = r"\frac{1}{|S|} \sum_{i \in S} -\log_2 \frac{\max(p_i, 1)}{U}"
    unit: ClassVar[str] = "bits"
    direction: ClassVar[Direction] = "higher"
    needs: ClassVar[tuple[Need, ...]] = ("popularity",)

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) bits; NaN for an empty slate."""
        if judged.n_users < 1:
            raise DataError(f"there are {judged.n_users} training users", allowed="novelty needs at least one")
        bits = np.log2(judged.n_users) - np.log2(np.maximum(judged.item_popularity, 1))
        return ratio(judged.slate_sum(self.k, bits), judged.length(self.k))


@dataclass(frozen=True)
class Diversity(AtK):
    """Mean cosine distance of the unordered pairs of a slate (Ziegler et al. 2005; Smyth & McClave 2001).

    With unit vectors v the sum of cosines over the pairs is (|Σv|² - Σ|v|²) / 2: no pair is ever formed. An item
    without a vector (zero) has distance 1 to every other.
    """

    id: ClassVar[str] = "diversity"
    title: ClassVar[str] = "Intra-list diversity"
    formula: ClassVar[str] = r"\frac{2}{|S| (|S| - 1)} \sum_{i < j} (1 - \cos(v_i, v_j))"
    unit: ClassVar[str] = "cosine distance"
    direction: ClassVar[Direction] = "higher"
    needs: ClassVar[tuple[Need, ...]] = ("vectors",)

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) mean distance; NaN for a slate of fewer than two items."""
        total = judged.vector_sum(self.k).astype(np.float64)
        squares = np.square(judged.unit_vectors.astype(np.float64)).sum(axis=1)
        cosines = np.square(total).sum(axis=1) - judged.slate_sum(self.k, squares)
        length = judged.length(self.k)
        return 1 - ratio(cosines, length * (length - 1))


@dataclass(frozen=True)
class PopularityLift(AtK):
    """How much more popular the items of the slates are than those of the histories (Kowald, Schedl & Lex 2020).

    0 means: as popular as what users choose; 1 means: twice as popular; below 0: less popular. Users without a history
    stay out. The formula's means run over users; one group, all users.
    """

    id: ClassVar[str] = "popularity-lift"
    title: ClassVar[str] = "Popularity lift"
    formula: ClassVar[str] = (
        r"\frac{\operatorname{mean}_u \bar p(S_u) - \operatorname{mean}_u \bar p(A_u)}"
        r"{\operatorname{mean}_u \bar p(A_u)}"
    )
    unit: ClassVar[str] = "ratio - 1"
    direction: ClassVar[Direction] = "zero"
    aggregate: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("popularity",)

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) pseudo-values; NaN for an empty slate or history."""
        slates = ratio(judged.slate_sum(self.k, judged.item_popularity), judged.length(self.k))
        return pooled(slates, judged.history_popularity) - 1
