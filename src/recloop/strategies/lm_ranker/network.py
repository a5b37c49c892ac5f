import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recloop.language.finetune.network import SentenceNetwork
from recloop.neural.export import export
from recloop.neural.graph import Graph
from recloop.strategies.lm_ranker.lists import CONTEXT


class Head(nn.Module):
    """What is known of a pair → one number; it begins as one number of the context, such as the base strategy's score.

    Args:
        wide: length of the pair's vector.
        context: numbers beside it.
        width: of the hidden layer.
        dropout: of vector and hidden layer.
        start: what the first number of the context counts before training; the others count nothing.
    """

    def __init__(self, wide: int, context: int, width: int, dropout: float, start: float = 1.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.hidden, self.out = nn.Linear(wide + context, width), nn.Linear(width, 1)
        self.linear = nn.Linear(context, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        with torch.no_grad():
            self.linear.weight[0, 0] = start

    def forward(self, pair: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """(…, wide) and (…, context) → (…)."""
        hidden = F.gelu(self.hidden(torch.cat([self.drop(pair), context], dim=-1)))
        return (self.out(self.drop(hidden)) + self.linear(context))[..., 0]


class VectorRanker(nn.Module):
    """Logit of a history's vector u and an item's vector v: the head over (u, v, u * v, |u - v|) and context.

    The four are those of Reimers & Gurevych 2019, "Sentence-BERT", section 3, with the product of Cer et al. 2018.
    """

    def __init__(self, dimension: int, width: int, dropout: float, context: int = CONTEXT, start: float = 1.0) -> None:
        super().__init__()
        self.dimension, self.context = dimension, context
        self.head = Head(4 * dimension, context, width, dropout, start)

    def forward(self, users: torch.Tensor, items: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """(n, d), (n, c, d) and (n, c, context) → (n, c)."""
        u = users[:, None].expand_as(items)
        scale = self.dimension**0.5  # vectors of length 1 have tiny numbers
        pair = torch.cat([u, items, scale * u * items, (u - items).abs()], dim=-1) * (scale / 4)
        logits: torch.Tensor = self.head(pair, context)
        return logits

    def graph(self) -> Graph:
        """The network as it is served."""
        inputs = {
            "users": torch.zeros(2, self.dimension),
            "items": torch.zeros(2, 3, self.dimension),
            "context": torch.zeros(2, 3, self.context),
        }
        axes = {"users": {0: "n"}, "items": {0: "n", 1: "c"}, "context": {0: "n", 1: "c"}}
        return export(self, inputs, ["logits"], axes)


class EncodedRanker(nn.Module):
    """A ranker of vectors together with the encoder that makes them."""

    def __init__(self, encoder: SentenceNetwork, ranker: VectorRanker) -> None:
        super().__init__()
        self.encoder, self.ranker = encoder, ranker

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, taken: torch.Tensor, items: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        """Logits (n, c) where the texts of u items are read once.

        Args:
            ids: (u, length).
            mask: (u, length).
            taken: (n, u) how loud each of them speaks in each history.
            items: (n, c) places among them.
            context: (n, c, context); the cosine in it is computed anew.
        """
        vectors = self.encoder(self.encoder.words(ids), mask)
        users = F.normalize(taken @ vectors, dim=-1, eps=1e-6)
        chosen = vectors[items]
        near = (users[:, None] * chosen).sum(-1, keepdim=True)
        logits: torch.Tensor = self.ranker(users, chosen, torch.cat([context[..., :3], near, context[..., 4:]], dim=-1))
        return logits

    def vectors(self, ids: NDArray[np.int64], mask: NDArray[np.int64], rows: int = 64) -> NDArray[np.float32]:
        """(n, d) by the encoder as it is now; texts without a token get zeros."""
        device = next(self.parameters()).device
        found = np.zeros((len(ids), self.ranker.dimension), np.float32)
        filled = np.flatnonzero(mask.sum(axis=1))
        order = filled[np.argsort(mask[filled].sum(axis=1), kind="stable")]
        with torch.no_grad():
            for start in range(0, len(order), rows):
                part = order[start : start + rows]
                widest = int(mask[part].sum(axis=1).max())
                given = [torch.from_numpy(array[part, :widest]).to(device) for array in (ids, mask)]
                found[part] = self.encoder(self.encoder.words(given[0]), given[1]).float().cpu().numpy()
        return found


class CrossRanker(nn.Module):
    """Logit of a history's texts and an item's text, read together by the encoder."""

    def __init__(self, encoder: SentenceNetwork, hidden: int, width: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = Head(hidden, CONTEXT, width, dropout)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Twice (m, length) and (m, context) → (m,)."""
        logits: torch.Tensor = self.head(self.pooled(ids, mask), context)
        return logits

    def pooled(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(m, hidden) what the encoder makes of a pair."""
        return self.encoder.pooled(self.encoder.words(ids), mask)

    def graph(self) -> Graph:
        """The network as it is served."""
        ids = torch.ones(2, 5, dtype=torch.int64)
        inputs = {"ids": ids, "mask": ids, "context": torch.zeros(2, CONTEXT)}
        axes = {name: {0: "m", **({1: "length"} if name != "context" else {})} for name in inputs}
        return export(self, inputs, ["logits"], axes)
