"""The networks that recloop builds by itself, by what ``config.json`` calls them."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

from recloop.errors import ArtifactError, nearest
from recloop.language.blocks import Blocks, Node

# model_type → module: class. One file per family.
FAMILIES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("bert", "electra"), ("bert", "Bert")),
    **dict.fromkeys(("roberta", "xlm-roberta", "camembert"), ("roberta", "Roberta")),
    "distilbert": ("distilbert", "DistilBert"),
    "mpnet": ("mpnet", "MPNet"),
    "modernbert": ("modernbert", "ModernBert"),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), ("decoder", "Decoder")),
}


class Architecture(Protocol):
    """The shape of a network, and how it is put together.

    Attributes:
        hidden_size: length of a token's vector.
        intermediate_size: of its vector between the wide and the narrow map of a layer.
        max_positions: tokens that it can read.
        vocabulary: token ids that it knows.
        anchor: the name of its table of words; what stands before it in a file is no part of the names.
        parameters_per_token: weights that each token is multiplied with: twice as many operations are the floor of
            encoding it.
    """

    hidden_size: int
    intermediate_size: int
    max_positions: int
    vocabulary: int
    anchor: str

    @property
    def parameters_per_token(self) -> int:
        """See above."""
        ...

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """From ``config.json``; raises KeyError, TypeError or ValueError where something is missing or of no use."""
        ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors that it needs."""
        ...

    def build(self, blocks: Blocks) -> Node:
        """Token ids → (n, length, hidden_size), the last hidden state."""
        ...


def read_architecture(path: Path) -> Architecture:
    """The network that a ``config.json`` describes.

    Raises:
        ArtifactError: the file is damaged, or describes a network that recloop does not build.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        kind = str(given["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} is no configuration of a model ({error})", advice="download the model again"
        ) from error
    if kind not in FAMILIES:
        raise ArtifactError(
            f"{path} says model_type = {kind!r}",
            allowed=nearest(kind, FAMILIES),
            advice="Choose another model, or register your own encoder (entry point group recloop.encoders)",
        )
    module, name = FAMILIES[kind]
    family: type[Architecture] = getattr(import_module(f"recloop.language.{module}"), name)
    try:
        return family.read(given)
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{path} is no configuration of a {kind} model that can be built ({error})",
            advice="download the model again, or register your own encoder (entry point group recloop.encoders)",
        ) from error
