import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError, SettingError, nearest
from recloop.language.bert import BertConfig, read_weights
from recloop.language.dense import read_dense
from recloop.language.engine import Engine
from recloop.language.files import WEIGHTS, EncoderFiles, find_files
from recloop.progress import SILENT, Progress

Pooling = Literal["mean", "cls"]

# A batch holds about so many tokens: larger ones leave the caches of the processor, smaller ones its units idle.
BATCH_TOKENS = 1024
# Lengths are rounded up to a multiple: padding costs a little, a shape that the runtime has not met costs more.
ROUND_LENGTH = 4
WINDOW = 8192  # texts that are tokenised and sorted together; what bounds memory
PRECISIONS = ("f32", "bf16")


class TransformerEncoder:
    """A BERT sentence encoder without torch: tokenizer, network on the CPU, pooling, length 1 (Reimers & Gurevych
    2019, "Sentence-BERT", section 3).

    Equal texts are encoded once. Texts are sorted by length, so that little is spent on padding. The network is
    built when the first text comes.

    Args:
        files: where the model lies.
        config: the shape of the network.
        pooling: ``"mean"`` of the token vectors, or the vector of the first token (``"cls"``).
        max_length: tokens of a text that are read, the rest is cut off.
        threads: how many threads the network may use.
        precision: of the products.
    """

    def __init__(
        self, files: EncoderFiles, config: BertConfig, pooling: Pooling, max_length: int, threads: int, precision: str
    ) -> None:
        self.name = files.name
        self.dense = read_dense(files, config.hidden_size)
        self.dimension = config.hidden_size if self.dense is None else len(self.dense[0])
        self.files, self.config, self.pooling = files, config, pooling
        self.max_length, self.threads, self.precision = max_length, threads, precision
        settings = f"{files.fingerprint} {pooling} {max_length} {precision}"
        self.fingerprint = sha256(settings.encode()).hexdigest()

    @classmethod
    def load(
        cls, source: str, *, max_length: int | None = None, threads: int | None = None, precision: str | None = None
    ) -> "TransformerEncoder":
        """See ``load_encoder``."""
        from recloop.neural.precision import best_precision

        files = find_files(source)
        config = BertConfig.read(files.path("config.json"))
        if max_length is not None and not 3 <= max_length <= config.max_positions:
            raise SettingError(
                f"max_length is {max_length}", allowed=f"'{files.name}' reads 3 to {config.max_positions} tokens"
            )
        if threads is not None and threads < 1:
            raise SettingError(f"threads is {threads}", allowed="at least 1 thread is needed")
        if precision is not None and precision not in PRECISIONS:
            raise SettingError(f"precision is {precision!r}", allowed=nearest(str(precision), PRECISIONS))
        return cls(
            files,
            config,
            pooling=_pooling(files),
            max_length=max_length or _max_length(files, config),
            threads=threads or usable_threads(),
            precision=precision or best_precision(),
        )

    @cached_property
    def engine(self) -> Engine:
        """The network, made from the weights."""
        from recloop.language.openvino_engine import OpenVinoEngine

        weights = read_weights(self.files.path(WEIGHTS), self.config)
        return OpenVinoEngine(weights, self.config, threads=self.threads, precision=self.precision)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the model, without the padding it was saved with."""
        from tokenizers import Tokenizer

        path = self.files.path("tokenizer.json")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises nothing narrower
            raise ArtifactError(f"{path} is no tokenizer ({error})", advice="download the model again") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    def encode(self, texts: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """(n, dimension) float32, each row of length 1.

        Unpaired surrogates count as unknown characters. An empty text has a vector, which means nothing.

        Raises:
            SettingError: ``texts`` is one string, or holds something else than strings.
        """
        if isinstance(texts, str):
            raise SettingError("one text was given where a list is wanted", advice="write encode([text])")
        places: dict[str, int] = {}
        try:
            row = np.fromiter((places.setdefault(text, len(places)) for text in texts), np.int64, count=len(texts))
            distinct = [as_utf8(text) for text in places]
        except (TypeError, AttributeError) as error:
            raise SettingError(
                "the texts hold something that is not a string", advice="give '' where there is no text"
            ) from error
        vectors = np.empty((len(distinct), self.dimension), np.float32)
        if distinct:
            with progress.task(f"encode ({self.name})", total=len(distinct)) as advance:
                for start in range(0, len(distinct), WINDOW):
                    self._encode(distinct[start : start + WINDOW], vectors[start : start + WINDOW], advance)
        return vectors[row]

    def _encode(self, texts: list[str], out: NDArray[np.float32], advance: Callable[[float], None]) -> None:
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]
        for rows, ids, mask in batches(tokens):
            hidden = self.engine.hidden(ids, mask)
            pooled = (mask[:, None] @ hidden)[:, 0] if self.pooling == "mean" else hidden[:, 0]
            if self.dense is not None:
                pooled = pooled @ self.dense[0].T + self.dense[1]
            out[rows] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
            advance(len(rows))


def batches(
    tokens: Sequence[Sequence[int]],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]]:
    """Texts of like length together: (rows, ids (b, length) padded with 0, mask of the same shape), longest first.

    >>> [(rows.tolist(), ids.shape) for rows, ids, _ in batches([[5], [6, 7, 8, 9, 10], [11]])]
    [([1], (1, 8)), ([0, 2], (2, 4))]
    """
    lengths = np.fromiter(map(len, tokens), np.int64, count=len(tokens))
    padded = np.maximum(-(-lengths // ROUND_LENGTH), 1) * ROUND_LENGTH
    order = np.argsort(-padded, kind="stable")
    firsts = np.flatnonzero(np.diff(padded[order], prepend=-1))
    for first, last in pairwise([*firsts.tolist(), len(order)]):
        length = int(padded[order[first]])
        step = max(1, BATCH_TOKENS // length)
        for start in range(first, last, step):
            rows = order[start : min(start + step, last)]
            mask = np.arange(length) < lengths[rows, None]
            ids = np.zeros((len(rows), length), np.int32)
            ids[mask] = np.concatenate([tokens[row] for row in rows])
            yield rows, ids, mask.astype(np.float32)


def as_utf8(text: str) -> str:
    """The text, with the replacement character for what UTF-8 cannot hold (surrogates without their partner).

    >>> as_utf8("fine"), as_utf8("broken " + chr(0xD83D))
    ('fine', 'broken �')
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def usable_threads() -> int:
    """OMP_NUM_THREADS where it is set, else the number of cores that this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pooling(files: EncoderFiles) -> Pooling:
    """What ``1_Pooling/config.json`` says; the mean where it is absent."""
    path = files.path("1_Pooling/config.json")
    if not path.is_file():
        return "mean"
    given = _json(path)
    chosen = sorted(name for name, on in given.items() if name.startswith("pooling_mode_") and on is True)
    known: dict[str, Pooling] = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(chosen) != 1 or chosen[0] not in known:
        raise ArtifactError(f"{path} asks for {' and '.join(chosen) or 'no pooling'}", allowed=f"{' or '.join(known)}")
    return known[chosen[0]]


def _max_length(files: EncoderFiles, config: BertConfig) -> int:
    """What the model was made for: ``sentence_bert_config.json``, else as many tokens as it has positions."""
    path = files.path("sentence_bert_config.json")
    wanted = _json(path).get("max_seq_length") if path.is_file() else None
    return min(wanted, config.max_positions) if isinstance(wanted, int) and wanted > 2 else config.max_positions


def _json(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error})", advice="download the model again") from error
    if not isinstance(given, dict):
        raise ArtifactError(f"{path} holds no object", advice="download the model again")
    return given
