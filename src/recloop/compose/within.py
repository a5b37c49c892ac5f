"""The second level of a bandit: once an arm has made its slate, the first places go to items that are learned, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.bandits import LinTS, Outcomes
from recloop.bandits import State as Learned
from recloop.bandits.beta_prior import learned_prior
from recloop.bandits.normal_best import chance_of_greatest
from recloop.bandits.slots import draw_distinct
from recloop.compose.catalogue import Catalogue
from recloop.compose.config import WithinConfig
from recloop.compose.features import attributes, principal
from recloop.data.vocabulary import Vocabulary
from recloop.errors import SettingError

Array = NDArray[np.float64]
State = Mapping[str, Any]
_LEAST = 1e-9  # of a chance: what is in the pool can be drawn
_ONE = "item"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What stands at the first places.

    Attributes:
        order: (n, depth) the places of the arm's slate in their new order.
        chances: (n, places) the chance of what each place shows, given the places before it.
    """

    order: NDArray[np.int64]
    chances: Array


class Within:
    """Draws the first places of slates from the best of an arm, each item with the chance that it is the best of them.

    What is believed of an item comes from its features, by one linear model of all items (``LinTS``), or, without
    features, from how often it was taken where it was seen, by a Beta prior that is learned from all items. Slates are
    taken to be read from the top: what stands above the last item that was taken was seen, and so is all of a slate
    of which nothing was. Beliefs of two items are taken to be independent, and the places of a slate are drawn one
    after another from what is left (Plackett-Luce): the chances told are those of the draw. Source: as ``TwoLevel`` and
    ``CascadeThompson``.

    Args:
        config: how many places, and which features.
        items: of the policy.
        catalogue: where columns are read; may be None where none is.
        vectors: (n_items, dimensions); may be None where they are not used.

    Raises:
        SettingError: a column or vectors are missing.
    """

    def __init__(
        self,
        config: WithinConfig,
        items: Vocabulary,
        catalogue: Catalogue | None,
        vectors: NDArray[np.floating] | None,
    ) -> None:
        self.config = config
        self._items = items
        self._matrix = self._features(catalogue, vectors)
        self._bandit = LinTS()
        self._last: tuple[State, Any] | None = None

    def _features(self, catalogue: Catalogue | None, vectors: NDArray[np.floating] | None) -> Array | None:
        if not self.config.learns_features:
            return None
        n, columns = len(self._items), [np.ones((len(self._items), 1))]
        if self.config.features and catalogue is None:
            raise SettingError(
                "within.features names columns, and no catalogue is known",
                advice="build the policy with catalogue=Catalogue(items)",
            )
        for name, wanted in self.config.features.items():
            assert catalogue is not None
            told = catalogue.column(name, "within.features").cast(str).fill_null("").to_numpy().astype(object)
            columns.append(attributes(told, wanted, n))
        if self.config.vectors:
            if vectors is None or vectors.shape[1] < self.config.vectors:
                has = "there are none" if vectors is None else f"they have {vectors.shape[1]} numbers"
                raise SettingError(
                    f"within.vectors is {self.config.vectors}, and of item vectors {has}",
                    advice="give the items texts, or set within.vectors = 0",
                )
            columns.append(principal(vectors, self.config.vectors))
        return np.hstack(columns)

    def initial(self) -> State:
        """What is known before the first outcome."""
        if self._matrix is None:
            return {"items": {}}
        return self._bandit.initial([_ONE], features=self._matrix.shape[1]).to_dict()

    def beliefs(self, state: State, items: NDArray[np.int32]) -> tuple[Array, Array]:
        """(n, m) the expected reward of items, and the standard deviation of what is believed of it."""
        known = self._read(state)
        if self._matrix is None:
            a, b = known[0][items], known[1][items]
            mean = a / (a + b)
            return mean, np.sqrt(mean * (1 - mean) / (a + b + 1))
        mean, variance = self._bandit._beliefs(known, self._matrix[items.ravel()])  # noqa: SLF001
        return mean.reshape(items.shape), np.sqrt(variance).reshape(items.shape)

    def draw(self, state: State, items: NDArray[np.int32], uniform: Array) -> Drawn:
        """The first places of slates.

        Args:
            state: what was learned.
            items: (n, depth) the arm's slates, -1 in padding.
            uniform: (n, places) in [0, 1).
        """
        n, depth = items.shape
        pool = items[:, : self.config.pool]
        there = pool >= 0
        mean, deviation = self.beliefs(state, np.maximum(pool, 0))
        share = (chance_of_greatest(mean, deviation) + _LEAST) * there if n else np.ones(pool.shape)
        places = min(uniform.shape[1], pool.shape[1])
        picks, chances = draw_distinct(
            np.broadcast_to(share[:, None, :], (n, places, pool.shape[1])), uniform[:, :places]
        )
        rank = np.broadcast_to(np.arange(places, places + depth), (n, depth)).copy()
        np.put_along_axis(rank, picks, np.arange(places)[None], axis=1)
        rank = np.where(items >= 0, rank, 2 * depth + places)
        order = np.argsort(rank, axis=1, kind="stable")
        return Drawn(order, np.where(np.take_along_axis(there, picks, axis=1), chances, 1.0))

    def told(self, items: list[int]) -> dict[str, Any]:
        """What a decision keeps of its first places, for its reward: ids and features of their items."""
        found: dict[str, Any] = {"items": [self._items[item] for item in items]}
        if self._matrix is not None:
            found["features"] = self._matrix[items].tolist()
        return found

    def update(self, state: State, outcomes: Outcomes) -> State:
        """The state after outcomes that tell their details and what was taken."""
        ids: list[str] = []
        rows: list[list[float]] = []
        rewards: list[float] = []
        for told, taken in zip(outcomes.details or (), outcomes.taken or (), strict=False):
            shown = told.get("within", {}).get("items", [])
            seen = shown[: max(taken) + 1] if taken else shown
            ids += seen
            rewards += [float(place in taken) for place in range(len(seen))]
            rows += told.get("within", {}).get("features", [])[: len(seen)]
        if not ids:
            return state
        if self._matrix is None:
            counts = {name: list(pair) for name, pair in state["items"].items()}
            for name, reward in zip(ids, rewards, strict=True):
                pair = counts.setdefault(name, [0.0, 0.0])
                pair[reward == 0.0] += 1.0
            return {"items": dict(sorted(counts.items()))}
        features = np.array(rows, dtype=np.float64)
        if features.shape != (len(ids), self._matrix.shape[1]):
            return state  # they tell other features, of which nothing can be learned
        places = np.zeros(len(ids), dtype=np.intp)
        return self._bandit.update(self._read(state), Outcomes(places, np.array(rewards), features)).to_dict()

    def _read(self, state: State) -> Any:
        """The state as arrays; the last one is kept, as it serves many requests."""
        if self._last is None or self._last[0] is not state:
            self._last = (state, self._parsed(state))
        return self._last[1]

    def _parsed(self, state: State) -> Any:
        if self._matrix is not None:
            learned = Learned.of(state)
            if self._bandit.n_features(learned) != self._matrix.shape[1]:
                raise SettingError(
                    f"the state learned from {self._bandit.n_features(learned)} features of items",
                    allowed=f"the policy sees {self._matrix.shape[1]}",
                    advice="start from initial_state() and replay the outcomes",
                )
            return learned
        pairs = np.array([*state["items"].values()], dtype=np.float64).reshape(-1, 2)
        a, b = (1.0, 1.0)
        if len(pairs):
            a, b = learned_prior(tuple(pairs[:, 0].tolist()), tuple(pairs[:, 1].tolist()))
        won, lost = np.full(len(self._items), a), np.full(len(self._items), b)
        at = self._items.indices([*state["items"]])
        here = at >= 0
        won[at[here]] += pairs[here, 0]
        lost[at[here]] += pairs[here, 1]
        return won, lost
