"""The contract of a strategy: public verbs that check, map and mask once; private steps that a new strategy writes."""

import dataclasses
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, dataclass_transform

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.data.rankings import Rankings, top_k
from recloop.data.vocabulary import Vocabulary
from recloop.errors import ArtifactError, ConflictError, SettingError, nearest
from recloop.progress import SILENT, Progress
from recloop.types import Request, Slate, SlateItem

FORMAT = 1
BLOCK_BYTES = 64 * 2**20  # scores are made in blocks of rows of about this size: never users x items at once


def setting(
    default: Any, doc: str, *, low: float | None = None, high: float | None = None, choices: Sequence[str] | None = None
) -> Any:
    """A hyper-parameter of a strategy: its default, one sentence of help, and what is allowed."""
    return dataclasses.field(
        default=default, metadata={"doc": doc, "low": low, "high": high, "choices": tuple(choices or ())}
    )


@dataclass_transform(field_specifiers=(setting,))
class Strategy(ABC):
    """A function from a history (and a profile, and a moment) to item scores.

    A new strategy is a dataclass whose fields are its settings (made by ``setting``), with a ``name``, a ``summary``
    and four private steps: ``_fit``, ``_score``, ``_arrays`` and ``_restore``. Everything else (checks, id mapping,
    masking, ties, saving) is done here once.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs_text: ClassVar[bool] = False

    items: Vocabulary | None = None
    kinds: Kinds = Kinds()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclasses.dataclass(cls)

    def __post_init__(self) -> None:
        for entry in self.settings():
            _check_setting(type(self).name, entry, getattr(self, entry.name))

    # ---- what a new strategy writes

    @abstractmethod
    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        """Learn from the data; keep arrays as attributes."""

    @abstractmethod
    def _score(self, histories: Histories) -> NDArray[np.float32]:
        """(n, n_items) float32; a row depends on nothing but its own history. -inf means: never."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, as named arrays."""

    @abstractmethod
    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of ``_arrays``."""

    # ---- public verbs

    @classmethod
    def settings(cls) -> tuple["dataclasses.Field[Any]", ...]:
        """The settings, with help in their metadata."""
        return tuple(entry for entry in dataclasses.fields(cls) if "doc" in entry.metadata)  # type: ignore[arg-type]

    def config(self) -> dict[str, Any]:
        """The settings as a plain dictionary."""
        return {entry.name: getattr(self, entry.name) for entry in self.settings()}

    def fit(self, dataset: Dataset, progress: Progress = SILENT) -> Self:
        """Learn from a dataset; returns the strategy itself.

        Raises:
            DataError: the dataset lacks what the strategy needs.
        """
        self.items = dataset.item_ids
        self.kinds = dataset.kinds
        self._fit(dataset, progress)
        return self

    def score(self, requests: Histories | Sequence[Request]) -> NDArray[np.float32]:
        """(n, n_items) float32 scores of every item for every request. Unknown users and items are answered.

        Raises:
            ConflictError: the strategy is not fitted.
        """
        histories = self._histories(requests)
        return np.ascontiguousarray(self._score(histories), dtype=np.float32)

    def rank(
        self,
        histories: Histories,
        k: int,
        *,
        hide_seen: bool = True,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Rankings:
        """The k best items for each history, in blocks of rows.

        Args:
            histories: n histories.
            k: places per slate.
            hide_seen: leave out items of the history.
            allowed: (n_items,) bool, items that may be shown at all.
        """
        histories = self._histories(histories)
        n_items = max(1, histories.n_items)
        step = max(1, BLOCK_BYTES // (4 * n_items))
        parts = [
            self._rank_block(histories.block(start, start + step), k, hide_seen=hide_seen, allowed=allowed)
            for start in range(0, len(histories), step)
        ]
        if not parts:
            return Rankings(np.empty((0, k), np.int32), np.empty((0, k), np.float32))
        return Rankings(
            items=np.concatenate([part.items for part in parts]), scores=np.concatenate([part.scores for part in parts])
        )

    def _rank_block(
        self, histories: Histories, k: int, *, hide_seen: bool, allowed: NDArray[np.bool_] | None
    ) -> Rankings:
        scores = self._score(histories)
        if hide_seen:
            scores[histories.rows, histories.items] = -np.inf
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        return top_k(scores, k)

    def recommend(self, requests: Sequence[Request]) -> list[Slate]:
        """One slate per request, of at most ``request.k`` items; candidates, exclusions and seen items respected."""
        histories = self._histories(requests)
        assert self.items is not None
        scores = self._score(histories)
        scores[histories.rows, histories.items] = -np.inf
        for row, request in enumerate(requests):
            if request.candidates is not None:
                allowed = np.zeros(len(self.items), dtype=bool)
                places = self.items.indices(request.candidates)
                allowed[places[places >= 0]] = True
                scores[row, ~allowed] = -np.inf
            if request.exclude:
                places = self.items.indices(request.exclude)
                scores[row, places[places >= 0]] = -np.inf
        ranked = top_k(scores, max((request.k for request in requests), default=1))
        return [
            Slate(
                tuple(
                    SlateItem(item=self.items[item], score=float(score), source=self.name)
                    for item, score in zip(ranked.items[row, : request.k], ranked.scores[row, : request.k], strict=True)
                    if item >= 0
                )
            )
            for row, request in enumerate(requests)
        ]

    def save(self, folder: Path) -> None:
        """Write ``strategy.json``, ``items.json`` and ``weights.npz`` into a new folder. Never pickle."""
        items = self._fitted()
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {
            "weights": dict(self.kinds.weights),
            "minimum": dict(self.kinds.minimum),
            "default": self.kinds.default,
        }
        header = {"format": FORMAT, "strategy": self.name, "settings": self.config(), "kinds": kinds}
        (folder / "strategy.json").write_text(json.dumps(header, indent=2))
        (folder / "items.json").write_text(json.dumps(items.ids))
        np.savez(folder / "weights.npz", allow_pickle=False, **self._arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``.

        Raises:
            ArtifactError: a file is missing or damaged, or the format is another.
        """
        try:
            header = json.loads((folder / "strategy.json").read_text())
            ids = json.loads((folder / "items.json").read_text())
            with np.load(folder / "weights.npz", allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(
                f"{folder} holds no readable strategy ({error})", advice="train again, or roll back to another release"
            ) from error
        if header.get("format") != FORMAT or header.get("strategy") != cls.name:
            raise ArtifactError(
                f"{folder} holds strategy '{header.get('strategy')}' of format {header.get('format')}",
                allowed=f"'{cls.name}' of format {FORMAT} is wanted",
            )
        strategy = cls(**header["settings"])
        strategy.items = Vocabulary(ids)
        strategy.kinds = Kinds(**header["kinds"])
        strategy._restore(arrays)
        return strategy

    def _fitted(self) -> Vocabulary:
        if self.items is None:
            raise ConflictError(
                f"strategy '{self.name}' is not fitted", advice="call fit(dataset) or load(folder) first"
            )
        return self.items

    def _histories(self, requests: Histories | Sequence[Request]) -> Histories:
        items = self._fitted()
        if not isinstance(requests, Histories):
            return Histories.from_requests(requests, items, self.kinds)
        if requests.n_items != len(items):
            raise SettingError(
                f"the histories index {requests.n_items} items, the strategy knows {len(items)}",
                advice="use histories from the dataset that the strategy was fitted on",
            )
        return requests


def _check_setting(strategy: str, entry: "dataclasses.Field[Any]", value: Any) -> None:
    low, high, choices = entry.metadata["low"], entry.metadata["high"], entry.metadata["choices"]
    where = f"strategy '{strategy}': {entry.name} is {value!r}"
    if choices and value not in choices:
        raise SettingError(where, allowed=nearest(str(value), choices))
    if low is None and high is None:
        return
    if value is None and entry.default is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (low is not None and value < low) or (high is not None and value > high):
        span = f"between {low} and {high}" if high is not None and low is not None else f"at least {low}"
        span = span if low is not None else f"at most {high}"
        raise SettingError(where, allowed=f"it must be a number {span}", advice=f"the default is {entry.default}")
