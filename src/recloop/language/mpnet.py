from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recloop.language.blocks import Blocks, Node
from recloop.language.post_norm import Layer, activation_of, post_norm_layer

FAR = 128  # tokens; those further away share a bucket
FIRST_POSITION = 2  # behind that of the padding token


@dataclass(frozen=True, slots=True)
class MPNet:
    """MPNet (Song et al. 2020): BERT without segments, and with logits that depend on how far two tokens are apart
    (Raffel et al. 2020, "T5", section 2.1).
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    max_positions: int
    vocabulary: int
    layer_norm_eps: float
    activation: str
    buckets: int

    anchor: ClassVar[str] = "embeddings.word_embeddings.weight"

    @property
    def parameters_per_token(self) -> int:
        """Weights that each token is multiplied with."""
        return self.layers * (4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """See ``Architecture``."""
        if given.get("pad_token_id", 1) != 1:
            raise ValueError(f"pad_token_id = {given['pad_token_id']!r}; 1 is needed, which the positions depend on")
        return cls(
            hidden_size=int(given["hidden_size"]),
            intermediate_size=int(given["intermediate_size"]),
            layers=int(given["num_hidden_layers"]),
            heads=int(given["num_attention_heads"]),
            max_positions=int(given["max_position_embeddings"]) - FIRST_POSITION,
            vocabulary=int(given["vocab_size"]),
            layer_norm_eps=float(given.get("layer_norm_eps", 1e-12)),
            activation=activation_of(given, "hidden_act"),
            buckets=int(given.get("relative_attention_num_buckets", 32)),
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See ``Architecture``."""
        shapes: dict[str, tuple[int, ...]] = {
            self.anchor: (self.vocabulary, self.hidden_size),
            "embeddings.position_embeddings.weight": (self.max_positions + FIRST_POSITION, self.hidden_size),
            **{f"embeddings.LayerNorm.{part}": (self.hidden_size,) for part in ("weight", "bias")},
            "encoder.relative_attention_bias.weight": (self.buckets, self.heads),
        }
        for layer in range(self.layers):
            shapes |= _names(layer).shapes(self.hidden_size, self.intermediate_size)
        return shapes

    def build(self, blocks: Blocks) -> Node:
        """See ``Architecture``."""
        op = blocks.op
        positions = blocks.first(blocks.weights["embeddings.position_embeddings.weight"][FIRST_POSITION:])
        x = op.add(blocks.words(self.anchor), positions)
        x = blocks.layer_norm(x, "embeddings.LayerNorm", self.layer_norm_eps)
        place = np.arange(blocks.max_length)
        bucket = buckets(place[None] - place[:, None], self.buckets)
        by_distance = blocks.weights["encoder.relative_attention_bias.weight"][bucket].transpose(2, 0, 1)
        near = op.slice(
            blocks.constant(by_distance[None]),
            blocks.places(0, 0),
            op.concat([blocks.length, blocks.length], 0),
            blocks.places(1, 1),
            blocks.places(2, 3),
        )
        hide = op.add(near, blocks.hide_padding)
        for layer in range(self.layers):
            x = post_norm_layer(
                blocks,
                x,
                _names(layer),
                heads=self.heads,
                activation=self.activation,
                eps=self.layer_norm_eps,
                hide=hide,
            )
        return x


def buckets(ahead: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """The bucket of each distance: half of them for tokens ahead, half for those behind; one for each near distance,
    then wider and wider ones.

    >>> buckets(np.array([0, -1, 1, 8, -300]), 32)
    array([ 0,  1, 17, 24, 15])
    """
    half = n // 2
    exact = half // 2
    far = np.abs(ahead)
    # in float32, as the network was trained: some distances lie on a border
    size = np.log((np.maximum(far, 1) / exact).astype(np.float32)) / np.float32(np.log(FAR / exact))
    wide = exact + size * np.float32(half - exact)
    within = np.where(far < exact, far, np.minimum(wide.astype(np.int64), half - 1))
    found: NDArray[np.int64] = np.where(ahead > 0, half, 0) + within
    return found


def _names(layer: int) -> Layer:
    at = f"encoder.layer.{layer}"
    return Layer(
        query=f"{at}.attention.attn.q",
        key=f"{at}.attention.attn.k",
        value=f"{at}.attention.attn.v",
        out=f"{at}.attention.attn.o",
        seen_norm=f"{at}.attention.LayerNorm",
        wide=f"{at}.intermediate.dense",
        narrow=f"{at}.output.dense",
        norm=f"{at}.output.LayerNorm",
    )
