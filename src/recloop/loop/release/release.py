from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose import Catalogue, Policy
from recloop.compose.facets import Facets
from recloop.compose.filters import Filters
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.search import lengths_of
from recloop.compose.steering import Steerer
from recloop.data.kinds import Kinds
from recloop.data.vocabulary import Vocabulary
from recloop.errors import SettingError, nearest
from recloop.language.word_index import WordIndex
from recloop.loop.gate import NO_GATE, GateConfig
from recloop.loop.release.layout import CHECKSUMS
from recloop.strategies import Strategy
from recloop.strategies.index import Index, shorter


@dataclass(frozen=True)
class Release:
    """What a service loads: everything needed to answer a request, and where it came from.

    Attributes:
        folder: where it lies.
        name: unique, such as ``3-1f2e3d4c``.
        version: one more than the release before it.
        created: seconds since 1970.
        policies: name → policy, ready to choose.
        default_policy: the name of the one that answers where no experiment says otherwise.
        strategies: name → fitted strategy.
        items: the ids behind the item indices.
        catalogue: one row per item index: ``item``, ``title`` and ``available``, ``year`` and ``price``
            (null where unknown), and ``category``, ``brand``, ``provider`` and ``arrived`` (seconds since 1970) where
            the catalogue has them.
        kinds: what each kind of event is worth.
        vectors: (n_items, d) float32, or None.
        encoder: the source of the encoder that made the vectors of texts; "" where they are of behaviour.
        fingerprint: of that encoder.
        metrics: the leaderboard at release: strategy, metric, value, low, high.
        parent: the release before, "" for the first.
        plan_hash: of the run that made it.
        data_fingerprint: of the data that it was trained on.
        models: name → text of what the fusion of its policies learned.
        objectives: what was learned of the objectives that they weigh; None where none does.
        gate: what must hold of groups of users before it answers.
    """

    folder: Path
    name: str
    version: int
    created: float
    policies: Mapping[str, Policy]
    default_policy: str
    strategies: Mapping[str, Strategy]
    items: Vocabulary
    catalogue: pl.DataFrame
    kinds: Kinds
    vectors: NDArray[np.float32] | None
    encoder: str = ""
    fingerprint: str = ""
    metrics: Sequence[Mapping[str, Any]] = ()
    parent: str = ""
    plan_hash: str = ""
    data_fingerprint: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    objectives: Objectives | None = None
    gate: GateConfig = NO_GATE

    @property
    def known(self) -> Catalogue:
        """What its policies know of the items, and what their fusion learned."""
        return Catalogue(self.catalogue, self.models, self.objectives)

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """The title of each item, its id where it has none."""
        return tuple(self.catalogue["title"].to_list())

    @cached_property
    def available(self) -> NDArray[np.bool_]:
        """(n_items,) whether each item may be shown at all."""
        return self.catalogue["available"].to_numpy().astype(bool)

    @cached_property
    def steerer(self) -> Steerer:
        """What turns the wishes of a sentence into what they do to the items."""
        vectors = self.vectors if self.encoder else None
        return Steerer(Facets.of(self.catalogue), vectors, self.encoder, self.fingerprint)

    @cached_property
    def lengths(self) -> NDArray[np.float32] | None:
        """(n_items,) the length of each vector, 1 where it is 0; None where there are no vectors."""
        return None if self.vectors is None else lengths_of(self.vectors)

    @cached_property
    def nearest(self) -> Index | None:
        """Finds the items near a vector without scoring all; None where the catalogue is small, or has no vectors."""
        return None if self.vectors is None else shorter(self.vectors)

    @cached_property
    def filters(self) -> Filters:
        """What conditions on attributes of items leave."""
        return Filters.of(self.catalogue)

    @cached_property
    def words(self) -> WordIndex:
        """The words of the items: titles, categories and brands."""
        known = [name for name in ("title", "category", "brand") if name in self.catalogue.columns]
        texts = self.catalogue.select(pl.concat_str(known, separator=" ", ignore_nulls=True))
        return WordIndex.of(texts.to_series().to_list())

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over the checksums of all files: the identity of the whole."""
        return sha256((self.folder / CHECKSUMS).read_bytes()).hexdigest()

    def policy(self, name: str = "") -> Policy:
        """A policy by name, the default one for "".

        Raises:
            SettingError: there is none of that name; the nearest is offered.
        """
        if name and name not in self.policies:
            raise SettingError(f"release '{self.name}' has no policy '{name}'", advice=nearest(name, self.policies))
        return self.policies[name or self.default_policy]
