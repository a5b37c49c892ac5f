from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.assembly import PIN, Assembly, Made
from recloop.compose.budget import Budget
from recloop.compose.business.effects import Effect, moved, summed_up
from recloop.compose.business.rule_book import RuleBook
from recloop.compose.catalogue import Catalogue
from recloop.compose.config import SlateConfig
from recloop.compose.diversity import unit
from recloop.compose.failed import with_failed
from recloop.compose.fusion.fuser import Fuser
from recloop.compose.objectives.weigher import Weigher
from recloop.compose.plackett_luce import with_propensities
from recloop.compose.policy import Choices, Policy, State, strategy_of
from recloop.compose.retrieval import Retrieval, Retrieved
from recloop.compose.rules import Rules
from recloop.compose.steps import Move, moves_of
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, along
from recloop.data.splitmix import STEP, mixed
from recloop.data.splitmix import unit as uniform_of
from recloop.errors import ConflictError, SettingError
from recloop.strategies.base import BLOCK_BYTES, Strategy


class SlatePolicy(Policy):
    """Sources → candidates that the rules allow → fusion → boosts → diversity → caps → pins → one slate.

    With one source and nothing else it is that strategy, served: a control.
    """

    config: SlateConfig

    def __init__(
        self,
        config: SlateConfig,
        strategies: Mapping[str, Strategy],
        vectors: NDArray[np.float32] | None = None,
        *,
        catalogue: Catalogue | None = None,
    ) -> None:
        weights = {name: weight for name, weight in config.weights.items() if weight > 0}
        self.config = config
        self.names = tuple(weights)
        self.weights = tuple(weights.values())
        self.sources = [strategy_of(name, "a source", strategies) for name in weights]
        self.ranker = strategy_of(config.ranker, "the ranker", strategies) if config.ranker else None
        self.budgets = [Budget(config.budget) for _ in [*weights, "ranker"]]
        self.fallback = strategy_of(config.fallback, "the fallback", strategies) if config.fallback else None
        first = self.sources[0].items
        assert first is not None
        for other in [*self.sources, self.ranker, self.fallback]:
            if other is not None and other.items != first:
                raise ConflictError(
                    f"the policy's sources '{self.names[0]}' and '{other.name}' know different items",
                    advice="fit them on the same dataset",
                )
        self.items = first
        how = config.diversified
        if how is not None and how.by_vectors and vectors is None:
            raise SettingError(
                f"diversity is {how.strength}, and there are no item vectors",
                advice="give the items texts, or set diversity = 0",
            )
        if vectors is not None and len(vectors) != len(first):
            raise ConflictError(
                f"there are {len(vectors)} item vectors for {len(first)} items",
                advice="make them from the same dataset",
            )
        by_category = how is not None and not how.by_vectors
        if catalogue is None and (config.rules or by_category):
            raise SettingError(
                "the policy has rules, or covers categories, and no catalogue is known",
                advice="build it with catalogue=Catalogue(items)",
            )
        book = RuleBook.of(config.rules, catalogue, conflicts=config.conflicts) if catalogue else RuleBook.empty()
        self.retrieval = Retrieval(
            self.names, self.sources, self.fallback, self.ranker, config.ranker, self.budgets, book
        )
        self.assembly = Assembly(
            config,
            Fuser(config, self.names, self.weights, catalogue.models if catalogue else {}),
            book,
            None if all(one is self.fallback for one in self.sources) else self.fallback,
            unit(vectors) if vectors is not None and how is not None and how.by_vectors else None,
            catalogue.categories if catalogue is not None and by_category else None,
            Weigher.of(config.objectives, self.names, catalogue.objectives if catalogue is not None else None),
        )

    @property
    def book(self) -> RuleBook:
        """The business rules."""
        return self.assembly.book

    @property
    def asks_outside(self) -> bool:
        """Whether one of its sources does."""
        return any(source.asks_outside for source in [*self.sources, self.ranker] if source is not None)

    def strategy(self, name: str) -> Strategy | None:
        """A source, or the fallback, by name."""
        if name in self.names:
            return self.sources[self.names.index(name)]
        return self.fallback if name == self.config.fallback else None

    def rule_effects(self, histories: Histories, k: int, *, allowed: NDArray[np.bool_] | None = None) -> list[Effect]:
        """What each business rule does to the slates of some requests: those with it beside those without it.

        Args:
            histories: n requests, all of which are measured.
            k: places of a slate.
            allowed: (n_items,) bool, what is available.
        """
        rules = self._seen(Rules(allowed=allowed))
        self._check(histories, k, rules)
        found = self._found(histories, k, rules)
        return summed_up(self.book.rules, *self._moved(found, histories, k, rules))

    def steps(self, histories: Histories, k: int, rules: Rules) -> list[tuple[str, NDArray[np.int32]]]:
        """The order of the items after each step that can change it, the slate last: what moved an item.

        Returns:
            Pairs of a step (a source by name, ``fusion``, ``boosts``, ``diversity``, ``caps``, ``pins``) and (n, m)
            item indices, -1 in padding.
        """
        rules = self._seen(rules)
        found = self._found(histories, k, rules)
        trace: list[tuple[str, NDArray[np.int32]]] = []
        made = self.assembly.slates(found.lists, histories, k, rules, ranker=found.ranker, trace=trace)
        own = [(name, one.items) for name, one in zip(self.names, found.lists, strict=True)]
        return [*own, *trace, ("slate", made.items)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the order of precedence settles."""
        return self.book.notes

    def moves(self, histories: Histories, choices: Choices, rules: Rules) -> list[list[Move]]:
        """Where each item of a slate stood in its source and after each step, the slate last."""
        steps = self.steps(histories, choices.rankings.k, rules)
        shown = choices.rankings.items[0]
        return [
            moves_of(steps, item, source)
            for item, source in zip(shown[shown >= 0].tolist(), choices.sources[0].tolist(), strict=False)
        ]

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
        if n <= step:
            return self._block(histories, k, uniform, rules)
        starts = range(0, n, step)
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
            details=None if blocks[0].details is None else [row for b in blocks for row in b.details or ()],
        )

    def _block(self, histories: Histories, k: int, uniform: NDArray[np.float64], rules: Rules) -> Choices:
        rules = self._seen(rules)
        found = self._found(histories, k, rules)
        made = self.assembly.slates(found.lists, histories, k, rules, ranker=found.ranker, uniform=uniform)
        details = self._told(found, made, histories, k, rules) if rules.effects and len(self.book) else None
        if made.chances is not None:
            details = with_propensities(details, made.items, made.chances)
        if found.failures:
            details = with_failed(details, found.failed(self.names, self.config.ranker), found.failures)
        fallbacks = np.full(len(histories), "", dtype=object)
        fallbacks[found.unranked] = self.names[0]
        fallbacks[found.stood_in.any(axis=1)] = self.config.fallback or "nothing"
        return Choices(
            rankings=Rankings(made.items, made.scores),
            sources=self._owners(found, made),
            arms=np.full(len(histories), "", dtype=object),
            propensities=np.ones(len(histories)),
            fallbacks=fallbacks,
            failures=found.failures,
            details=details,
        )

    def _seen(self, rules: Rules) -> Rules:
        """Where a business rule says what of the history is hidden, the history is not hidden as a whole."""
        return replace(rules, hide_seen=False) if rules.hide_seen and self.book.instead_of_seen else rules

    def _found(self, histories: Histories, k: int, rules: Rules) -> Retrieved:
        return self.retrieval.retrieve(histories, k, max(k, min(self.config.candidates, histories.n_items)), rules)

    def _owners(self, found: Retrieved, made: Made) -> NDArray[np.object_]:
        """(n, k) the strategy that each item owes most to: the fallback where it stood in or filled up."""
        names = np.array([*self.names, PIN, self.config.fallback, ""], dtype=object)  # the last three: -3, -2, -1
        owners = names[made.sources]
        if found.stood_in.any() and self.config.fallback:
            replaced = along(found.stood_in, np.maximum(made.sources, 0).astype(np.int64))
            owners[replaced & (made.sources >= 0)] = self.config.fallback
        return owners

    def _moved(
        self, found: Retrieved, histories: Histories, k: int, rules: Rules
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(rules, n) the places and the exposure that each rule moved, against all others without it."""
        made = self.assembly.slates(found.lists, histories, k, rules, ranker=found.ranker)
        pairs = []
        for rule in range(len(self.book)):
            lists = self.retrieval.lists_without(found, histories, rule)
            other = self.assembly.slates(lists, histories, k, rules, ranker=found.ranker, without=rule)
            pairs.append(moved(made.items, other.items))
        n = len(histories)
        return (
            np.array([places for places, _ in pairs], np.int64).reshape(-1, n),
            np.array([exposure for _, exposure in pairs], np.float64).reshape(-1, n),
        )

    def _told(
        self, found: Retrieved, made: Made, histories: Histories, k: int, rules: Rules
    ) -> list[Mapping[str, Any]]:
        """Of each request what its rules did, where that is measured, and the pins that could not be kept."""
        told: list[dict[str, dict[str, Any]]] = [{} for _ in range(len(histories))]
        rows = np.flatnonzero(uniform_of(mixed(histories.keys ^ STEP)) < self.config.measured)
        names = [rule.name for rule in self.book.rules]
        if len(rows):
            places, exposure = self._moved(found.take(rows), histories.take(rows), k, rules.take(rows))
            for row, changed, shifted in zip(
                rows.tolist(), places.T.tolist(), exposure.T.round(6).tolist(), strict=True
            ):
                told[row] = {
                    name: {"places": one, "exposure": other}
                    for name, one, other in zip(names, changed, shifted, strict=True)
                }
        for row, rule in zip(*(made.skipped >= 0).nonzero(), strict=True):
            said = told[row].setdefault(names[made.skipped[row, rule]], {})
            said["skipped"] = said.get("skipped", 0) + 1
        return [{"rules": one} if one else {} for one in told]
