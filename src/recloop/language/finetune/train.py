"""Fine-tuning: stages of contrastive training, several seeds, one encoder."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.errors import ConflictError, DataError, SettingError
from recloop.language.encoder import load_encoder
from recloop.language.files import EncoderFiles
from recloop.language.finetune.augment import Augmentation, Synonyms
from recloop.language.finetune.network import SentenceNetwork, load_model, plain, set_dropout
from recloop.language.finetune.objective import adversarial, in_batch_softmax
from recloop.language.finetune.pairs import Pairs, co_consumed, enough, field_texts, itself
from recloop.language.finetune.saving import save
from recloop.language.finetune.settings import Finetune
from recloop.language.finetune.trainable import extend, merge, prepare
from recloop.language.transformer import CHARACTERS_PER_TOKEN, TransformerEncoder, as_utf8
from recloop.neural.train import History, train
from recloop.progress import SILENT, Progress

JUDGED = 500  # pairs that a validation looks at, among at most four times as many other items
Batch = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Stage:
    """What one stage of training came to.

    Attributes:
        name: of the stage.
        pairs: that it learned from.
        before, after: mean reciprocal rank of the partner among held-out texts, before and after the stage.
        histories: of each seed.
        averaged: how many seeds' weights were averaged into the result.
    """

    name: str
    pairs: int
    before: float
    after: float
    histories: tuple[History, ...]
    averaged: int


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned encoder.

    Attributes:
        folder: what ``load_encoder`` opens.
        fingerprint: of the encoder there.
        stages: one after the other.
        trained: weights that learned.
        weights: weights in all.
        seconds: that it took.
    """

    folder: Path
    fingerprint: str
    stages: tuple[Stage, ...]
    trained: int
    weights: int
    seconds: float


def tune(dataset: Dataset, folder: Path, settings: Finetune, progress: Progress) -> Tuned:
    """See ``recloop.language.finetune.finetune``."""
    start = time.perf_counter()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} exists and is not empty", advice="name another folder")
    encoder = load_encoder(settings.encoder)
    if not isinstance(encoder, TransformerEncoder):
        raise SettingError(
            f"the encoder '{settings.encoder}' has no files that could be trained",
            allowed="a folder, an installed package, or the local copy of a hub id",
        )
    tuning = Tuning(dataset, settings, encoder, progress)
    stages = [tuning.stage(place, name) for place, name in enumerate(settings.stages)]
    tuning.save(folder)
    return Tuned(
        folder=folder,
        fingerprint=load_encoder(str(folder)).fingerprint,
        stages=tuple(stages),
        trained=tuning.trained,
        weights=sum(weight.numel() for weight in tuning.network.parameters()),
        seconds=time.perf_counter() - start,
    )


class Tuning:
    """An encoder on its way through the stages.

    Args:
        dataset: what is learned from.
        settings: how.
        encoder: to start from.
        progress: who watches.

    Raises:
        DataError: no item has a text.
        ArtifactError: the encoder's files cannot be trained.
    """

    def __init__(
        self, dataset: Dataset, settings: Finetune, encoder: TransformerEncoder, progress: Progress = SILENT
    ) -> None:
        self.dataset, self.settings, self.encoder, self.progress = dataset, settings, encoder, progress
        self.files: EncoderFiles = encoder.files
        longest = settings.length * CHARACTERS_PER_TOKEN
        self.fields = [[as_utf8(text[:longest]) for text in row] for row in field_texts(dataset)]
        self.filled = np.array([bool(row) for row in self.fields], dtype=bool)
        if not self.filled.any():
            raise DataError(
                f"none of the {dataset.n_items:,} items has a text",
                allowed="fine-tuning needs a catalogue with a title",
                advice="give a table of items",
            )
        self.augmentation = Augmentation(settings.word_dropout, settings.shuffle_fields)
        pooling = "+".join(encoder.head.poolings)
        if pooling not in {"mean", "cls"}:
            raise SettingError(f"the encoder '{encoder.name}' pools by {pooling}", allowed="mean or cls can be trained")
        self.network = SentenceNetwork(load_model(self.files.folder, self.files.name), pooling, head_of(encoder))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.recipe.seed)
            extend(self.network, settings)
        if settings.dropout is not None:
            set_dropout(self.network.model, settings.dropout)
        self.trained = 0
        self.synonyms = self._synonyms() if settings.synonyms else None

    # ---- one stage

    def stage(self, place: int, name: str) -> Stage:
        """Learn from one kind of pairs; ``place`` among the stages keeps their randomness apart.

        Raises:
            DataError: there are fewer than two pairs, or the loss is not a number from the beginning.
        """
        settings = self.settings
        seeds = np.random.SeedSequence(settings.recipe.seed, spawn_key=(place,)).generate_state(settings.seeds + 1)
        fit, held = self._pairs(name, int(seeds[0]))
        enough(fit, name)
        validate = self._validation(name, held) if name != "simcse" else None
        start = plain(merge(self.network).state_dict())
        before = validate() if validate else float("nan")
        histories, ends, values = [], [], []
        for seed in seeds[1:]:
            self.network.load_state_dict(start)
            histories.append(self._train(name, fit, validate, int(seed)))
            ends.append(plain(merge(self.network).state_dict()))
            values.append(validate() if validate and len(seeds) > 2 else 0.0)
        averaged = self._soup(ends, values, validate)
        after = validate() if validate else float("nan")
        if validate and not after > before:
            self.progress.note(f"{name}: held-out pairs are found no better than before ({before:.3f} → {after:.3f})")
        return Stage(name, len(fit), before, after, tuple(histories), averaged)

    def save(self, folder: Path) -> Path:
        """Write the encoder as it is now; see ``saving.save``."""
        save(self.network, self.files, folder, self.encoder.max_length)
        return folder

    def _train(self, name: str, pairs: Pairs, validate: Callable[[], float] | None, seed: int) -> History:
        settings = self.settings
        recipe = replace(settings.recipe, seed=seed, batch=min(settings.recipe.batch, len(pairs)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            prepare(self.network, settings)
        self.trained = sum(weight.numel() for weight in self.network.parameters() if weight.requires_grad)
        steps = max(1, min(settings.steps, len(pairs) // recipe.batch))
        level = torch.from_numpy(np.log(np.maximum(pairs.frequency, 1e-12)).astype(np.float32))

        def batches(_epoch: int, rng: np.random.Generator) -> Iterator[Batch]:
            for _ in range(steps):
                drawn = pairs.draw(recipe.batch, rng)
                left, right = pairs.left[drawn], pairs.right[drawn]
                yield (
                    *self._tensors(self._sides(name, left, rng, first=True), rng),
                    *self._tensors(self._sides(name, right, rng, first=False), rng),
                    torch.from_numpy(left),
                    torch.from_numpy(right),
                    level[torch.from_numpy(right)],
                )

        history = train(
            self.network,
            self._loss,
            batches,
            recipe,
            steps=steps,
            validate=validate,
            key=json.dumps([self.encoder.fingerprint, settings.to_dict(), name, seed, self.dataset.fingerprint]),
            progress=self.progress,
            description=f"fine-tune, {name}",
        )
        self.network.requires_grad_(requires_grad=True)
        return history

    def _loss(self, batch: Batch) -> torch.Tensor:
        left_ids, left_mask, right_ids, right_mask, left, right, level = batch
        network, settings = self.network, self.settings
        same = (right[None] == right[:, None]) | (left[:, None] == right[None])
        same &= ~torch.eye(len(left), dtype=torch.bool, device=left.device)
        n = len(left)
        width = max(left_ids.shape[1], right_ids.shape[1])
        ids = torch.cat([_wide(left_ids, width), _wide(right_ids, width)])
        mask = torch.cat([_wide(left_mask, width), _wide(right_mask, width)])

        def loss(words: torch.Tensor) -> torch.Tensor:
            vectors = network(words, mask)
            return in_batch_softmax(vectors[:n], vectors[n:], same, level, settings.temperature)

        words = network.words(ids)
        return adversarial(loss, words, settings.adversarial, settings.ascents) if settings.adversarial else loss(words)

    def _soup(
        self, ends: list[dict[str, torch.Tensor]], values: list[float], validate: Callable[[], float] | None
    ) -> int:
        """Average the weights of seeds, best first, while held-out pairs are found no worse; says of how many."""
        order = np.argsort(-np.array(values), kind="stable")
        kept = [int(order[0])]
        best = values[kept[0]]
        for candidate in order[1:]:
            self.network.load_state_dict(_mean([ends[place] for place in [*kept, int(candidate)]]))
            value = validate() if validate else best
            if value >= best:
                kept, best = [*kept, int(candidate)], value
        self.network.load_state_dict(_mean([ends[place] for place in kept]))
        return len(kept)

    # ---- pairs and texts

    def _pairs(self, name: str, seed: int) -> tuple[Pairs, Pairs]:
        if name == "co-consumed":
            return co_consumed(self.dataset, self.filled, self.settings.window, seed)
        several = np.array([len(row) > 1 for row in self.fields], dtype=bool)
        return itself(several if name == "fields" else self.filled, seed)

    def _sides(self, name: str, items: NDArray[np.int32], rng: np.random.Generator, *, first: bool) -> list[str]:
        if name == "fields":
            return [self.fields[item][0] if first else self.augmentation(self.fields[item][1:], rng) for item in items]
        return [self.augmentation(self.fields[item], rng) for item in items]

    def _tensors(self, texts: Sequence[str], rng: np.random.Generator | None) -> tuple[torch.Tensor, torch.Tensor]:
        texts = [self.encoder.prompt + text for text in texts]
        ids, mask = tokenised(self.encoder.tokenizer, texts, self.settings.length)
        if self.synonyms is not None and rng is not None:
            ids = self.synonyms(ids, rng)
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def _synonyms(self) -> Synonyms:
        tokenizer = self.encoder.tokenizer
        model: Any = self.network.model
        table = model.get_input_embeddings().weight.detach().numpy()
        tokens = [tokenizer.id_to_token(place) or "" for place in range(len(table))]
        encoded = tokenizer.encode_batch_fast([". ".join(row) for row in self.fields])
        used = np.unique(np.concatenate([encoding.ids for encoding in encoded]))
        return Synonyms(table, tokens, used, self.settings.synonyms)

    # ---- validation

    def _validation(self, name: str, held: Pairs) -> Callable[[], float] | None:
        """The mean reciprocal rank of held-out pairs' partners among other texts; None where there are too few."""
        if len(held) < 2:
            return None
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.choice(len(held), size=min(JUDGED, len(held)), replace=False))
        left, right = held.left[chosen], held.right[chosen]
        still = Augmentation()
        able = (
            np.flatnonzero([len(row) > 1 for row in self.fields]) if name == "fields" else np.flatnonzero(self.filled)
        )
        drawn = rng.choice(able, size=min(4 * JUDGED, len(able)), replace=False)
        others = np.unique(np.concatenate([right, left, drawn]))
        asked = [self.fields[item][0] if name == "fields" else still(self.fields[item], rng) for item in left]
        given = [still(self.fields[item][1:] if name == "fields" else self.fields[item], rng) for item in others]
        place = np.searchsorted(others, right)
        own = others[None] == left[:, None] if name != "fields" else np.zeros((1, 1), dtype=bool)

        def validate() -> float:
            cosines = self.encode(asked) @ self.encode(given).T
            wanted = cosines[np.arange(len(place)), place]
            cosines = np.where(own, -np.inf, cosines)
            ahead = (cosines > wanted[:, None]).sum(axis=1) + ((cosines == wanted[:, None]).sum(axis=1) - 1) / 2
            return float((1 / (1 + ahead)).mean())

        return validate

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) vectors by the network as it is now, like texts together."""
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = []
        with torch.no_grad():
            for rows in np.array_split(order, max(1, len(order) // 64)):
                ids, mask = (t.to(device) for t in self._tensors([texts[row] for row in rows], None))
                parts.append(self.network(self.network.words(ids), mask).float().cpu().numpy())
        self.network.train(training)
        found = np.empty((len(texts), parts[0].shape[1]), np.float32)
        found[order] = np.concatenate(parts)
        return found


def tokenised(tokenizer: Any, texts: Sequence[str], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, longest) ids, filled up with 0, and the mask; what is longer than ``length`` loses its end, not its frame."""
    tokenizer.enable_truncation(length)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    lengths = np.fromiter(map(len, tokens), np.int64, count=len(tokens))
    mask = np.arange(max(1, int(lengths.max(initial=1)))) < lengths[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = np.concatenate(tokens)
    return ids, mask.astype(np.int64)


def head_of(encoder: TransformerEncoder) -> torch.nn.Linear | None:
    """The linear map on top of the encoder, where it has one."""
    if encoder.head.linear is None:
        return None
    matrix, shift = (torch.from_numpy(array.copy()) for array in encoder.head.linear)
    head = torch.nn.Linear(matrix.shape[1], matrix.shape[0])
    head.load_state_dict({"weight": matrix, "bias": shift})
    return head


def _wide(values: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(values, (0, width - values.shape[1]))


def _mean(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
