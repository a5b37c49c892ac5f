from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from recloop.language.blocks import Blocks, Node
from recloop.language.post_norm import Layer, activation_of, post_norm_layer

EPS = 1e-12


@dataclass(frozen=True, slots=True)
class DistilBert:
    """DistilBERT (Sanh et al. 2019): half of BERT's layers, no segments, names of its own."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    max_positions: int
    vocabulary: int
    activation: str

    anchor: ClassVar[str] = "embeddings.word_embeddings.weight"

    @property
    def parameters_per_token(self) -> int:
        """Weights that each token is multiplied with."""
        return self.layers * (4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """See ``Architecture``."""
        return cls(
            hidden_size=int(given["dim"]),
            intermediate_size=int(given["hidden_dim"]),
            layers=int(given["n_layers"]),
            heads=int(given["n_heads"]),
            max_positions=int(given["max_position_embeddings"]),
            vocabulary=int(given["vocab_size"]),
            activation=activation_of(given, "activation"),
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See ``Architecture``."""
        shapes: dict[str, tuple[int, ...]] = {
            self.anchor: (self.vocabulary, self.hidden_size),
            "embeddings.position_embeddings.weight": (self.max_positions, self.hidden_size),
            **{f"embeddings.LayerNorm.{part}": (self.hidden_size,) for part in ("weight", "bias")},
        }
        for layer in range(self.layers):
            shapes |= _names(layer).shapes(self.hidden_size, self.intermediate_size)
        return shapes

    def build(self, blocks: Blocks) -> Node:
        """See ``Architecture``."""
        positions = blocks.first(blocks.weights["embeddings.position_embeddings.weight"])
        x = blocks.layer_norm(blocks.op.add(blocks.words(self.anchor), positions), "embeddings.LayerNorm", EPS)
        for layer in range(self.layers):
            x = post_norm_layer(
                blocks,
                x,
                _names(layer),
                heads=self.heads,
                activation=self.activation,
                eps=EPS,
                hide=blocks.hide_padding,
            )
        return x


def _names(layer: int) -> Layer:
    at = f"transformer.layer.{layer}"
    return Layer(
        query=f"{at}.attention.q_lin",
        key=f"{at}.attention.k_lin",
        value=f"{at}.attention.v_lin",
        out=f"{at}.attention.out_lin",
        seen_norm=f"{at}.sa_layer_norm",
        wide=f"{at}.ffn.lin1",
        narrow=f"{at}.ffn.lin2",
        norm=f"{at}.output_layer_norm",
    )
