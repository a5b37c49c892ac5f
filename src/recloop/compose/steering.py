"""Wishes of a sentence, over the items of a catalogue: what they leave out and what they pull up or down."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recloop.compose.facets import Facets
from recloop.errors import ArtifactError, MissingError, SettingError
from recloop.language.encoder import Encoder, load_encoder
from recloop.language.steer import Steer
from recloop.strategies.index import Index

LESS = 0.5  # what nearness to a text costs of which less is wished for; never costs, and more gains, 1


@dataclass(frozen=True, eq=False)
class Steering:
    """What the wishes of n requests do to the scores of items.

    The scores s of a request, over the items that may be shown, are brought to one scale with the pull p of its wishes,
    and mixed by the strength a of the steer:

        (1 - a) x (s - mean) / (max - mean)  +  a x p

    Where wishes only leave items out, the scores stay as they are. Requests with the same steer share a row.

    Attributes:
        rows: (n,) int64, the row of ``pull`` and ``shown`` that is a request's; -1 where it is not steered.
        pull: (m, n_items) float32, at most 1: how near an item is to what is wished for, less how near to what is not.
        shown: (m, n_items) bool, the items that may be shown.
        strength: (m,) float32.
    """

    rows: NDArray[np.int64]
    pull: NDArray[np.float32]
    shown: NDArray[np.bool_]
    strength: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: NDArray[np.integer] | slice) -> "Steering":
        """The steering of some of the requests."""
        return Steering(self.rows[rows], self.pull, self.shown, self.strength)

    def apply(self, scores: NDArray[np.float32]) -> None:
        """Steer the scores (n, n_items), in place. What is -inf stays so."""
        for row in np.unique(self.rows[self.rows >= 0]).tolist():
            places = np.flatnonzero(self.rows == row)
            part = scores[places]
            part[:, ~self.shown[row]] = -np.inf
            if self.pull[row].any():
                mixed = (1 - self.strength[row]) * above_mean(part, 0.0) + self.strength[row] * self.pull[row]
                part = np.where(part > -np.inf, mixed, -np.inf)
            scores[places] = part


def above_mean(scores: NDArray[np.float32], hidden: float = -np.inf) -> NDArray[np.float32]:
    """Each row moved and scaled so that its mean is 0 and its greatest is 1; -inf is left out and becomes ``hidden``.

    Scores that are all equal become 0.
    """
    there = np.isfinite(scores)
    count = np.maximum(there.sum(axis=-1, keepdims=True), 1)
    mean = np.where(there, scores, 0).sum(axis=-1, keepdims=True, dtype=np.float64) / count
    top = np.where(there, scores, -np.inf).max(axis=-1, keepdims=True, initial=-np.inf) - mean
    scaled = (np.where(there, scores, 0) - mean) / np.where(np.isfinite(top) & (top > 0), top, 1)
    return np.where(there, scaled, hidden).astype(np.float32)


class Steerer:
    """Turns wishes into what they do to the items of one catalogue.

    A wish is followed by the cosine of its vector and those of the items, and by the names of the categories. What is
    never wished for leaves out the items of a category of that name; where there is none, it pulls them down as
    ``less`` does. A bound leaves out the items outside; where the catalogue does not know the attribute, its words
    become a wish.

    Args:
        facets: years, prices and categories.
        vectors: (n_items, d) of the item texts by ``encoder``, centred or not; None where there are none.
        encoder: a source for ``load_encoder``, loaded with the first wish that needs it, or an encoder.
        fingerprint: of the encoder that made the vectors; "" where it was not kept.

    >>> import polars as pl
    >>> from recloop.language import parse_steer
    >>> items = pl.DataFrame({"title": ["Alien (1979)", "Clue (1985)"], "category": ["Horror", "Comedy"]})
    >>> steering = Steerer(Facets.of(items)).steering([parse_steer("no horror"), parse_steer("before 1980")])
    >>> steering.shown.tolist()
    [[False, True], [True, False]]
    """

    def __init__(
        self,
        facets: Facets,
        vectors: NDArray[np.float32] | None = None,
        encoder: str | Encoder = "default",
        fingerprint: str = "",
    ) -> None:
        self.facets = facets
        self._vectors = vectors
        self._source = encoder
        self._fingerprint = fingerprint

    def steering(self, steers: Sequence[Steer | None]) -> Steering:
        """What the wishes of n requests do; None, and a steer that wishes nothing, do nothing.

        Raises:
            SettingError: a wish is about what items are like, and there are no vectors of their texts.
            ExtraError: the extra ``text`` is not installed.
            ArtifactError: the encoder is not the one that made the vectors.
        """
        distinct = list(dict.fromkeys(steer for steer in steers if steer))
        place = {steer: row for row, steer in enumerate(distinct)}
        n = len(self.facets.year)
        phrases = list(dict.fromkeys(phrase for steer in distinct for phrase in self._wishes(steer)))
        near = dict(zip(phrases, self._near(phrases), strict=True))
        return Steering(
            rows=np.array([place[steer] if steer else -1 for steer in steers], dtype=np.int64),
            pull=np.array([self._pull(steer, near) for steer in distinct], np.float32).reshape(-1, n),
            shown=np.array([self.shown(steer) for steer in distinct], bool).reshape(-1, n),
            strength=np.array([steer.strength for steer in distinct], np.float32),
        )

    @property
    def reads_texts(self) -> bool:
        """Whether it holds vectors of the item texts, so that a wish can be about anything."""
        return self._vectors is not None

    def direction(self, steer: Steer, index: Index) -> tuple[NDArray[np.float32], float] | None:
        """What is wished for as one vector q (d,) and a number c: the pull of an item with vector v is ``q @ v - c``.

        None where wishes name a category, or wish for less: that is no product of vectors.

        Args:
            steer: the wishes.
            index: of the vectors of the texts, which finds the nearest item to each wish.

        Raises:
            ExtraError: the extra ``text`` is not installed.
            ArtifactError: the encoder is not the one that made the vectors.
        """
        wishes = self._wishes(steer)
        plain = wishes and all(w > 0 and self.facets.named(phrase) is None for phrase, w in wishes.items())
        if self._vectors is None or not plain:
            return None
        queries = self._encoder.encode(list(wishes))
        mean = queries @ self._mean
        span = index.search(queries, 1).scores[:, 0] - mean
        scale = np.where(span > 0, 1 / np.where(span > 0, span, 1), 0) / len(wishes)
        return (scale[:, None] * queries).sum(axis=0).astype(np.float32), float(scale @ mean)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        assert self._vectors is not None
        found: NDArray[np.float32] = self._vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return found

    # ---- what is left out

    def shown(self, steer: Steer) -> NDArray[np.bool_]:
        """(n_items,) which items the wishes do not leave out."""
        shown = np.ones(len(self.facets.year), dtype=bool)
        for phrase in steer.never:
            if (named := self.facets.named(phrase)) is not None:
                shown &= ~named
        only = [named for phrase in steer.only if (named := self.facets.named(phrase)) is not None]
        if only:
            shown &= np.any(only, axis=0)
        for attribute in ("year", "price"):
            bounds = [bound for bound in steer.bounds if bound.attribute == attribute]
            wanted = [held for bound in bounds if bound.wanted and (held := self.facets.between(bound)) is not None]
            spans = [bound for bound in bounds if bound.wanted]
            if wanted:
                apart = max(span.low for span in spans) > min(span.high for span in spans)
                shown &= np.any(wanted, axis=0) if apart else np.all(wanted, axis=0)
            for bound in bounds:
                if not bound.wanted and (held := self.facets.between(bound)) is not None:
                    shown &= ~held
        return shown

    # ---- what is pulled

    def _wishes(self, steer: Steer) -> dict[str, float]:
        """What pulls, and how much: up where above 0, down where below."""
        lost = [bound for bound in steer.bounds if bound.words and self.facets.between(bound) is None]
        never = [phrase for phrase in steer.never if self.facets.named(phrase) is None]
        up = [*steer.more, *steer.only, *(bound.words for bound in lost if bound.wanted)]
        down = [*never, *(bound.words for bound in lost if not bound.wanted)]
        return dict.fromkeys(up, 1.0) | dict.fromkeys(steer.less, -LESS) | dict.fromkeys(down, -1.0)

    def _pull(self, steer: Steer, near: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        wishes = self._wishes(steer)
        pull = np.zeros(len(self.facets.year), np.float32)
        up = [near[phrase] for phrase, weight in wishes.items() if weight > 0]
        # To be far from what is not wished for is no merit
        down = [-weight * np.maximum(near[phrase], 0) for phrase, weight in wishes.items() if weight < 0]
        if up:
            pull += np.mean(up, axis=0)
        if down:
            pull -= np.max(down, axis=0)
        return pull

    def _near(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """(phrases, n_items): how near each item is, 0 for the average one and 1 for the nearest."""
        n = len(self.facets.year)
        if not phrases:
            return np.zeros((0, n), np.float32)
        named = [self.facets.named(phrase) for phrase in phrases]
        if self._vectors is None:
            lost = next((phrase for phrase, known in zip(phrases, named, strict=True) if known is None), None)
            if lost is not None:
                raise SettingError(
                    f"nothing says which items are like '{lost}'",
                    allowed="without vectors of the item texts, only categories, years and prices can be wished for",
                    advice="train a strategy that reads texts, such as 'content'",
                )
            return above_mean(np.array(named, np.float32))
        near = above_mean(self._encoder.encode(list(phrases)) @ self._vectors.T)
        for row, known in enumerate(named):
            if known is not None:
                near[row] = (near[row] + known) / 2
        return near

    @cached_property
    def _encoder(self) -> Encoder:
        try:
            encoder = load_encoder(self._source) if isinstance(self._source, str) else self._source
        except MissingError as error:  # of the release, not of what is asked for
            raise ArtifactError(
                f"the encoder '{self._source}', by which the items were encoded, is not on this machine",
                advice="install it, or train again with one that is",
            ) from error
        assert self._vectors is not None
        made = self._vectors.shape[1]
        if encoder.dimension != made or self._fingerprint not in ("", encoder.fingerprint):
            raise ArtifactError(
                f"the encoder '{encoder.name}' gives vectors of {encoder.dimension} numbers, and is not the one that "
                f"made the {made} numbers of each item",
                advice="train again with this encoder, or install the one that the items were encoded with",
            )
        return encoder
