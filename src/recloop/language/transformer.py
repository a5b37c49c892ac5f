import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError, SettingError, nearest
from recloop.language.architecture import Architecture, read_architecture
from recloop.language.engine import Engine
from recloop.language.files import LENGTH, PROMPTS, EncoderFiles, find_files
from recloop.language.head import Head, read_head, read_json
from recloop.language.processor import PRECISIONS, fastest_precision, flags
from recloop.language.weights import Weights
from recloop.progress import SILENT, Progress

# A batch holds about so many tokens: larger ones leave the caches of the processor, smaller ones its units idle.
BATCH_TOKENS = 1024
# A batch more costs as much as so many tokens: up to there, shorter texts are padded to fill one up.
BATCH_COST = 48
WINDOW = 8192  # texts that are tokenised and sorted together; what bounds memory
# Networks that could read books are given so many tokens where nobody asks for more: the logits of attention grow with
# the square of it.
LONGEST = 2048
# What lies behind so many characters per token is not looked at; only texts of very long words could tell.
CHARACTERS_PER_TOKEN = 64


class TransformerEncoder:
    """A sentence encoder without torch: tokenizer, network on the CPU, pooling, length 1 (Reimers & Gurevych 2019,
    "Sentence-BERT", section 3).

    Equal texts are encoded once. Texts are sorted by length, so that little is spent on padding. The network is
    built when the first text comes.

    Args:
        files: where the model lies.
        network: its shape.
        head: pooling, and what follows it.
        max_length: tokens of a text, prompt included, that are read; the rest is cut off.
        threads: how many threads the network may use.
        precision: of the products.
        prompt: what stands before every text.
    """

    def __init__(
        self,
        files: EncoderFiles,
        network: Architecture,
        head: Head,
        *,
        max_length: int,
        threads: int,
        precision: str,
        prompt: str = "",
    ) -> None:
        self.name = files.name
        self.dimension = head.width(network.hidden_size)
        self.files, self.network, self.head = files, network, head
        self.max_length, self.threads, self.precision, self.prompt = max_length, threads, precision, prompt
        settings = f"{files.fingerprint} {max_length} {precision} {prompt}"
        self.fingerprint = sha256(settings.encode()).hexdigest()

    @classmethod
    def load(
        cls,
        source: str,
        *,
        max_length: int | None = None,
        threads: int | None = None,
        precision: str | None = None,
        prompt: str | None = None,
    ) -> "TransformerEncoder":
        """See ``load_encoder``."""
        files = find_files(source)
        network = read_architecture(files.path("config.json"))
        if max_length is not None and not 3 <= max_length <= network.max_positions:
            raise SettingError(
                f"max_length is {max_length}", allowed=f"'{files.name}' reads 3 to {network.max_positions} tokens"
            )
        if threads is not None and threads < 1:
            raise SettingError(f"threads is {threads}", allowed="at least 1 thread is needed")
        if precision is not None and precision not in PRECISIONS:
            raise SettingError(f"precision is {precision!r}", allowed=nearest(str(precision), PRECISIONS))
        return cls(
            files,
            network,
            read_head(files, network.hidden_size, causal=getattr(network, "causal", False)),
            max_length=max_length or _max_length(files, network),
            threads=threads or usable_threads(),
            precision=precision or fastest_precision(flags()),
            prompt=_prompt(files, prompt),
        )

    @cached_property
    def engine(self) -> Engine:
        """The network, made from the weights."""
        from recloop.language.openvino_engine import OpenVinoEngine

        weights = Weights(self.files.weights).below(self.network.anchor)
        weights.check(self.network.shapes())
        return OpenVinoEngine(
            self.network, weights, threads=self.threads, precision=self.precision, max_length=self.max_length
        )

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
            longest = self.max_length * CHARACTERS_PER_TOKEN
            distinct = [self.prompt + as_utf8(text[:longest]) for text in places]
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
        for rows, ids, mask in batches(tokens, self.engine.tile):
            hidden = self.engine.hidden(ids, mask)
            if self._prompt_tokens:
                mask[:, : self._prompt_tokens] = 0
            out[rows] = self.head(hidden, mask)
            advance(len(rows))

    @cached_property
    def _prompt_tokens(self) -> int:
        """The tokens at the beginning that are not pooled."""
        if self.head.prompt_counts or not self.prompt:
            return 0
        alone = self.tokenizer.encode(self.prompt)
        frame = np.array(alone.special_tokens_mask[::-1])
        return len(alone.ids) - int(frame.argmin())  # without the tokens that end every text


def batches(
    tokens: Sequence[Sequence[int]], tile: int = 1
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]]:
    """Texts of like length together: (rows, ids (b, length) padded with 0, mask of the same shape), longest first.

    Args:
        tokens: of each text.
        tile: see ``Engine``.

    >>> [(rows.tolist(), ids.shape) for rows, ids, _ in batches([[5], [6] * 90, [7] * 30, [8] * 29])]
    [([1], (1, 90)), ([2, 3, 0], (3, 30))]
    >>> [(rows.tolist(), ids.shape) for rows, ids, _ in batches([[5], [6] * 90, [7] * 30, [8] * 29], tile=16)]
    [([1], (1, 96)), ([2, 3, 0], (3, 32))]
    """
    lengths = np.fromiter(map(len, tokens), np.int64, count=len(tokens))
    padded = _padded(lengths, tile)
    order = np.argsort(-padded, kind="stable")
    falling = padded[order]
    start = 0
    while start < len(order):
        length = int(falling[start])
        stop = min(start + max(1, BATCH_TOKENS // length), len(order))
        waste = np.cumsum(length - falling[start:stop])
        if waste[-1] > BATCH_COST:  # end where the texts begin that would waste more than a batch of their own costs
            first = falling[start + int(np.searchsorted(waste, BATCH_COST, "right"))]
            stop = int(np.searchsorted(-falling, -first))
        rows = order[start:stop]
        mask = np.arange(length) < lengths[rows, None]
        ids = np.zeros((len(rows), length), np.int32)
        ids[mask] = np.concatenate([tokens[row] for row in rows])
        yield rows, ids, mask.astype(np.float32)
        start = stop


def _padded(lengths: NDArray[np.int64], tile: int) -> NDArray[np.int64]:
    """Lengths rounded up by a thirty-second at most, which bounds the shapes that the runtime meets; what lies just
    below a multiple of the tile becomes it.
    """
    step = 1 << np.maximum(np.log2(np.maximum(lengths, 1)).astype(np.int64) - 5, 0)
    near = np.maximum(-(-lengths // step), 1) * step
    whole = np.maximum(-(-lengths // tile), 1) * tile
    return np.where(whole - lengths <= 0.4 * tile, whole, near) if tile > 1 else near


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


def _max_length(files: EncoderFiles, network: Architecture) -> int:
    """What the model was made for: ``sentence_bert_config.json``, else as many tokens as it has positions."""
    path = files.path(LENGTH)
    wanted = read_json(path).get("max_seq_length") if path.is_file() else None
    longest = min(network.max_positions, LONGEST)
    return min(wanted, longest) if isinstance(wanted, int) and wanted > 2 else longest


def _prompt(files: EncoderFiles, wanted: str | None) -> str:
    """The text of a prompt: a word is the name of one that the model came with, anything else is the prompt itself."""
    path = files.path(PROMPTS)
    given = read_json(path) if path.is_file() else {}
    named = given.get("prompts") or {}
    if not isinstance(named, dict) or not all(isinstance(text, str) for text in named.values()):
        raise ArtifactError(f"{path} holds prompts that are no texts", advice="download the model again")
    if wanted is None:
        default = given.get("default_prompt_name")
        return str(named[default]) if default in named else ""
    if wanted in named:
        return str(named[wanted])
    if wanted.isidentifier():
        raise SettingError(
            f"'{files.name}' has no prompt named '{wanted}'",
            allowed=nearest(wanted, named),
            advice="A prompt of your own is a text with a space or a colon, such as 'query: '",
        )
    return wanted
