import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recloop.data.dataset import Dataset
from recloop.language.item_vectors import vectors
from recloop.neural.export import export
from recloop.neural.graph import Graph
from recloop.progress import Progress
from recloop.strategies.sequence.loss import gbce, sampled_softmax, softmax
from recloop.strategies.sequence.text import WHITENING

if TYPE_CHECKING:
    from recloop.strategies.sequence.strategy import SequenceTransformer

OWN = "items.table"
START = 0.02  # standard deviation of vectors before training
TEXT_START = 0.05  # that of vectors made from text: they can only move together


class Block(nn.Module):
    """A pre-norm transformer layer: attention to what came before, then a feed-forward network, each beside a way past.

    Attention has no dropout of its own: with it no fused kernel would be used.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mix = nn.Linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, length, width) → the same: each place sees itself and those before it."""
        normed = self.before_attention(x)
        key, value = self._heads(self.key_value(normed)).chunk(2, dim=-1)
        seen = F.scaled_dot_product_attention(self._heads(self.query(normed)), key, value, is_causal=True)
        return self._feed(x + self.dropout(self.mix(seen.transpose(1, 2).flatten(2))))

    def last(self, x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """(n, width) of one place per row, which sees itself and those before it: all that a request needs."""
        normed = self.before_attention(x)
        key, value = self._heads(self.key_value(normed)).chunk(2, dim=-1)
        rows = torch.arange(x.shape[0], device=x.device)
        query = self._heads(self.query(normed[rows, place])[:, None])
        later = torch.arange(x.shape[1], device=x.device)[None] > place[:, None]
        scores = (query @ key.transpose(-1, -2)) / math.sqrt(key.shape[-1])
        share = scores.masked_fill(later[:, None, None], -torch.inf).softmax(-1)
        return self._feed(x[rows, place] + self.mix((share @ value).flatten(1)))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _feed(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.out(F.gelu(self.into(self.before_feed(x)))))


class Transformer(nn.Module):
    """Blocks over inputs that are vectors already, so that the served graph holds no table of items."""

    def __init__(self, width: int, blocks: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, length, width) → the same."""
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def last(self, x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """(n, length, width) and the place of each row's last event → (n, width)."""
        for block in self.blocks[:-1]:
            x = block(x)
        return self.norm(self.blocks[-1].last(x, place))


class LastPlace(nn.Module):
    """What is exported: the transformer at the last event of each row."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See ``Transformer.last``."""
        return self.transformer.last(x, place)


class Network(nn.Module):
    """Item vectors, places and gaps in time → a vector per event whose product with an item's vector is its score.

    Args:
        items: gives the (n_items, width) item vectors.
        transformer: turns events into what they foretell.
        width: of all vectors.
        window: number of places.
        gaps: classes of time between events, 0 where times are unknown.
        dropout: of the events.
    """

    def __init__(
        self, items: nn.Module, transformer: Transformer, width: int, window: int, gaps: int, dropout: float
    ) -> None:
        super().__init__()
        self.items, self.transformer, self.width = items, transformer, width
        self.places = nn.Parameter(torch.randn(window, width) * START)
        self.gaps = nn.Parameter(torch.zeros(gaps, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, table: torch.Tensor, items: torch.Tensor, places: torch.Tensor, gaps: torch.Tensor
    ) -> torch.Tensor:
        """(n_items, width) and three times (n, length) → (n, length, width)."""
        x = F.embedding(items, table) + F.embedding(places, self.places)
        if len(self.gaps):
            x = x + F.embedding(gaps, self.gaps)
        hidden: torch.Tensor = self.transformer(self.dropout(x))
        return hidden

    def loss(self, batch: tuple[torch.Tensor, ...], name: str) -> torch.Tensor:
        """The loss ``name`` of windows in which every event is foretold from those before it."""
        items, places, gaps, filled, drawn = batch
        table = self.items()
        known = filled[:, 1:]
        hidden = self(table, items[:, :-1], places[:, :-1], gaps[:, :-1])[known]
        targets = items[:, 1:][known]
        if name == "gbce":
            return gbce(hidden, table, targets, drawn)
        return sampled_softmax(hidden, table, targets, drawn) if len(drawn) else softmax(hidden, table, targets)

    def tables(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Item vectors, places and gaps as they are now."""
        with torch.no_grad():
            return tuple(table.float().cpu().numpy().copy() for table in (self.items(), self.places, self.gaps))

    def last(self, x: NDArray[np.float32], place: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the exported graph does, before it is exported."""
        device = self.places.device
        with torch.no_grad():
            found = self.transformer.last(torch.from_numpy(x).to(device), torch.from_numpy(place).to(device))
        hidden: NDArray[np.float32] = found.cpu().numpy()
        return hidden

    def graph(self) -> Graph:
        """The transformer at the last event, as it is served: (n, length, width) and (n,) → (n, width)."""
        inputs = {"x": torch.zeros(2, 3, self.width), "place": torch.tensor([1, 2])}
        axes = {"x": {0: "rows", 1: "length"}, "place": {0: "rows"}}
        return export(LastPlace(self.transformer), inputs, ["hidden"], axes)

    def transferable(self) -> dict[str, NDArray[np.float32]]:
        """The weights that do not belong to single items."""
        return {name: value.float().cpu().numpy().copy() for name, value in self.state_dict().items() if name != OWN}

    def start_from(self, state: Mapping[str, NDArray[np.float32]]) -> None:
        """Take weights that ``transferable`` gave."""
        self.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()}, strict=False)


class FreeItems(nn.Module):
    """A free vector per item.

    Args:
        start: (n_items, width) that learning begins with.
    """

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(start)

    def forward(self) -> torch.Tensor:
        """(n_items, width)."""
        return self.table


class TextItems(nn.Module):
    """Item vectors that are a linear function of text, so that it can be asked about other items.

    On Amazon's games a linear map learned faster than one with a hidden layer, and ended as well.

    Args:
        text: (n_items, d) frozen vectors.
        width: of what comes out.
    """

    text: torch.Tensor

    def __init__(self, text: torch.Tensor, width: int) -> None:
        super().__init__()
        self.register_buffer("text", text, persistent=False)
        self.adapt = nn.Linear(text.shape[1], width)
        with torch.no_grad():  # learning starts from the strongest axes of the texts, which mean something anywhere
            axes = torch.linalg.svd(text, full_matrices=False).Vh[:width]
            self.adapt.weight[: len(axes)] = axes
            self.adapt.weight[len(axes) :] = 0
            self.adapt.weight *= TEXT_START / self.adapt.weight.matmul(text.T).square().mean().sqrt().clamp_min(1e-6)
            self.adapt.bias.zero_()

    def forward(self) -> torch.Tensor:
        """(n_items, width)."""
        found: torch.Tensor = self.adapt(self.text)
        return found


def network_for(strategy: "SequenceTransformer", dataset: Dataset, gaps: int, progress: Progress) -> Network:
    """The network that the settings ask for, before training."""
    s = strategy
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(s.seed)
        items: nn.Module
        if s.items_from == "id":
            items = FreeItems(torch.randn(dataset.n_items, s.width) * START)
        else:
            whitening = WHITENING if s.items_from == "text" else 0.0
            text = vectors(dataset, s.encoder, whitening=whitening, progress=progress)
            if s.items_from == "text":
                items = TextItems(torch.from_numpy(text), s.width)
            else:
                items = FreeItems(text_start(torch.from_numpy(text), s.width))
        return Network(items, Transformer(s.width, s.blocks, s.heads, s.dropout), s.width, s.window, gaps, s.dropout)


def text_start(text: torch.Tensor, width: int) -> torch.Tensor:
    """(n, width): the strongest axes of the text vectors, as long on average as vectors that start from chance.

    Noise fills what text does not say, so that items with the same text can part.
    """
    rank = min(width, *text.shape)
    left, size, _ = torch.linalg.svd(text, full_matrices=False)
    start = torch.zeros(len(text), width)
    start[:, :rank] = left[:, :rank] * size[:rank]
    start *= START / start.square().mean().sqrt().clamp_min(1e-12)
    return start + torch.randn(len(text), width) * START / 10
