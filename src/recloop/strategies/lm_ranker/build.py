"""The networks that the settings ask for, trained."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.errors import SettingError
from recloop.language.encoder import load_encoder
from recloop.language.finetune.network import SentenceNetwork, load_model
from recloop.language.finetune.settings import Finetune
from recloop.language.finetune.trainable import merge, prepare
from recloop.language.transformer import TransformerEncoder, as_utf8
from recloop.neural.graph import Graph
from recloop.strategies.lm_ranker.learn import Task, learn_encoder, learn_texts
from recloop.strategies.lm_ranker.lists import CONTEXT
from recloop.strategies.lm_ranker.network import CrossRanker, EncodedRanker, VectorRanker
from recloop.strategies.lm_ranker.pairs_of_texts import ItemTokens

if TYPE_CHECKING:
    from recloop.strategies.lm_ranker.strategy import LmRanker

LAYERS = 2  # with tune = "top"
RANK = 16  # with tune = "lora"
MOST_READ = 100  # lists that are read whole, text by text, to validate and to calibrate


def vector_ranker(settings: "LmRanker", context: int = CONTEXT, start: float = 1.0) -> VectorRanker:
    """The network of vectors, before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return VectorRanker(settings._vectors.shape[1], settings.width, settings.dropout, context, start)


def vectors(settings: "LmRanker", dataset: Dataset, task: Task) -> NDArray[np.float32]:
    """(n_items, d) item vectors by an encoder that learned with the ranker."""
    door, encoder = _encoder(settings)
    tokens = ItemTokens.of(door.tokenizer, _texts(dataset), settings.length - 2)
    widths = np.diff(tokens.indptr)
    mask = (np.arange(int(widths.max(initial=0)) + 2) < (widths + 2)[:, None]) & (widths > 0)[:, None]
    ids = np.where(mask, tokens.between, 0).astype(np.int64)
    ids[:, 0] = np.where(widths > 0, tokens.first, 0)
    inside = mask.copy()
    inside[:, 0] = False
    inside[np.arange(len(widths)), np.where(widths > 0, widths + 1, 0)] = False
    ids[inside] = tokens.tokens
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        ranker = VectorRanker(door.dimension, settings.width, settings.dropout)
        network = EncodedRanker(_prepared(encoder, settings), ranker)
    found = learn_encoder(task, network, ids, mask.astype(np.int64), settings.half_life)
    merge(network.encoder)
    return found


def texts(
    settings: "LmRanker", dataset: Dataset, task: Task
) -> tuple[ItemTokens, Graph, NDArray[np.float64], NDArray[np.int64]]:
    """Tokens, the trained graph, and the logits of the held-out lists, with which these are."""
    door, _ = _encoder(settings)
    tokens = ItemTokens.of(door.tokenizer, _texts(dataset), settings.length)
    judged = task.parts()[1][:MOST_READ]
    network = cross_ranker(settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        _prepared(network.encoder, settings)
    logits = learn_texts(task, network, tokens, settings.events, judged)
    merge(network.encoder)
    return tokens, network.graph(), logits, judged


def cross_ranker(settings: "LmRanker") -> CrossRanker:
    """The network of texts, before training."""
    door, encoder = _encoder(settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return CrossRanker(encoder, door.network.hidden_size, settings.width, settings.dropout)


def _encoder(settings: "LmRanker") -> tuple[TransformerEncoder, SentenceNetwork]:
    door = load_encoder(settings.encoder)
    if not isinstance(door, TransformerEncoder):
        raise SettingError(
            f"strategy 'lm-ranker': the encoder '{settings.encoder}' has no files that could be trained",
            allowed="a folder, an installed package, or the local copy of a hub id",
            advice="set reads = 'vectors' and tune = 'head'",
        )
    pooling = "cls" if door.head.poolings == ("cls",) else "mean"
    return door, SentenceNetwork(load_model(door.files.folder, door.name), pooling)


def _prepared(encoder: SentenceNetwork, settings: "LmRanker") -> SentenceNetwork:
    """The encoder with the weights learning that ``tune`` names; with "head" none."""
    return prepare(encoder, Finetune(tune=settings.tune, layers=LAYERS, rank=RANK))


def _texts(dataset: Dataset) -> list[str]:
    longest = 64 * 512  # characters: no setting reads further
    return [as_utf8(text[:longest]) for text in dataset.item_texts()]
