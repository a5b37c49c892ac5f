"""The value of each objective for each candidate, in its own unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.objectives.catalogue import NEW, PROVIDER
from recloop.compose.objectives.items import ItemTable
from recloop.compose.objectives.offered import Offered
from recloop.errors import SettingError

SMOOTH = 0.01  # Steck's alpha: the slate's tastes are mixed with the user's, so that nothing is divided by 0
BLOCK = 2**22  # vectors' numbers that are held at a time

Predictions = Mapping[str, NDArray[np.float64]]
"""Task (click, conversion, satisfaction) → (n, m)."""
Maker = Callable[[Offered, ItemTable, Predictions], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What signals hang on beside the data: see ``ObjectivesConfig``."""

    half_life: float = 30.0
    new_share: float = 0.1


DEFAULTS = Terms()


def signal(
    name: str, offered: Offered, table: ItemTable, told: Predictions, terms: Terms = DEFAULTS
) -> NDArray[np.float64]:
    """(n, m) the value of an objective, or of an exposure, for each candidate; NaN where unknown and in padding.

    Args:
        name: of the objective, ``new`` or ``provider:NAME``.
        offered: the candidates.
        table: what is known of items.
        told: what the multi-task ranker foretells; empty where it is not asked.
        terms: half-life and share of new items.

    Raises:
        SettingError: the data does not hold what the objective is made of.
    """
    if name == NEW:
        return offered.of_items(table.new(terms.new_share))
    if name.startswith(PROVIDER):
        whose = name.removeprefix(PROVIDER)
        if whose not in table.providers:
            raise SettingError(
                f"no item is of the provider '{whose}'", advice="objectives.provider names the column of providers"
            )
        return offered.of_items(table.provider == table.providers.index(whose))
    if name == "freshness":
        return offered.of_items(0.5 ** (_known(table.columns["age"], name, "times or years") / terms.half_life))
    return _MAKERS[name](offered, table, told)


def _known(column: NDArray[np.float64], name: str, what: str) -> NDArray[np.float64]:
    if np.isnan(column).all():
        raise SettingError(f"the objective '{name}' needs {what}, and the data has none", advice=f"leave out {name}")
    return column


def _relevance(offered: Offered, _table: ItemTable, _told: Predictions) -> NDArray[np.float64]:
    return np.where(offered.held, offered.scores, np.nan).astype(np.float64)


def _told(name: str) -> Maker:
    def maker(_offered: Offered, _table: ItemTable, told: Predictions) -> NDArray[np.float64]:
        if name not in told:
            raise SettingError(
                f"nothing foretells '{name}'",
                allowed="click needs held-out events, conversion purchases or ratings, satisfaction ratings",
                advice=f"leave out {name}",
            )
        return told[name]

    return maker


def _money(column: str, name: str) -> Maker:
    converts = _told("conversion")

    def maker(offered: Offered, table: ItemTable, told: Predictions) -> NDArray[np.float64]:
        worth = _known(table.columns[column], name, f"the column '{column}' of the catalogue")
        return converts(offered, table, told) * offered.of_items(worth)

    return maker


def _satisfaction(offered: Offered, table: ItemTable, told: Predictions) -> NDArray[np.float64]:
    """What the ranker foretells; where it has no ratings to learn from, the drawn mean of the item."""
    if "satisfaction" in told:
        return told["satisfaction"]
    return offered.of_items(_known(table.columns["rating"], "satisfaction", "ratings"))


def _dwell(offered: Offered, table: ItemTable, _told: Predictions) -> NDArray[np.float64]:
    return offered.of_items(_known(table.columns["dwell"], "dwell", "events with seconds (dwell, watch, listen …)"))


def _novelty(offered: Offered, table: ItemTable, _told: Predictions) -> NDArray[np.float64]:
    return offered.of_items(table.columns["novelty"])


def _fairness(offered: Offered, table: ItemTable, _told: Predictions) -> NDArray[np.float64]:
    return offered.of_items(_known(table.exposure_gap(), "fairness", "a column of providers (objectives.provider)"))


def _diversity(offered: Offered, table: ItemTable, _told: Predictions) -> NDArray[np.float64]:
    """Unlikeness to the middle of the best k: the slope of the mean distance of pairs, one item exchanged."""
    if table.vectors is None:
        raise SettingError("the objective 'diversity' needs item vectors", advice="give the items texts")
    top = offered.items[:, : offered.k]
    middle = mean_vectors(table.vectors, top, np.ones(top.shape))
    return np.where(offered.held, 1.0 - cosines(table.vectors, offered.items, middle), np.nan)


def _calibration(offered: Offered, table: ItemTable, _told: Predictions) -> NDArray[np.float64]:
    """The slope by which an item would lower the KL divergence of the user's tastes from the slate's (Steck 2018)."""
    if not table.taste.nnz:
        raise SettingError("the objective 'calibration' needs categories", advice="give the catalogue 'category'")
    wanted = tastes(offered, table)
    top = offered.items[:, : offered.k]
    shown: NDArray[np.float64] = np.sum([_rows(table, column) for column in top.T], axis=0)  # slates are short
    shown /= np.maximum(shown.sum(axis=1, keepdims=True), 1e-12)
    pull = wanted / np.maximum((1 - SMOOTH) * shown + SMOOTH * wanted, 1e-12)
    return np.where(offered.held, _affinity(offered, table, np.where(wanted > 0, pull, 0.0)), np.nan)


def tastes(offered: Offered, table: ItemTable) -> NDArray[np.float64]:
    """(n, g) the share of each category in each history; rows add to 1, or are 0 where it says nothing."""
    sums = np.asarray((offered.histories.matrix() @ table.taste).todense(), dtype=np.float64)
    shares: NDArray[np.float64] = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-12)
    return shares


def affinity(offered: Offered, table: ItemTable) -> NDArray[np.float64]:
    """(n, m) how much of a candidate is of the categories of the history: Σ p(g | u) p(g | i)."""
    return _affinity(offered, table, tastes(offered, table))


def _affinity(offered: Offered, table: ItemTable, pull: NDArray[np.float64]) -> NDArray[np.float64]:
    every = np.asarray((table.taste @ pull.T).T, dtype=np.float64)
    found: NDArray[np.float64] = np.take_along_axis(every, np.maximum(offered.items, 0).astype(np.int64), axis=1)
    return found


def _rows(table: ItemTable, items: NDArray[np.int32]) -> NDArray[np.float64]:
    found = np.asarray(table.taste[np.maximum(items, 0)].todense(), dtype=np.float64)
    return np.where((items >= 0)[:, None], found, 0.0)


def mean_vectors(
    vectors: NDArray[np.float32], items: NDArray[np.int32], weights: NDArray[np.floating]
) -> NDArray[np.float32]:
    """(n, d) the direction of the weighted sum of the vectors of items (n, w); 0 where there is none."""
    sums: NDArray[np.float32] = np.zeros((len(items), vectors.shape[1]), np.float32)
    for column, weight in zip(items.T, weights.T, strict=True):
        share = np.where(column >= 0, weight, 0.0).astype(np.float32)
        sums += vectors[np.maximum(column, 0)] * share[:, None]
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(length > 0, length, 1.0)).astype(np.float32)


def cosines(
    vectors: NDArray[np.float32], items: NDArray[np.int32], directions: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(n, m) the cosine of the vectors of items (n, m) and a direction for each row (n, d)."""
    step = max(1, BLOCK // max(1, items.shape[1] * vectors.shape[1]))
    parts = [
        np.matmul(vectors[np.maximum(items[at : at + step], 0)], directions[at : at + step, :, None])[..., 0]
        for at in range(0, len(items), step)
    ]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(items.shape)


_MAKERS: dict[str, Maker] = {
    "relevance": _relevance,
    "click": _told("click"),
    "conversion": _told("conversion"),
    "revenue": _money("price", "revenue"),
    "margin": _money("margin", "margin"),
    "satisfaction": _satisfaction,
    "dwell": _dwell,
    "novelty": _novelty,
    "fairness": _fairness,
    "diversity": _diversity,
    "calibration": _calibration,
}
