"""What BERT and its relatives have in common: layers that are normalised after each half."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recloop.language.blocks import ACTIVATIONS, Blocks, Node


@dataclass(frozen=True, slots=True)
class Layer:
    """The names of the tensors of one layer, each with ``.weight`` and ``.bias``."""

    query: str
    key: str
    value: str
    out: str
    seen_norm: str
    wide: str
    narrow: str
    norm: str

    def shapes(self, hidden: int, wide: int) -> dict[str, tuple[int, ...]]:
        """What the tensors look like."""
        square = dict.fromkeys((self.query, self.key, self.value, self.out), (hidden, hidden))
        linear = square | {self.wide: (wide, hidden), self.narrow: (hidden, wide)}
        shapes: dict[str, tuple[int, ...]] = {}
        for name, shape in linear.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        for name in (self.seen_norm, self.norm):
            shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
        return shapes


def post_norm_layer(
    blocks: Blocks, x: Node, names: Layer, *, heads: int, activation: str, eps: float, hide: Node
) -> Node:
    """Attention, then a wide and a narrow map of each token, each added to its input and normalised (Vaswani et al.
    2017, section 3.1; Devlin et al. 2019, "BERT", section 3).
    """
    query, key, value = (
        blocks.split_heads(blocks.dense(x, name), heads) for name in (names.query, names.key, names.value)
    )
    seen = blocks.dense(blocks.attention(query, key, value, hide), names.out)
    x = blocks.layer_norm(blocks.op.add(x, seen), names.seen_norm, eps)
    wide = blocks.activation(blocks.dense(x, names.wide), activation)
    return blocks.layer_norm(blocks.op.add(x, blocks.dense(wide, names.narrow)), names.norm, eps)


def activation_of(given: Mapping[str, Any], name: str) -> str:
    """The activation that a configuration names, the exact GELU where it says nothing.

    Raises:
        ValueError: it is unknown.
    """
    found = given.get(name, "gelu")
    if found not in ACTIVATIONS:
        raise ValueError(f"{name} = {found!r}; one of {', '.join(ACTIVATIONS)} is needed")
    return str(found)
