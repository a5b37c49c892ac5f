import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recloop.neural.export import export
from recloop.neural.graph import Graph
from recloop.strategies.sequence.network import START, Block, Transformer, text_start


class Decoder(nn.Module):
    """The transformer over codes that go on from others, whose keys and values are given: what is exported."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(
        self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See ``recloop.strategies.generative.beam.Run``. Each place sees what is known and its beam up to itself."""
        n, beams = x.shape[:2]
        x = x.flatten(0, 1)
        unknown = torch.arange(keys.shape[3], device=x.device) >= known[:, None]
        steps = torch.arange(x.shape[1], device=x.device)
        later = steps[None] > steps[:, None]
        made: list[tuple[torch.Tensor, torch.Tensor]] = []
        for place, block in enumerate(self.transformer.blocks):
            assert isinstance(block, Block)
            normed = block.before_attention(x)
            query = block._heads(block.query(normed))
            key, value = block._heads(block.key_value(normed)).chunk(2, dim=-1)
            made.append((key.unflatten(0, (n, beams)), value.unflatten(0, (n, beams))))
            own = (query @ key.transpose(-1, -2)).masked_fill(later, -torch.inf)
            before = query.unflatten(0, (n, beams)) @ keys[place][:, None].transpose(-1, -2)
            before = before.masked_fill(unknown[:, None, None, None], -torch.inf).flatten(0, 1)
            share = (torch.cat([before, own], dim=-1) / math.sqrt(query.shape[-1])).softmax(-1)
            of_before, of_own = share.split([keys.shape[3], x.shape[1]], dim=-1)
            seen = (of_before.unflatten(0, (n, beams)) @ values[place][:, None]).flatten(0, 1) + of_own @ value
            x = block._feed(x + block.mix(seen.transpose(1, 2).flatten(2)))
        hidden = self.transformer.norm(x).unflatten(0, (n, beams))
        return hidden, torch.stack([key for key, _ in made]), torch.stack([value for _, value in made])


class Network(nn.Module):
    """Codes of a history's items, one after another, each foretold from those before it.

    Args:
        tokens: (all codes of all levels, width) that learning begins with.
        sizes: codes of each level.
        transformer: turns codes into what they foretell.
        window: items that foretell.
        dropout: of the codes' vectors.
    """

    def __init__(
        self, tokens: torch.Tensor, sizes: tuple[int, ...], transformer: Transformer, window: int, dropout: float
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.tokens = nn.Parameter(tokens)
        self.places = nn.Parameter(torch.randn(window + 1, tokens.shape[1]) * START)  # one for the item that comes
        self.transformer = transformer
        self.decoder = Decoder(transformer)
        self.dropout = nn.Dropout(dropout)

    def forward(self, codes: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """(n, items, levels) counted through all levels and (n, items) -> (n, items x levels, width)."""
        x = F.embedding(codes, self.tokens) + F.embedding(places, self.places)[:, :, None]
        hidden: torch.Tensor = self.transformer(self.dropout(x.flatten(1, 2)))
        return hidden

    def loss(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The mean of -log P(item | those before it).

        Args:
            batch: codes (n, items, levels), places and filled (n, items), the foretold items' own codes (m, levels)
                counted in their level, and per level which codes might have followed (m, codes) bool.
        """
        codes, places, filled, targets, *allowed = batch
        levels = len(self.sizes)
        hidden = self(codes, places)[:, levels - 1 : -1].unflatten(1, (-1, levels))[filled[:, 1:]]
        total = hidden.new_zeros((), dtype=torch.float32)
        for level, (table, may) in enumerate(zip(self.tokens.split(self.sizes), allowed, strict=True)):
            logits = (hidden[:, level] @ table.T).float().masked_fill(~may, -torch.inf)
            total = total + F.cross_entropy(logits, targets[:, level])
        return total

    def tables(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors of codes and of places as they are now."""
        with torch.no_grad():
            tokens, places = (table.float().cpu().numpy().copy() for table in (self.tokens, self.places))
        return tokens, places

    def run(
        self,
        x: NDArray[np.float32],
        keys: NDArray[np.float32],
        values: NDArray[np.float32],
        known: NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """What the exported graph does, before it is exported."""
        device = self.tokens.device
        with torch.no_grad():
            made = self.decoder(*(torch.from_numpy(array).to(device) for array in (x, keys, values, known)))
        hidden, own_keys, own_values = (array.float().cpu().numpy() for array in made)
        return hidden, own_keys, own_values

    def graph(self) -> Graph:
        """The decoder as it is served."""
        width, blocks = self.tokens.shape[1], self.transformer.blocks
        assert isinstance(blocks[0], Block)
        heads = blocks[0].heads
        # two tensors: the exporter takes one that is given twice for one input
        keys, values = (torch.zeros(len(blocks), 2, heads, 5, width // heads) for _ in range(2))
        inputs = {"x": torch.zeros(2, 3, 4, width), "keys": keys, "values": values, "known": torch.tensor([5, 4])}
        axes = {
            "x": {0: "rows", 1: "beams", 2: "steps"},
            "keys": {1: "rows", 3: "length"},
            "values": {1: "rows", 3: "length"},
            "known": {0: "rows"},
        }
        return export(self.decoder, inputs, ["hidden", "own_keys", "own_values"], axes)


def network_for(
    books: list[NDArray[np.float32]],
    sizes: tuple[int, ...],
    *,
    width: int,
    blocks: int,
    heads: int,
    window: int,
    dropout: float,
    seed: int,
) -> Network:
    """The network before training: codes begin as the strongest axes of their centres, so that like codes are alike.

    Args:
        books: (codes, d) the centres of the first levels; what tells items apart has none.
        sizes: codes of each level.
        width: length of all vectors.
        blocks: layers.
        heads: attention heads.
        window: items that foretell.
        dropout: share of values dropped in training.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tables = [text_start(torch.from_numpy(book[:size]), width) for book, size in zip(books, sizes, strict=False)]
        tables += [torch.randn(size, width) * START for size in sizes[len(books) :]]
        return Network(torch.cat(tables), sizes, Transformer(width, blocks, heads, dropout), window, dropout)
