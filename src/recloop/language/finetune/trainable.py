"""Which weights learn, and how they become an ordinary encoder again."""

import warnings
from typing import Any

import torch
from torch import nn

from recloop.language.finetune.network import SentenceNetwork, layers_of
from recloop.language.finetune.settings import Finetune


def extend(network: SentenceNetwork, settings: Finetune) -> SentenceNetwork:
    """The network with the weights of its own that ``settings.tune`` adds: a head, or prompts drawn from its words."""
    model: Any = network.model
    table = model.get_input_embeddings().weight.detach()
    if settings.tune == "head" and network.head is None:
        network.head = nn.Linear(table.shape[1], table.shape[1])
        nn.init.eye_(network.head.weight)
        nn.init.zeros_(network.head.bias)
    elif settings.tune == "prompt":
        network.prompts = nn.Parameter(table[torch.randint(len(table), (settings.prompts,))].clone())
    return network


def prepare(network: SentenceNetwork, settings: Finetune) -> SentenceNetwork:
    """The network with only those weights learning that ``settings.tune`` names; see ``merge`` for the way back."""
    network.requires_grad_(requires_grad=settings.tune == "full")
    if settings.tune == "top":
        for layer in list(layers_of(network.model))[-settings.layers :]:
            layer.requires_grad_(requires_grad=True)
    elif settings.tune == "head" and network.head is not None:
        network.head.requires_grad_(requires_grad=True)
    elif settings.tune == "prompt" and network.prompts is not None:
        network.prompts.requires_grad_(requires_grad=True)
    elif settings.tune in {"lora", "adapter"}:
        network.model = _peft(network.model, settings)
    return network


def merge(network: SentenceNetwork) -> SentenceNetwork:
    """The same function without anything added: low-rank matrices and gains are multiplied into the weights.

    Prompts stay: they become words when the encoder is saved.
    """
    if hasattr(network.model, "merge_and_unload"):
        network.model = network.model.merge_and_unload()
    return network


def _peft(model: nn.Module, settings: Finetune) -> nn.Module:
    import peft

    matrices = _matrices(model)
    config: Any
    if settings.tune == "lora":
        config = peft.LoraConfig(
            r=settings.rank, lora_alpha=2 * settings.rank, lora_dropout=0.0, target_modules=sorted(matrices)
        )
    else:
        inner = {name for name in matrices if _reads_inner(model, name)}
        gains = {name for name in matrices if name.rsplit(".", 1)[-1] in {"key", "value", "k_proj", "v_proj"}}
        config = peft.IA3Config(target_modules=sorted(gains | inner), feedforward_modules=sorted(inner))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about names that peft still uses
        adapted: nn.Module = peft.get_peft_model(model, config)
    return adapted


def _matrices(model: nn.Module) -> set[str]:
    """Names of the linear maps inside the layers."""
    stack = layers_of(model)
    prefix = next(name for name, module in model.named_modules() if module is stack)
    return {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(f"{prefix}.")
    }


def _reads_inner(model: nn.Module, name: str) -> bool:
    """Whether a linear map reads the inner units of a feed-forward: more numbers in than out."""
    module = model.get_submodule(name)
    assert isinstance(module, nn.Linear)
    return bool(module.in_features > module.out_features)
