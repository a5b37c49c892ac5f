from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.cache_folder import cache_folder
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, top_k
from recloop.errors import AnswerError, DataError, MissingError, SettingError
from recloop.language.chat import Chat
from recloop.language.ledger import Ledger
from recloop.language.ordering import read_ordering
from recloop.language.prompt import Prompt, one_line
from recloop.language.replies import Replies
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import runs_as_one
from recloop.strategies.registry import make

FOLDER = "language-models"  # of the cache: what was answered, and what it cost
NAMES = ("history", "candidates", "number")
BASE = "base."


class LLMRerank(Strategy):
    """The best candidates of another strategy, put in order by a generative language model behind HTTP.

    For each history the base strategy brings its best ``candidates``. The model reads the titles of the history and of
    the candidates and answers with an order of their numbers (list-wise ranking by prompt: Sun et al. 2023, "Is ChatGPT
    good at search?", section 3.1; for recommendation Hou et al. 2024, "Large language models are zero-shot rankers for
    recommender systems"). The candidates then share out the base's scores among themselves in that order, so that
    scores stay comparable and everything below stays where it was.

    The base's order stands wherever there is no answer that can be used: the endpoint is away, late or busy, the answer
    names anything but the candidates, the budget or ``max_calls`` is used up, or the history is empty.
    ``counts`` says how often which. What was answered once is kept on disk and costs nothing again.

    >>> from recloop.strategies.llm_rerank import LLMRerank
    >>> LLMRerank(base="ease", model="llama-3.1-8b").candidates
    20
    """

    name: ClassVar[str] = "llm-rerank"
    summary: ClassVar[str] = "the best items of another strategy, put in order by a language model behind HTTP"
    needs_text: ClassVar[bool] = True
    by_default: ClassVar[bool] = False
    asks_outside: ClassVar[bool] = True

    base: str = setting("item-knn", "the strategy that brings candidates")
    base_settings: dict[str, Any] | None = setting(None, "its settings, as a table; null for its defaults")
    url: str = setting("http://localhost:8000/v1", "base of an OpenAI-compatible endpoint")
    model: str = setting("", "the model's name at the endpoint; it must be given")
    key_variable: str = setting("OPENAI_API_KEY", "environment variable that holds the API key; empty sends none")
    prompt: str = setting("rerank", "a prompt that comes with recloop (rerank, next), or the path of yours")
    candidates: int = setting(20, "how many items are put in order", low=2, high=100)
    recent: int = setting(20, "how many of the last items of a history are told", low=1, high=1000)
    timeout: float = setting(10.0, "seconds for one answer, further tries included", low=0.01, high=3600)
    retries: int = setting(2, "further tries where the endpoint is busy or away", low=0, high=10)
    workers: int = setting(8, "questions at a time", low=1, high=256)
    max_tokens: int = setting(256, "of an answer", low=1, high=100_000)
    max_calls: int | None = setting(1000, "calls that one strategy makes before it leaves the order alone", low=0)
    input_price: float = setting(0.0, "of a million tokens of prompts", low=0, high=1e9)
    output_price: float = setting(0.0, "of a million tokens of answers", low=0, high=1e9)
    budget: float | None = setting(None, "what all calls in the ledger may cost together; null for no limit", low=0)
    ledger: str = setting("", "file that costs are written to; empty for one in the cache folder")
    body: dict[str, Any] | None = setting(None, "further fields of the request; a null takes a default one out")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("base_settings", "body"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, dict):
                raise SettingError(
                    f"strategy '{self.name}': {name} is {value!r}", allowed="it must be a table of settings, or null"
                )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        if not self.model:
            raise MissingError(
                "strategy 'llm-rerank' has no model",
                advice="name one: model = 'gpt-4o-mini', and the url of its endpoint",
            )
        self._prompt = Prompt.read(self.prompt, NAMES, needed=("history", "candidates"))
        self._open()
        titles = _titles(dataset)
        if not any(titles):
            raise DataError("no item has a text that a language model could read", advice="give a table of items")
        self._titles = _joined([title or id_ for title, id_ in zip(titles, dataset.item_ids.ids, strict=True)])
        self._base = self._new_base().fit(dataset, progress)

    def _new_base(self) -> Strategy:
        return make(self.base, **(self.base_settings or {}))

    def _open(self) -> None:
        """What reaches outside: the endpoint, the ledger, the answers on disk."""
        folder = cache_folder() / FOLDER
        ledger = Ledger(
            Path(self.ledger) if self.ledger else folder / "ledger.jsonl",
            budget=self.budget,
            input_price=self.input_price,
            output_price=self.output_price,
        )
        self._chat = Chat(
            self.url,
            self.model,
            key_variable=self.key_variable,
            timeout=self.timeout,
            retries=self.retries,
            max_tokens=self.max_tokens,
            max_calls=self.max_calls,
            body=self.body,
            ledger=ledger,
            replies=Replies(folder / "replies"),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How often what came of a history since the strategy was fitted or loaded.

        ``answered`` and ``kept`` (from disk) were put in order; all others kept the base's order, under the reason:
        ``timeout``, ``unreachable``, ``status 429``, ``malformed``, ``budget``, ``resting``, ``max_calls`` …
        """
        return dict(self._chat.counts)

    @property
    def caveat(self) -> str:
        """How many histories kept the base's order, and why."""
        kept = {reason: count for reason, count in self.counts.items() if reason not in {"answered", "kept"}}
        if not kept:
            return ""
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(kept.items(), key=lambda pair: -pair[1]))
        total = sum(self.counts.values())
        return f"{sum(kept.values()):,} of {total:,} histories kept the order of '{self.base}' ({why})"

    # ---- answering

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        scores = self._base_scores(histories)
        eligible = scores.copy()
        eligible[histories.rows, histories.items] = -np.inf
        return self._reordered(scores, eligible, histories)

    def _rank_block(
        self, histories: Histories, k: int, *, hide_seen: bool, allowed: NDArray[np.bool_] | None
    ) -> Rankings:
        # what may not be shown is no candidate
        scores = self._base_scores(histories)
        if hide_seen:
            scores[histories.rows, histories.items] = -np.inf
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        return top_k(self._reordered(scores, scores, histories), k)

    def _base_scores(self, histories: Histories) -> NDArray[np.float32]:
        if self._base.items is None:  # loaded
            self._base.items, self._base.kinds = self.items, self.kinds
        return self._base._score(histories)

    def _reordered(
        self, scores: NDArray[np.float32], eligible: NDArray[np.float32], histories: Histories
    ) -> NDArray[np.float32]:
        """The scores, with the best eligible items of each row in the model's order."""
        best = top_k(eligible, self.candidates)
        told = runs_as_one(histories).recent(self.recent)
        rows, questions = [], []
        for row in range(len(histories)):
            own = told.items[told.indptr[row] : told.indptr[row + 1]]
            candidates = best.items[row][best.items[row] >= 0]
            if len(own) and len(candidates) > 1:
                ratings = told.ratings[told.indptr[row] : told.indptr[row + 1]]
                rows.append((row, candidates))
                questions.append(self._question(own, ratings, candidates))
        for (row, candidates), order in zip(rows, self._chat.ask_all(questions, self.workers), strict=True):
            if not isinstance(order, AnswerError):
                scores[row, candidates[order]] = _falling(scores[row, candidates])
        return scores

    def _question(
        self, history: NDArray[np.integer], ratings: NDArray[np.float32], candidates: NDArray[np.integer]
    ) -> tuple[list[dict[str, str]], "partial[list[int]]"]:
        texts = [self._title(item) for item in candidates.tolist()]
        told = [
            self._title(item) + ("" if np.isnan(stars) else f" (rated {stars:g})")
            for item, stars in zip(history.tolist(), ratings.tolist(), strict=True)
        ]
        messages = self._prompt.messages(
            history="\n".join(f"- {text}" for text in told),
            candidates="\n".join(f"[{number}] {text}" for number, text in enumerate(texts, start=1)),
            number=str(len(texts)),
        )
        return messages, partial(read_ordering, texts=texts)

    def _title(self, item: int) -> str:
        offsets, letters = self._titles
        return letters[offsets[item] : offsets[item + 1]].tobytes().decode()

    # ---- keeping

    def _arrays(self) -> dict[str, NDArray[Any]]:
        offsets, letters = self._titles
        prompt = np.frombuffer(self._prompt.text.encode(), np.uint8)
        own: dict[str, NDArray[Any]] = {"prompt": prompt, "title_offsets": offsets, "title_letters": letters}
        return own | {BASE + name: array for name, array in self._base._arrays().items()}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._prompt = Prompt.parse(arrays["prompt"].tobytes().decode(), NAMES)
        self._titles = arrays["title_offsets"], arrays["title_letters"]
        self._base = self._new_base()
        self._base._restore({n.removeprefix(BASE): array for n, array in arrays.items() if n.startswith(BASE)})
        self._open()


def _titles(dataset: Dataset) -> list[str]:
    """The title of each item with its category, or what other text it has, on one line."""
    whole = dataset.item_texts()
    if "title" not in dataset.items.columns:
        return [one_line(text) for text in whole]
    kept = [name for name in ("title", "category") if name in dataset.items.columns]
    columns = dataset.items.select(pl.col(kept).cast(pl.String).fill_null("")).iter_rows()
    return [
        one_line(text) if not title.strip() else one_line(title) + "".join(f" ({one_line(c)})" for c in rest if c)
        for (title, *rest), text in zip(columns, whole, strict=True)
    ]


def _joined(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where each text starts and ends, and the bytes of all: saved without padding to the longest."""
    raw = [text.encode("utf-8", "replace") for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in raw])]).astype(np.int64)
    return offsets, np.frombuffer(b"".join(raw), np.uint8)


def _falling(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores from the best down, each truly above the next: equal ones are lifted by the least that float32 knows."""
    falling = np.sort(scores)[::-1].copy()
    for place in range(len(falling) - 2, -1, -1):
        falling[place] = max(falling[place], np.nextafter(falling[place + 1], np.float32(np.inf)))
    return falling
