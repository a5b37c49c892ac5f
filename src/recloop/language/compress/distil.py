"""A small encoder that learns to say what a large one says."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.nn import functional as F

from recloop.errors import ConflictError, DataError, SettingError
from recloop.language.cache import CachedEncoder
from recloop.language.compress.prune import keep_inner, keep_layers, keep_words
from recloop.language.compress.settings import Student
from recloop.language.compress.words import cut_words
from recloop.language.encoder import load_encoder
from recloop.language.finetune.network import SentenceNetwork, load_model
from recloop.language.finetune.saving import save
from recloop.language.finetune.train import head_of, tokenised
from recloop.language.transformer import CHARACTERS_PER_TOKEN, TransformerEncoder, as_utf8
from recloop.neural.train import History, train
from recloop.progress import SILENT, Progress

HELD_OUT = 0.05  # share of the texts that judge
MOST_HELD_OUT = 500
SHARP = 0.05  # cosines are divided by it before the softmax over a batch


@dataclass(frozen=True)
class Distilled:
    """A student.

    Attributes:
        folder: what ``load_encoder`` opens.
        cosine: mean cosine of its vectors and the teacher's, on texts that it did not learn from.
        weights: numbers in it.
        teacher_weights: numbers in the teacher.
        history: of training.
        seconds: that it took.
    """

    folder: Path
    cosine: float
    weights: int
    teacher_weights: int
    history: History
    seconds: float


def distil(texts: Sequence[str], folder: Path, settings: Student, progress: Progress = SILENT) -> Distilled:
    """See ``recloop.language.compress.distil``."""
    start = time.perf_counter()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} exists and is not empty", advice="name another folder")
    teacher = load_encoder(settings.encoder)
    if not isinstance(teacher, TransformerEncoder):
        raise SettingError(
            f"the encoder '{settings.encoder}' has no files that a student could start from",
            allowed="a folder, an installed package, or the local copy of a hub id",
        )
    longest = settings.length * CHARACTERS_PER_TOKEN
    learned = [text for text in dict.fromkeys(as_utf8(text[:longest]) for text in texts) if text.strip()]
    if len(learned) < 2:
        raise DataError(
            f"{len(learned)} different texts were given", allowed="a student needs at least 2 to learn from"
        )
    wanted = torch.from_numpy(CachedEncoder(teacher).encode(learned, progress))
    pooling = "+".join(teacher.head.poolings)
    if pooling not in {"mean", "cls"}:
        raise SettingError(f"the encoder '{teacher.name}' pools by {pooling}", allowed="mean or cls can be trained")
    network = SentenceNetwork(load_model(teacher.files.folder, teacher.name), pooling, head_of(teacher))
    large = sum(weight.numel() for weight in network.parameters())
    keep_layers(network.model, settings.layers)
    if settings.inner < 1:
        keep_inner(network.model, settings.inner)
    with TemporaryDirectory() as scratch:
        files = teacher.files
        if settings.words:
            kept = cut_words(files.path("tokenizer.json"), Path(scratch) / "tokenizer.json", learned, settings.length)
            keep_words(network.model, kept)
            files = replace(files, folder=_beside(files.folder, Path(scratch)))
        history = _train(network, files.folder, teacher, learned, wanted, settings, progress)
        cosine = history.validations[history.best] if history.validations else float("nan")
        save(network, files, folder, teacher.max_length)
    return Distilled(
        folder=folder,
        cosine=cosine,
        weights=sum(weight.numel() for weight in network.parameters()),
        teacher_weights=large,
        history=history,
        seconds=time.perf_counter() - start,
    )


def _train(
    network: SentenceNetwork,
    folder: Path,
    teacher: TransformerEncoder,
    texts: Sequence[str],
    wanted: torch.Tensor,
    settings: Student,
    progress: Progress,
) -> History:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    recipe = settings.recipe
    order = np.random.default_rng(recipe.seed).permutation(len(texts))
    held = order[: min(MOST_HELD_OUT, int(HELD_OUT * len(texts)))]
    learned = order[len(held) :]
    steps = max(1, min(settings.steps, len(learned) // recipe.batch))

    def tokens(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = tokenised(tokenizer, [teacher.prompt + texts[row] for row in rows], settings.length)
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for rows in np.array_split(rng.permutation(learned)[: steps * recipe.batch], steps):
            yield (*tokens(rows), wanted[rows])

    def loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        ids, mask, target = batch
        found = network(network.words(ids), mask)
        near = 1 - (found * target).sum(dim=-1).mean()
        # what the teacher thinks of each text beside the others of the batch
        told, said = (F.log_softmax(side @ target.T / SHARP, dim=-1) for side in (target, found))
        return near + settings.relations * F.kl_div(said, told, log_target=True, reduction="batchmean")

    def validate() -> float:
        device = next(network.parameters()).device
        parts = []
        for rows in np.array_split(held, max(1, len(held) // 64)):
            ids, mask = (part.to(device) for part in tokens(rows))
            parts.append((network(network.words(ids), mask).cpu() * wanted[rows]).sum(dim=-1))
        return float(torch.cat(parts).mean())

    key = json.dumps([teacher.fingerprint, settings.to_dict(), [hash_of(texts)]])
    return train(
        network,
        loss,
        batches,
        recipe,
        steps=steps,
        validate=validate if len(held) else None,
        key=key,
        progress=progress,
        description="distil",
    )


def hash_of(texts: Sequence[str]) -> str:
    """SHA-256 over texts in order."""
    from hashlib import sha256

    digest = sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "little") + text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _beside(folder: Path, scratch: Path) -> Path:
    """The files of an encoder with the tokenizer that is in ``scratch``; what knew the old words is left out."""
    import shutil

    for path in folder.rglob("*.json"):
        inner = scratch / path.relative_to(folder)
        if path.name not in {"tokenizer_config.json", "special_tokens_map.json"} and not inner.exists():
            inner.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, inner)
    return scratch
