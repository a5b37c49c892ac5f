from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recloop.compose.budget import Budget
from recloop.compose.candidates import Candidates, retrieve
from recloop.compose.config import SlateConfig
from recloop.compose.diversity import maximal_marginal_relevance, unit
from recloop.compose.fusion import Fused, reciprocal_rank, weighted_score
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.offered import Offered
from recloop.compose.objectives.weigher import Weigher
from recloop.compose.plackett_luce import draw
from recloop.compose.policy import Choices, Policy, State, strategy_of
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import ConflictError, SettingError
from recloop.strategies.base import BLOCK_BYTES, Strategy


class SlatePolicy(Policy):
    """Sources → candidates that the rules allow → fusion → diversity → one slate.

    With one source and no diversity it is that strategy, served: a control.
    """

    config: SlateConfig

    def __init__(
        self,
        config: SlateConfig,
        strategies: Mapping[str, Strategy],
        vectors: NDArray[np.float32] | None = None,
        objectives: Objectives | None = None,
    ) -> None:
        weights = {name: weight for name, weight in config.weights.items() if weight > 0}
        self.config = config
        self.weigher = Weigher.of(config.objectives, objectives)
        self.names = tuple(weights)
        self.weights = tuple(weights.values())
        self.sources = [strategy_of(name, "a source", strategies) for name in weights]
        self.budgets = [Budget(config.budget) for _ in weights]
        self.fallback = strategy_of(config.fallback, "the fallback", strategies) if config.fallback else None
        self.vectors = unit(vectors) if vectors is not None and config.diversity > 0 else None
        first = self.sources[0].items
        assert first is not None
        for other in [*self.sources, self.fallback]:
            if other is not None and other.items != first:
                raise ConflictError(
                    f"the policy's sources '{self.names[0]}' and '{other.name}' know different items",
                    advice="fit them on the same dataset",
                )
        self.items = first
        if config.diversity > 0 and vectors is None:
            raise SettingError(
                f"diversity is {config.diversity}, and there are no item vectors",
                advice="give the items texts, or set diversity = 0",
            )
        if vectors is not None and len(vectors) != len(first):
            raise ConflictError(
                f"there are {len(vectors)} item vectors for {len(first)} items",
                advice="make them from the same dataset",
            )

    @property
    def asks_outside(self) -> bool:
        """Whether one of its sources does."""
        return any(source.asks_outside for source in self.sources)

    def strategy(self, name: str) -> Strategy | None:
        """A source, or the fallback, by name."""
        if name in self.names:
            return self.sources[self.names.index(name)]
        return self.fallback if name == self.config.fallback else None

    def _choose(
        self,
        state: State,  # noqa: ARG002
        histories: Histories,
        k: int,
        uniform: NDArray[np.float64],
        rules: Rules,
    ) -> Choices:
        n = len(histories)
        step = max(1, BLOCK_BYTES // (4 * max(1, histories.n_items)))
        starts = range(0, max(n, 1), step)
        blocks = [
            self._block(histories.block(at, at + step), k, uniform[at : at + step], rules.block(at, at + step))
            for at in starts
        ]
        return Choices(
            rankings=Rankings(
                np.concatenate([b.rankings.items for b in blocks]), np.concatenate([b.rankings.scores for b in blocks])
            ),
            sources=np.concatenate([b.sources for b in blocks]),
            arms=np.full(n, "", dtype=object),
            propensities=np.ones(n),
            fallbacks=np.concatenate([b.fallbacks for b in blocks]),
            failures={name: why for block in blocks for name, why in block.failures.items()},
            details=None if self.config.softmax is None else [one for block in blocks for one in block.details or ()],
        )

    def _block(self, histories: Histories, k: int, uniform: NDArray[np.float64], rules: Rules) -> Choices:
        depth = max(k, self.config.candidates)
        found = [
            retrieve(source, self.fallback, histories, depth, rules, budget)
            for source, budget in zip(self.sources, self.budgets, strict=True)
        ]
        fused = self._fuse([candidates.rankings for candidates in found], depth)
        names = self._owners(found, fused)
        rankings = fused.rankings
        if self.weigher is not None:
            order, scores = self.weigher.order(
                Offered(
                    histories,
                    rankings.items,
                    rankings.scores,
                    {name: candidates.rankings for name, candidates in zip(self.names, found, strict=True)},
                    k,
                )
            )
            rankings = Rankings(np.take_along_axis(rankings.items, order, axis=1), scores)
            names = np.take_along_axis(names, order, axis=1)
        chances = None
        if (softmax := self.config.softmax) is not None:
            deep = max(k, softmax.depth) if softmax.depth else None
            drawn = draw(rankings.scores[:, :deep], k, uniform, temperature=softmax.temperature)
            places, chances = drawn.places, drawn.chances
        elif self.config.diversity > 0 and self.vectors is not None:
            places = maximal_marginal_relevance(rankings, self.vectors, k, diversity=self.config.diversity)
        else:
            places = np.where(rankings.items[:, :k] >= 0, np.arange(k), -1)
        shown = places >= 0
        items = np.where(shown, np.take_along_axis(rankings.items, places, axis=1), -1).astype(np.int32)
        scores = np.where(shown, np.take_along_axis(rankings.scores, places, axis=1), -np.inf).astype(np.float32)
        sources = np.where(shown, np.take_along_axis(names, places, axis=1), "").astype(object)
        self._fill(items, scores, sources, histories, rules)
        stood_in = np.any([candidates.stood_in for candidates in found], axis=0)
        stand_in = self.config.fallback or "nothing"
        n = len(histories)
        return Choices(
            rankings=Rankings(items, scores),
            sources=sources,
            arms=np.full(n, "", dtype=object),
            propensities=np.ones(n),
            fallbacks=np.where(stood_in, stand_in, "").astype(object),
            failures={name: c.failure for name, c in zip(self.names, found, strict=True) if c.failure},
            details=None if chances is None else _propensities(chances, items),
        )

    def _fuse(self, rankings: list[Rankings], depth: int) -> Fused:
        if self.config.fusion == "weighted-score":
            return weighted_score(rankings, depth, weights=self.weights, scale=self.config.scale)
        return reciprocal_rank(rankings, depth, weights=self.weights, constant=self.config.constant)

    def _fill(
        self,
        items: NDArray[np.int32],
        scores: NDArray[np.float32],
        sources: NDArray[np.object_],
        histories: Histories,
        rules: Rules,
    ) -> None:
        """Slates that the sources could not fill get the fallback's best items at the end, with score 0."""
        k = items.shape[1]
        short = np.flatnonzero((items < 0).any(axis=1))
        if not len(short) or self.fallback is None or all(source is self.fallback for source in self.sources):
            return
        taken = [row[row >= 0] for row in items[short]]
        part, limits = histories.take(short), rules.take(short)
        exclude = [
            np.concatenate([np.asarray(row, dtype=np.int64), shown])
            for row, shown in zip([()] * len(short) if limits.exclude is None else limits.exclude, taken, strict=True)
        ]
        more = retrieve(
            self.fallback,
            None,
            part,
            k,
            replace(limits, exclude=exclude),
        ).rankings.items
        column = np.arange(k)[None, :] - np.array([len(row) for row in taken])[:, None]
        filler = np.where(column >= 0, np.take_along_axis(more, np.maximum(column, 0), axis=1), -1)
        gained = filler >= 0
        items[short] = np.where(gained, filler, items[short])
        scores[short] = np.where(gained, np.float32(0.0), scores[short])
        sources[short] = np.where(gained, self.config.fallback, sources[short])

    def _owners(self, found: list[Candidates], fused: Fused) -> NDArray[np.object_]:
        """(n, depth) the strategy that each fused item owes most to: the fallback where it stood in."""
        owners = np.array(self.names, dtype=object)[fused.sources]
        stood_in = np.stack([candidates.stood_in for candidates in found], axis=1)
        if stood_in.any() and self.config.fallback:
            replaced = np.take_along_axis(stood_in, np.maximum(fused.sources, 0).astype(np.int64), axis=1)
            owners[replaced] = self.config.fallback
        return owners


def _propensities(chances: NDArray[np.float64], items: NDArray[np.int32]) -> list[dict[str, list[float]]]:
    """The chance of each place given those above it; what the fallback fills in at the end is certain."""
    certain = np.where(np.isnan(chances), 1.0, chances)
    lengths = (items >= 0).sum(axis=1).tolist()
    return [{"propensities": row[:length]} for row, length in zip(certain.tolist(), lengths, strict=True)]
