"""An encoder fitted to labelled texts, few or many: classes told apart, and like texts drawn together."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recloop.errors import ConflictError, SettingError
from recloop.language.encoder import load_encoder
from recloop.language.finetune.network import SentenceNetwork, load_model
from recloop.language.finetune.saving import save
from recloop.language.finetune.settings import RATES, Finetune
from recloop.language.finetune.train import head_of, tokenised
from recloop.language.finetune.trainable import extend, merge, prepare
from recloop.language.labels.softmax import SoftmaxHead
from recloop.language.transformer import TransformerEncoder
from recloop.neural.recipe import Recipe
from recloop.neural.train import History, train
from recloop.progress import SILENT, Progress

FEW = 50  # texts of each class, on average, up to which there are few
CHUNK = 8  # batches whose texts are sorted by length together, so that little is padding


@dataclass(frozen=True)
class LabelTuning:
    """How an encoder is fitted to labelled texts.

    Args:
        encoder: what to start from, a source for ``load_encoder`` with files.
        tune: which weights learn, as in ``Finetune``.
        layers: for ``"top"``.
        rank: for ``"lora"``.
        contrast: share of the contrastive part of the loss, from 0 to below 1; the rest is class-balanced
            cross-entropy. More for few labels.
        temperature: of the contrastive part.
        balance: 0 counts each text alike, 1 each class.
        length: tokens of a text that are read.
        recipe: optimizer, learning rate, epochs, batch.
    """

    encoder: str = "default"
    tune: str = "full"
    layers: int = 3
    rank: int = 16
    contrast: float = 0.5
    temperature: float = 0.1
    balance: float = 0.7
    length: int = 48
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=3, batch=32, learning_rate=RATES["full"]))

    def __post_init__(self) -> None:
        if not 0 <= self.contrast < 1 or not 0 <= self.balance <= 1 or not self.temperature > 0:
            raise SettingError(
                f"contrast {self.contrast}, balance {self.balance}, temperature {self.temperature}",
                allowed="shares from 0 to 1, contrast below 1, and a temperature above 0",
            )
        self.weights  # noqa: B018  the other settings are checked there

    @classmethod
    def for_labels(
        cls, texts: int, classes: int, *, encoder: str = "default", epochs: int | None = None, seed: int = 0
    ) -> "LabelTuning":
        """Settings that suit so many labelled texts: with few of them like texts are drawn together, and often.

        >>> LabelTuning.for_labels(200, 10).contrast > LabelTuning.for_labels(7000, 10).contrast
        True
        """
        few = texts <= FEW * classes
        recipe = Recipe(epochs=epochs or (8 if few else 3), batch=32, learning_rate=RATES["full"], seed=seed)
        return cls(encoder=encoder, contrast=0.5 if few else 0.1, recipe=recipe)

    @property
    def weights(self) -> Finetune:
        """Which weights learn."""
        return Finetune(self.encoder, tune=self.tune, layers=self.layers, rank=self.rank, length=self.length)


def tune_to_labels(
    texts: Sequence[str],
    labels: NDArray[np.integer],
    classes: int,
    folder: Path,
    settings: LabelTuning | None = None,
    *,
    progress: Progress = SILENT,
) -> History:
    """Fit an encoder to labelled texts and write it into a folder that ``load_encoder`` opens.

    The loss is ``(1 - contrast)`` cross-entropy of a linear head, which starts where a logistic regression on the
    frozen vectors ends, plus ``contrast`` of ``supervised_contrast``.

    Args:
        texts: (n,) as the labeller will read them.
        labels: (n,) from 0 to ``classes`` - 1, each at least once.
        classes: how many.
        folder: empty or new.
        settings: how; the defaults where None.
        progress: who watches.

    Source: Gunel, Du, Conneau & Stoyanov 2021, "Supervised contrastive learning for pre-trained language model
    fine-tuning", equations 1 to 3; the start of the head: Kumar et al. 2022, "Fine-tuning can distort pretrained
    features and underperform out-of-distribution".

    Raises:
        ConflictError: the folder holds something.
        DataError: a class has no text.
        SettingError: the encoder has no files to train.
    """
    settings = settings or LabelTuning()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} exists and is not empty", advice="name another folder")
    encoder = load_encoder(settings.encoder, max_length=settings.length)
    if not isinstance(encoder, TransformerEncoder):
        raise SettingError(
            f"the encoder '{settings.encoder}' has no files that could be trained",
            allowed="a folder, an installed package, or the local copy of a hub id",
        )
    y = np.asarray(labels, np.int64)
    start = SoftmaxHead.fit(encoder.encode(texts).astype(np.float64), y, classes, balance=settings.balance)
    network = SentenceNetwork(
        load_model(encoder.files.folder, encoder.files.name), "+".join(encoder.head.poolings), head_of(encoder)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.recipe.seed)
        prepare(extend(network, settings.weights), settings.weights)
    model = _Labelled(network, start)
    ids, mask = tokenised(encoder.tokenizer, [encoder.prompt + text for text in texts], settings.length)
    counts = np.bincount(y, minlength=classes)
    weigh = torch.from_numpy(((len(y) / (classes * counts)) ** settings.balance).astype(np.float32))
    recipe = settings.recipe
    batch = min(recipe.batch, len(y))
    steps = len(y) // batch

    def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        order = rng.permutation(len(y))[: steps * batch]
        for part in np.split(order, range(CHUNK * batch, len(order), CHUNK * batch)):
            part = part[np.argsort(mask[part].sum(axis=1), kind="stable")]  # noqa: PLW2901
            rows = part.reshape(-1, batch)
            for row in rows[rng.permutation(len(rows))]:
                wide = int(mask[row].sum(axis=1).max())
                yield tuple(map(torch.from_numpy, (ids[row, :wide], mask[row, :wide], y[row])))

    def loss(given: tuple[torch.Tensor, ...]) -> torch.Tensor:
        words, seen, truth = given
        vectors = network(network.words(words), seen)
        apart = F.cross_entropy(model.head(vectors), truth, weight=weigh.to(vectors.device))
        if not settings.contrast:
            return apart
        near = supervised_contrast(vectors, truth, settings.temperature)
        return (1 - settings.contrast) * apart + settings.contrast * near

    told = blake2b("\0".join([*texts, *map(str, y)]).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    history = train(
        model, loss, batches, recipe, steps=steps, progress=progress, description="fit to labels",
        key=json.dumps([encoder.fingerprint, repr(settings), told]),
    )  # fmt: skip
    save(merge(network), encoder.files, folder, settings.length)
    return history


class _Labelled(nn.Module):
    """An encoder with the head that it is trained under."""

    def __init__(self, network: SentenceNetwork, start: SoftmaxHead) -> None:
        super().__init__()
        self.network, self.head = network, nn.Linear(*start.weights.shape)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(start.weights.T))
            self.head.bias.copy_(torch.from_numpy(start.intercept))


def supervised_contrast(vectors: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """How little each vector is nearer to those of its class than to the others of the batch.

    For each text with a like one in the batch: minus the mean, over the like ones, of the log of the share that their
    ``exp(cosine / temperature)`` has in the sum over all others.

    Args:
        vectors: (n, d) of length 1.
        labels: (n,) integers.
        temperature: see above.

    Source: Khosla et al. 2020, "Supervised contrastive learning", equation 2.

    >>> vectors = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    >>> round(float(supervised_contrast(vectors, torch.tensor([0, 0, 1, 1]), 1.0)), 4)  # ln(1 + 2 / e)
    0.5514
    """
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.T / temperature).masked_fill(itself, -torch.inf)
    logs = logits - logits.logsumexp(dim=1, keepdim=True)
    like = (labels[:, None] == labels[None]) & ~itself
    n = like.sum(dim=1)
    found = -logs.masked_fill(~like, 0.0).sum(dim=1) / n.clamp_min(1)
    return found[n > 0].mean() if bool((n > 0).any()) else vectors.sum() * 0.0
