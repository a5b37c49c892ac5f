from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from recloop.language.blocks import Blocks, Node
from recloop.language.post_norm import Layer, activation_of, post_norm_layer


@dataclass(frozen=True, slots=True)
class Bert:
    """The shape of a BERT encoder (Devlin et al. 2019, "BERT", section 3), as its ``config.json`` gives it.

    ELECTRA's discriminator (Clark et al. 2020) is a BERT whose table of words may be narrower than the network.
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    max_positions: int
    vocabulary: int
    layer_norm_eps: float
    activation: str
    segments: int
    embedding_size: int

    anchor: ClassVar[str] = "embeddings.word_embeddings.weight"
    first_position: ClassVar[int] = 0
    """The place in the table of positions that the first token has."""

    @property
    def parameters_per_token(self) -> int:
        """Weights that each token is multiplied with."""
        return self.layers * (4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """See ``Architecture``."""
        if given.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError(f"position_embedding_type = {given['position_embedding_type']!r}; 'absolute' is needed")
        return cls(
            hidden_size=int(given["hidden_size"]),
            intermediate_size=int(given["intermediate_size"]),
            layers=int(given["num_hidden_layers"]),
            heads=int(given["num_attention_heads"]),
            max_positions=int(given["max_position_embeddings"]) - cls.first_position,
            vocabulary=int(given["vocab_size"]),
            layer_norm_eps=float(given.get("layer_norm_eps", 1e-12)),
            activation=activation_of(given, "hidden_act"),
            segments=int(given.get("type_vocab_size", 2)),
            embedding_size=int(given.get("embedding_size", given["hidden_size"])),
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See ``Architecture``. Segments may be missing: every text is the first one."""
        words = self.embedding_size
        shapes: dict[str, tuple[int, ...]] = {
            self.anchor: (self.vocabulary, words),
            "embeddings.position_embeddings.weight": (self.max_positions + self.first_position, words),
            **{f"embeddings.LayerNorm.{part}": (words,) for part in ("weight", "bias")},
        }
        if words != self.hidden_size:
            shapes |= {"embeddings_project.weight": (self.hidden_size, words)}
            shapes |= {"embeddings_project.bias": (self.hidden_size,)}
        for layer in range(self.layers):
            shapes |= _names(layer).shapes(self.hidden_size, self.intermediate_size)
        return shapes

    def build(self, blocks: Blocks) -> Node:
        """See ``Architecture``."""
        positions = blocks.weights["embeddings.position_embeddings.weight"][self.first_position :]
        if "embeddings.token_type_embeddings.weight" in blocks.weights:
            # every text is segment 0, so that its vector joins those of the positions
            positions = positions + blocks.weights["embeddings.token_type_embeddings.weight"][0]
        x = blocks.op.add(blocks.words(self.anchor), blocks.first(positions))
        x = blocks.layer_norm(x, "embeddings.LayerNorm", self.layer_norm_eps)
        if self.embedding_size != self.hidden_size:
            x = blocks.dense(x, "embeddings_project")
        for layer in range(self.layers):
            x = post_norm_layer(
                blocks,
                x,
                _names(layer),
                heads=self.heads,
                activation=self.activation,
                eps=self.layer_norm_eps,
                hide=blocks.hide_padding,
            )
        return x


def _names(layer: int) -> Layer:
    at = f"encoder.layer.{layer}"
    return Layer(
        query=f"{at}.attention.self.query",
        key=f"{at}.attention.self.key",
        value=f"{at}.attention.self.value",
        out=f"{at}.attention.output.dense",
        seen_norm=f"{at}.attention.output.LayerNorm",
        wide=f"{at}.intermediate.dense",
        narrow=f"{at}.output.dense",
        norm=f"{at}.output.LayerNorm",
    )
