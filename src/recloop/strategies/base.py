"""The contract of a strategy: public verbs that check, map and mask once; private steps that a new strategy writes."""

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, Self, Union, dataclass_transform, get_args, get_origin, get_type_hints
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.data.rankings import Rankings, top_k
from recloop.data.vocabulary import Vocabulary
from recloop.errors import ArtifactError, ConflictError, SettingError, nearest
from recloop.progress import SILENT, Progress
from recloop.strategies.compact import compact, expand, is_matrix
from recloop.types import Request, Slate, SlateItem

FORMAT = 1
Shared = Mapping[str, tuple[float, frozenset[int]]]  # term → its part of a score, and the items of the history with it
BLOCK_BYTES = 16 * 2**20  # scores are made in blocks of rows of about this size: never users x items at once


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] | None = None,
    search: tuple[float, float] | tuple[float, float, Literal["log"]] | list[Any] | None = None,
) -> Any:
    """A hyper-parameter of a strategy.

    Args:
        default: its value where nobody sets it.
        doc: one sentence of help.
        low: the least value allowed.
        high: the greatest value allowed.
        choices: the words allowed.
        search: where ``recloop tune`` looks for a better value: a range ``(low, high)``, one whose orders of magnitude
            count alike ``(low, high, "log")``, or a list of values. Without it the setting is not searched.
    """
    return dataclasses.field(
        default=default,
        metadata={"doc": doc, "low": low, "high": high, "choices": tuple(choices or ()), "search": search},
    )


@dataclass_transform(field_specifiers=(setting,))
class Strategy(ABC):
    """A function from a history (and a profile, and a moment) to item scores.

    A new strategy is a dataclass whose fields are its settings (made by ``setting``), with a ``name``, a ``summary``
    and two private steps: ``_fit`` and ``_score``. What ``_fit`` keeps as NumPy arrays is saved and loaded as it is;
    a strategy that keeps something else writes ``_arrays`` and ``_restore``, too. Everything else (checks, id mapping,
    masking, ties) is done here once. ``examples/my_strategy.py`` is a whole one.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs_text: ClassVar[bool] = False
    asks_outside: ClassVar[bool] = False  # scores cost calls to somebody else: they are not made merely to explain
    by_default: ClassVar[bool] = True  # False: trained for minutes, or cannot guess a setting; only where it is named

    items: Vocabulary | None = None
    kinds: Kinds = Kinds()
    form: str = ""  # of the saved matrices, see ``compact``

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclasses.dataclass(cls)

    def __post_init__(self) -> None:
        for entry in self.settings():
            _check_setting(type(self), entry, getattr(self, entry.name))

    # ---- what a new strategy writes

    @abstractmethod
    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        """Learn from the data; keep arrays as attributes."""

    @abstractmethod
    def _score(self, histories: Histories) -> NDArray[np.float32]:
        """(n, n_items) float32; a row depends on nothing but its own history. -inf means: never."""

    def _best(self, histories: Histories, k: int, allowed: NDArray[np.bool_] | None) -> Rankings | None:  # noqa: ARG002
        """See ``best``. A strategy writes this where it has a quicker way than scoring every item."""
        return None

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, as named arrays: the attributes that are arrays, where a strategy says nothing else."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of ``_arrays``."""
        for name, value in arrays.items():
            setattr(self, name, value)

    def _compressed(self, dataset: Dataset, progress: Progress) -> Iterator[Self]:  # noqa: ARG002
        """Smaller or faster strategies that answer nearly alike, the boldest first. ``self`` stays as it is.

        A strategy writes this where more can be done than rounding its matrices, which is done without it.
        """
        yield from ()

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
        self._fit(dataset, progress)
        self.items = dataset.item_ids
        self.kinds = dataset.kinds
        return self

    def score(self, requests: Histories | Sequence[Request]) -> NDArray[np.float32]:
        """(n, n_items) float32 scores of every item for every request. Unknown users and items are answered.

        Raises:
            ConflictError: the strategy is not fitted.
        """
        histories = self._histories(requests)
        return np.ascontiguousarray(self._score(histories), dtype=np.float32)

    def best(self, histories: Histories, k: int, *, allowed: NDArray[np.bool_] | None = None) -> Rankings | None:
        """The k best items of each history, those of the history included, found without scoring every item.

        None where this strategy has no quicker way than ``score``. A search by ``Index`` may miss a few.

        Args:
            histories: n histories.
            k: places; what is not found is padding.
            allowed: (n_items,) bool, items that may be found.

        Raises:
            SettingError: k is below 1, or the histories are of another catalogue.
            ConflictError: the strategy is not fitted.
        """
        _check_k(k)
        return self._best(self._histories(histories), k, allowed)

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

        Raises:
            SettingError: k is below 1, or the histories are of another catalogue.
            ConflictError: the strategy is not fitted.
        """
        _check_k(k)
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
        """One slate per request, of at most ``request.k`` items; candidates, exclusions and seen items respected.

        Raises:
            SettingError: a request's k is below 1, or it is steered by a sentence, which a policy follows.
            ConflictError: the strategy is not fitted.
        """
        for request in requests:
            _check_k(request.k)
            if request.steer:
                raise SettingError(
                    f"the request is steered by a sentence, and strategy '{self.name}' alone follows none",
                    advice="ask a policy: choose(..., steering=Steerer(...).steering([parse_steer(sentence)]))",
                )
        histories = self._histories(requests)
        assert self.items is not None
        scores = self.score(histories)
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
        ranked = top_k(scores, min(max((request.k for request in requests), default=1), max(1, len(self.items))))
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

    @property
    def caveat(self) -> str:
        """What must be known to read its figures, such as answers that it did not get; empty where nothing must."""
        return ""

    def shared_words(self, histories: Histories, items: NDArray[np.integer]) -> list[Shared]:  # noqa: ARG002
        """What each word, or pair of words, of an item's text adds to its score; nothing where none is read.

        Args:
            histories: one row.
            items: (k,) item indices.
        """
        return [{} for _ in items]

    def compressed(self, dataset: Dataset, progress: Progress = SILENT) -> Iterator[Self]:
        """Strategies that answer nearly alike from fewer bytes, or sooner; the boldest first, each made when asked for.

        First what the strategy can do of its own (distilled, pruned, quantised networks; sparse instead of dense
        weights), each with matrices of six bits per number, then of eight; then itself with such matrices, then with
        sixteen. One that was compressed before is not taught again: it has only its matrices to give.

        Args:
            dataset: what it was trained on, for what is trained again.
            progress: who watches.

        Raises:
            ConflictError: the strategy is not fitted.
        """
        self._fitted()
        for smaller in () if self.form else self._compressed(dataset, progress):
            yield from smaller._in_forms("int6", "int8")
        yield from self._in_forms("int6", "int8", "f16")

    def _with(self, arrays: Mapping[str, NDArray[Any]], form: str | None = None) -> Self:
        """A strategy of the same settings, items and kinds with other weights."""
        made = type(self)(**self.config())
        made.items, made.kinds, made.form = self.items, self.kinds, self.form if form is None else form
        made._restore(expand(arrays))
        return made

    def _in_forms(self, *forms: str) -> Iterator[Self]:
        """Itself in each form; in one where it has no matrix to change."""
        arrays = self._arrays()
        for form in forms if any(map(is_matrix, arrays.values())) else forms[-1:]:
            yield self._with(compact(arrays, form), form)

    def save(self, folder: Path) -> None:
        """Write ``strategy.json``, ``items.json`` and ``weights.npz`` into a new folder. Never pickle."""
        items = self._fitted()
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {
            "weights": dict(self.kinds.weights),
            "minimum": dict(self.kinds.minimum),
            "default": self.kinds.default,
        }
        header = {
            "format": FORMAT,
            "strategy": self.name,
            "settings": self.config(),
            "kinds": kinds,
            "matrices": self.form,
        }
        (folder / "strategy.json").write_text(json.dumps(header, indent=2))
        (folder / "items.json").write_text(json.dumps(items.ids))
        np.savez(folder / "weights.npz", allow_pickle=False, **compact(self._arrays(), self.form))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``.

        Raises:
            ArtifactError: a file is missing or damaged, or the format is another.
        """
        try:
            header = json.loads((folder / "strategy.json").read_text())
            ids = json.loads((folder / "items.json").read_text())
            with (folder / "weights.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise ArtifactError(
                f"{folder} holds no readable strategy ({error})", advice="train again, or roll back to another release"
            ) from error
        if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("strategy") != cls.name:
            header = header if isinstance(header, dict) else {}
            raise ArtifactError(
                f"{folder} holds strategy '{header.get('strategy')}' of format {header.get('format')}",
                allowed=f"'{cls.name}' of format {FORMAT} is wanted",
            )
        try:
            strategy = cls(**header["settings"])
            strategy.kinds = Kinds(**header["kinds"])
            strategy.form = header.get("matrices", "")
            strategy._restore(expand(arrays))
        except (KeyError, TypeError, ValueError, SettingError) as error:
            raise ArtifactError(
                f"{folder} holds strategy '{cls.name}' with other settings or weights than this version has ({error})",
                advice="train again, or install the version that wrote it",
            ) from error
        strategy.items = Vocabulary(ids)
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

    def _asked(self, histories: Histories, items: NDArray[np.integer]) -> Histories:
        """The histories for which ratings of items are asked, once it is clear that both have as many rows."""
        histories = self._histories(histories)
        if items.ndim != 2 or len(items) != len(histories):
            raise SettingError(
                f"items have shape {items.shape}", allowed=f"({len(histories)}, m): one row for each history"
            )
        return histories


def _check_k(k: int) -> None:
    if k < 1:
        raise SettingError(f"k is {k}", allowed="it must be at least 1", advice="ask for k=10")


WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def _check_setting(strategy: type[Strategy], entry: "dataclasses.Field[Any]", value: Any) -> None:
    low, high, choices = entry.metadata["low"], entry.metadata["high"], entry.metadata["choices"]
    where = f"strategy '{strategy.name}': {entry.name} is {value!r}"
    advice = f"the default is {entry.default!r}"
    hint = get_type_hints(strategy)[entry.name]
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    rule = " or ".join(WORDS.get(kind, str(kind)) for kind in kinds)
    if low is not None or high is not None:
        rule += f" between {low:,} and {high:,}" if None not in (low, high) else ""
        rule += f" of at least {low:,}" if high is None else ""
        rule += f" of at most {high:,}" if low is None else ""
    if choices and value not in choices:
        raise SettingError(where, allowed=nearest(str(value), choices))
    if not any(_is(value, kind) for kind in kinds) or (
        isinstance(value, int | float)
        and not ((low is None or value >= low) and (high is None or value <= high) and abs(value) < float("inf"))
    ):
        raise SettingError(where, allowed=f"it must be {rule}", advice=advice)


def _is(value: Any, kind: Any) -> bool:
    if kind not in WORDS:
        return True  # a strategy's own type: its own check
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
