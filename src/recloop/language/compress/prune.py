"""Parts of an encoder that say little, taken out: layers, inner units, heads, words."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recloop.errors import SettingError
from recloop.language.finetune.network import layers_of


def keep_layers(model: nn.Module, count: int) -> None:
    """Only ``count`` layers stay, evenly spread, the first and the last among them; in place.

    A student that starts from its teacher's layers learns in a fraction of the time (Sanh et al. 2019, "DistilBERT",
    section 2).

    Raises:
        SettingError: there are fewer.
    """
    stack = layers_of(model)
    if not 1 <= count <= len(stack):
        raise SettingError(f"layers is {count}", allowed=f"the encoder has 1 to {len(stack)} layers to keep")
    chosen = np.unique(np.linspace(0, len(stack) - 1, count).round().astype(int)) if count > 1 else [len(stack) - 1]
    kept = [stack[place] for place in chosen]
    while len(stack):
        del stack[-1]
    stack.extend(kept)
    config: Any = model.config
    config.num_hidden_layers = count


def keep_inner(model: nn.Module, share: float) -> None:
    """Only the inner units of each feed-forward that weigh most stay; in place.

    A unit weighs the product of the lengths of its weights in and out: what is multiplied by it when all inputs are
    alike (structured magnitude pruning: Li et al. 2017, "Pruning filters for efficient ConvNets", section 3.1, for both
    sides of a unit).
    """
    for layer in layers_of(model):
        into, out = _feed(layer)
        count = max(8, round(share * into.out_features))
        weight = into.weight.detach().norm(dim=1) * out.weight.detach().norm(dim=0)
        kept = weight.topk(min(count, len(weight))).indices.sort().values
        _rows(into, kept)
        _columns(out, kept)
    config: Any = model.config
    config.intermediate_size = _feed(layers_of(model)[0])[0].out_features


def keep_heads(model: nn.Module, share: float) -> None:
    """Only the attention heads of each layer that weigh most stay; in place.

    Most heads of a trained encoder can be taken out for a small loss (Michel, Levy & Neubig 2019, "Are sixteen heads
    really better than one?"). A head weighs the product of the sizes of its values and of its part of the output.
    ``config.json`` has no words for it: such a network is served as a graph only.
    """
    for layer in layers_of(model):
        attention, out = layer.attention.self, layer.attention.output.dense
        width = attention.attention_head_size
        heads = attention.query.out_features // width
        value = attention.value.weight.detach().unflatten(0, (heads, width)).flatten(1).norm(dim=1)
        weight = value * out.weight.detach().unflatten(1, (heads, width)).transpose(0, 1).flatten(1).norm(dim=1)
        chosen = weight.topk(max(1, round(share * heads))).indices.sort().values
        kept = (chosen[:, None] * width + torch.arange(width)).flatten()
        for matrix in (attention.query, attention.key, attention.value):
            _rows(matrix, kept)
        _columns(out, kept)
        attention.num_attention_heads, attention.all_head_size = len(chosen), len(kept)


def keep_words(model: nn.Module, ids: NDArray[np.integer]) -> None:
    """Only these rows of the table of words stay, in this order; in place. Tokens must be renamed accordingly."""
    table = model.get_input_embeddings()
    kept = torch.from_numpy(np.asarray(ids, np.int64))
    made = nn.Embedding(len(kept), table.weight.shape[1], padding_idx=0)
    made.weight.data = table.weight.detach()[kept].clone()
    model.set_input_embeddings(made)
    config: Any = model.config
    config.vocab_size = len(kept)


def _feed(layer: Any) -> tuple[nn.Linear, nn.Linear]:
    """The linear maps into and out of the inner units.

    Raises:
        SettingError: the layer has no feed-forward of two linear maps.
    """
    before, into, out = [module for module in layer.modules() if isinstance(module, nn.Linear)][-3:]
    gated = (before.in_features, before.out_features) == (into.in_features, into.out_features)
    if into.out_features != out.in_features or (gated and into.in_features != into.out_features):
        raise SettingError(
            "the encoder's feed-forward is not one matrix in and one out", allowed="its layers can be taken out whole"
        )
    return into, out


def _rows(linear: nn.Linear, kept: torch.Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[kept].clone())
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[kept].clone())
    linear.out_features = len(kept)


def _columns(linear: nn.Linear, kept: torch.Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, kept].clone())
    linear.in_features = len(kept)
