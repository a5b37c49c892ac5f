"""Both towers as networks, for training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recloop.strategies.two_tower.towers import Towers


@dataclass(frozen=True, eq=False)
class Views:
    """What the network reads of items.

    Attributes:
        values: one (n_items, d_b) float32 array per block.
        present: (n_items, blocks) bool.
        shares: (blocks,) how far each block is listened to before anything is learned.
    """

    values: Sequence[NDArray[np.float32]]
    present: NDArray[np.bool_]
    shares: NDArray[np.float64]


class Gate(nn.Module):
    """One vector from several views of an item; a view that says nothing of it has no part.

    z = sum_b g_b z_b with z_b = W_b x_b at a mean square of 1, so that no view is made loud or silent but by its gate,
    and g = softmax over the views that are there of log share_b + c_b + q_b . tanh(z_b) (gates as in Arevalo et al.
    2017, "Gated multimodal units for information fusion", section 3.1, with a softmax for more than two views). Each
    item has its own gate; c and q begin at zero.
    """

    def __init__(self, views: Views, width: int) -> None:
        super().__init__()
        self.widths = [values.shape[1] for values in views.values]
        joined = [_unit(values) for values in views.values]
        self.register_buffer("read", torch.from_numpy(np.concatenate(joined, axis=1)), persistent=False)
        shares = np.log(np.maximum(views.shares, 1e-3 * views.shares.max(initial=1e-9)))
        start = np.where(views.present, shares, -np.inf).astype(np.float32)
        self.register_buffer("start", torch.from_numpy(start), persistent=False)
        self.maps = nn.ModuleList(nn.Linear(d, width, bias=False) for d in self.widths)
        self.asks = nn.Parameter(torch.zeros(len(self.widths), width))
        self.prefers = nn.Parameter(torch.zeros(len(self.widths)))

    def forward(self, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(k, width) vectors of k items, (k, blocks) gates that add up to 1, or to 0 where no view is there."""
        parts = self.read[items].split(self.widths, dim=1)
        z = torch.stack([one(part) for one, part in zip(self.maps, parts, strict=True)], dim=1)
        z = z * torch.rsqrt((z * z).mean(dim=-1, keepdim=True) + 1e-6)
        asked = self.prefers + (torch.tanh(z) * self.asks).sum(dim=-1)
        gates = torch.softmax(self.start[items] + asked, dim=1)
        gates = torch.nan_to_num(gates)  # no view at all
        return (gates.unsqueeze(-1) * z).sum(dim=1), gates


class Network(nn.Module):
    """The towers: those at their linear optimum, and what is learned beside them.

    An item's first vector is the linear one (plus, where its id is known, its own part); the second is
    ``out(silu(deep(gate)))``, which begins as zero. See ``Towers`` for the history tower and the scores.

    Args:
        views: what is read of items; None where the catalogue says nothing.
        events, items: (n_items, d) the linear towers without ids.
        own_events, own_items: (n_items, d) what ids add to them; zeros where nobody touched the item.
        width: of hidden layers.
        dropout: share of hidden values dropped in training.
        scorer: ``dot``, ``layers`` or ``mlp``.
        linear: whether the towers begin at the linear optimum: then all else begins as zero.
    """

    def __init__(
        self,
        views: Views | None,
        events: NDArray[np.float32],
        items: NDArray[np.float32],
        own_events: NDArray[np.float32],
        own_items: NDArray[np.float32],
        *,
        width: int,
        dropout: float,
        scorer: str,
        linear: bool,
    ) -> None:
        super().__init__()
        n, d = events.shape
        self.scorer, self.dropout = scorer, dropout
        self.register_buffer("events_plain", torch.from_numpy(events), persistent=False)
        self.register_buffer("items_plain", torch.from_numpy(items), persistent=False)
        self.events_own = nn.Parameter(torch.from_numpy(own_events.copy()))
        self.items_own = nn.Parameter(torch.from_numpy(own_items.copy()))
        self.bias_own = nn.Parameter(torch.zeros(n))
        self.temperature = nn.Parameter(torch.zeros(()))
        self.gate = None if views is None else Gate(views, width)
        self.deep = nn.Linear(width, width)
        self.out_item, self.out_event = nn.Linear(width, d), nn.Linear(width, d)
        self.out_bias = nn.Linear(width, 1)
        self.hidden, self.out = nn.Linear(d, width), nn.Linear(width, d, bias=False)
        self.layer_weights = nn.Parameter(torch.zeros(2))
        wide = 2 * d if scorer == "layers" else d
        units = 16 if scorer == "mlp" else 0
        self.left, self.right = (
            nn.Parameter(torch.randn(wide, units) / wide**0.5),
            nn.Parameter(torch.randn(wide, units) / wide**0.5),
        )
        self.weigh_units = nn.Parameter(torch.zeros(units))
        if linear:
            for layer in (self.out_event, self.out_bias, *([] if scorer == "layers" else [self.out_item])):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
            nn.init.zeros_(self.out.weight)

    def read(self, items: torch.Tensor) -> torch.Tensor:
        """(k, width) what the features of k items say."""
        if self.gate is None:
            return self.events_plain.new_zeros((len(items), self.deep.in_features))
        z = F.dropout(self.gate(items)[0], self.dropout, self.training)
        return F.dropout(F.silu(self.deep(z)), self.dropout, self.training)

    def event_vectors(self, items: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """(k, d) what having an item says; ``known`` (k, 1) is 1 where its id may be used."""
        return self.events_plain[items] + known * self.events_own[items] + self.out_event(self.read(items))

    def item_vectors(self, items: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(k, D) and (k,): vectors and biases of items to be scored."""
        read = self.read(items)
        first = torch.exp(self.temperature) * (self.items_plain[items] + known * self.items_own[items])
        second = self.out_item(read)
        bias = self.out_bias(read)[:, 0] + known[:, 0] * self.bias_own[items]
        if self.scorer == "layers":
            a, b = torch.exp(self.layer_weights)
            return torch.cat([a * first, b * second], dim=1), bias
        return first + second, bias

    def history_vectors(self, pooled: torch.Tensor) -> torch.Tensor:
        """(n, d) pooled events → (n, D)."""
        deeper = self.out(F.dropout(F.silu(self.hidden(pooled)), self.dropout, self.training))
        return torch.cat([pooled, deeper], dim=1) if self.scorer == "layers" else pooled + deeper

    def logits(self, history: torch.Tensor, vectors: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """(n, k) scores."""
        found = history @ vectors.T + bias
        if self.scorer == "mlp":
            inner = F.relu((history @ self.left)[:, None] + (vectors @ self.right)[None])
            found = found + inner @ self.weigh_units
        return found

    def loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Mean over histories and their targets of -log softmax, see ``recloop.strategies.two_tower.learn.batches``."""
        events = self.event_vectors(batch["seen"], batch["seen_known"])
        rows, places, weights = batch["event_row"], batch["event_place"], batch["event_weight"]
        n = int(batch["rows"])
        pooled = events.new_zeros(n, events.shape[1]).index_add(0, rows, weights[:, None] * events[places])
        vectors, bias = self.item_vectors(batch["candidates"], batch["candidates_known"])
        logits = self.logits(self.history_vectors(pooled), vectors, bias - batch["log_chance"])
        logits[batch["hidden_row"], batch["hidden_place"]] = -torch.inf
        chances = torch.log_softmax(logits.float(), dim=1)
        return -(chances[batch["target_row"], batch["target_place"]] * batch["target_weight"]).sum() / n

    def towers(self, known: NDArray[np.bool_], half_life: float | None) -> Towers:
        """As arrays. ``known`` (n_items,): whose ids may be used."""
        with torch.no_grad():
            return self._towers(known, half_life)

    def _towers(self, known: NDArray[np.bool_], half_life: float | None) -> Towers:
        here = torch.arange(len(known), device=self.events_own.device)
        ids = torch.from_numpy(known.astype(np.float32))[:, None].to(here.device)
        vectors, bias = self.item_vectors(here, ids)
        hidden = torch.cat([self.hidden.weight.T, self.hidden.bias[None]])
        found = {
            "events": self.event_vectors(here, ids),
            "hidden": hidden,
            "out": self.out.weight.T,
            "items": vectors,
            "bias": bias,
            "scorer_history": self.left,
            "scorer_items": vectors @ self.right,
            "scorer_out": self.weigh_units,
        }
        arrays = {name: value.detach().float().cpu().numpy().copy() for name, value in found.items()}
        return Towers(**arrays, half_life=half_life, layers=self.scorer == "layers")

    def gates(self) -> NDArray[np.float32]:
        """(n_items, blocks) how far each item is told by each view."""
        assert self.gate is not None
        with torch.no_grad():
            found: NDArray[np.float32] = self.gate(torch.arange(len(self.events_own)))[1].numpy()
        return found

    def fingerprint(self) -> str:
        """Changes with anything that training starts from."""
        digest = blake2b(digest_size=16)
        for name, value in [*self.named_buffers(), *self.named_parameters()]:
            digest.update(name.encode())
            digest.update(value.detach().cpu().numpy().tobytes())
        return digest.hexdigest()


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """At a mean square of 1, so that no view begins louder than another."""
    size = float(np.sqrt(np.mean(values**2, dtype=np.float64)))
    return (values / (size or 1.0)).astype(np.float32)
