"""Items without a user: like another one, or asked for by a sentence. Nothing is kept."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.app.engine import Engine
from recloop.app.servable import NotReadyError, Servable
from recloop.compose.search import Found, search, similar
from recloop.data.histories import Histories
from recloop.errors import MissingError
from recloop.types import ItemCondition


class Answered(NamedTuple):
    """What was found, and the release that it was found in."""

    found: Found
    release: Servable


class Finder:
    """Finds items of the release that the engine answers from.

    Args:
        engine: what answers.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def similar(self, item: str, k: int, exclude: Sequence[str], where: Mapping[str, ItemCondition]) -> Answered:
        """The items most like an item: by the vectors of their texts or of behaviour, whichever the release holds.

        Where it holds none, the default policy answers as for somebody who did something with this item alone.

        Raises:
            NotReadyError: there is no release.
            MissingError: the catalogue does not hold the item.
            SettingError: a condition does not fit the catalogue.
        """
        release = self._release()
        place = release.items.index(item)
        if place < 0:
            raise MissingError(
                f"the catalogue of release '{release.name}' has no item '{item[:100]}'",
                advice="look at the id, or promote a release that was trained on a catalogue with it",
            )
        allowed = self._allowed(release, exclude, where)
        if release.vectors is not None:
            by = "texts" if release.encoder else "behaviour"
            return Answered(similar(release.vectors, place, k, allowed, by, release.lengths, release.nearest), release)
        policy = release.policies[release.default_policy]
        ranked = policy.rank(Histories.of([[place]], len(release.items)), min(k, len(release.items)), allowed=allowed)
        there = ranked.items[0] >= 0
        return Answered(Found(ranked.items[0][there].astype(np.int64), ranked.scores[0][there], "policy"), release)

    def search(self, text: str, k: int, exclude: Sequence[str], where: Mapping[str, ItemCondition]) -> Answered:
        """The items that a sentence asks for.

        Raises:
            NotReadyError: there is no release.
            SettingError: a condition does not fit the catalogue, or the sentence is too long.
            ArtifactError: the encoder is not the one that made the vectors.
        """
        release = self._release()
        allowed = self._allowed(release, exclude, where)
        return Answered(search(text, release.words, release.steerer, k, allowed, release.nearest), release)

    def _release(self) -> Servable:
        release = self._engine.release
        if release is None:
            raise NotReadyError("no release is active", advice="promote one: POST /v1/releases/{name}/promote")
        return release

    def _allowed(
        self, release: Servable, exclude: Sequence[str], where: Mapping[str, ItemCondition]
    ) -> NDArray[np.bool_]:
        allowed = release.available & release.filters.mask(where) if where else release.available.copy()
        hidden = release.items.indices(exclude)
        allowed[hidden[hidden >= 0]] = False
        banned = self._engine.overrides.banned(release)
        return allowed if banned is None else allowed & ~banned
