from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from recloop.language.blocks import ACTIVATIONS, Blocks, Node
from recloop.language.rotary import frequencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Llama, Mistral, Qwen2 and Qwen3 as encoders: each token sees those before it, so that the last one sees all.

    Layers that are normalised before each half (root mean square), rotary places, keys that several heads share, and
    a gated map of each token (Touvron et al. 2023, "LLaMA", section 2.2; Jiang et al. 2023, "Mistral 7B"; Yang et al.
    2025, "Qwen3 technical report", where queries and keys are normalised, too).
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    shared_heads: int
    width: int
    max_positions: int
    vocabulary: int
    eps: float
    activation: str
    turns: tuple[float, ...]
    input_bias: bool
    output_bias: bool
    gate_bias: bool
    head_norms: bool
    causal: bool

    anchor: ClassVar[str] = "embed_tokens.weight"

    @property
    def parameters_per_token(self) -> int:
        """Weights that each token is multiplied with."""
        attention = 2 * self.hidden_size * self.width * (self.heads + self.shared_heads)
        return self.layers * (attention + 3 * self.hidden_size * self.intermediate_size)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """See ``Architecture``."""
        kind, heads = given["model_type"], int(given["num_attention_heads"])
        rope: Mapping[str, Any] = given.get("rope_parameters") or {}
        theta = float(rope.get("rope_theta", given.get("rope_theta", 10_000.0)))
        width = int(given.get("head_dim") or int(given["hidden_size"]) // heads)
        window = given.get("sliding_window") if kind == "mistral" or given.get("use_sliding_window") else None
        activation = str(given.get("hidden_act", "silu"))
        if activation not in ACTIVATIONS:
            raise ValueError(f"hidden_act = {activation!r}; one of {', '.join(ACTIVATIONS)} is needed")
        bias = bool(given.get("attention_bias", False))
        return cls(
            hidden_size=int(given["hidden_size"]),
            intermediate_size=int(given["intermediate_size"]),
            layers=int(given["num_hidden_layers"]),
            heads=heads,
            shared_heads=int(given.get("num_key_value_heads") or heads),
            width=width,
            max_positions=min(int(given["max_position_embeddings"]), int(window or 2**31)),  # within it all is seen
            vocabulary=int(given["vocab_size"]),
            eps=float(given.get("rms_norm_eps", 1e-6)),
            activation=activation,
            turns=tuple(frequencies(width, theta, given.get("rope_scaling") or rope)),
            input_bias=kind == "qwen2" or bias,
            output_bias=bias and kind != "qwen2",
            gate_bias=bool(given.get("mlp_bias", False)),
            head_norms=kind == "qwen3",
            causal=bool(given.get("is_causal", True)),
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See ``Architecture``."""
        hidden, wide = self.hidden_size, self.intermediate_size
        asked, shared = self.heads * self.width, self.shared_heads * self.width
        shapes: dict[str, tuple[int, ...]] = {self.anchor: (self.vocabulary, hidden), "norm.weight": (hidden,)}
        for layer in range(self.layers):
            at = f"layers.{layer}"
            for name, (out, into), bias in (
                ("self_attn.q_proj", (asked, hidden), self.input_bias),
                ("self_attn.k_proj", (shared, hidden), self.input_bias),
                ("self_attn.v_proj", (shared, hidden), self.input_bias),
                ("self_attn.o_proj", (hidden, asked), self.output_bias),
                ("mlp.gate_proj", (wide, hidden), self.gate_bias),
                ("mlp.up_proj", (wide, hidden), self.gate_bias),
                ("mlp.down_proj", (hidden, wide), self.gate_bias),
            ):
                shapes[f"{at}.{name}.weight"] = (out, into)
                if bias:
                    shapes[f"{at}.{name}.bias"] = (out,)
            for name in ("input_layernorm", "post_attention_layernorm"):
                shapes[f"{at}.{name}.weight"] = (hidden,)
            for name in ("q_norm", "k_norm") if self.head_norms else ():
                shapes[f"{at}.self_attn.{name}.weight"] = (self.width,)
        return shapes

    def build(self, blocks: Blocks) -> Node:
        """See ``Architecture``."""
        op, x = blocks.op, blocks.words(self.anchor)
        turns = np.array(self.turns)
        hide = blocks.hide_later if self.causal else blocks.hide_padding
        for layer in range(self.layers):
            at = f"layers.{layer}"
            normed = blocks.rms_norm(x, f"{at}.input_layernorm", self.eps)
            query, key, value = (
                blocks.split_heads(blocks.dense(normed, f"{at}.self_attn.{name}_proj", bias=self.input_bias), heads)
                for name, heads in (("q", self.heads), ("k", self.shared_heads), ("v", self.shared_heads))
            )
            if self.head_norms:
                query = blocks.rms_norm(query, f"{at}.self_attn.q_norm", self.eps)
                key = blocks.rms_norm(key, f"{at}.self_attn.k_norm", self.eps)
            seen = blocks.attention(blocks.rotary(query, turns), blocks.rotary(key, turns), value, hide)
            x = op.add(x, blocks.dense(seen, f"{at}.self_attn.o_proj", bias=self.output_bias))
            normed = blocks.rms_norm(x, f"{at}.post_attention_layernorm", self.eps)
            gate = blocks.activation(blocks.dense(normed, f"{at}.mlp.gate_proj", bias=self.gate_bias), self.activation)
            wide = op.multiply(gate, blocks.dense(normed, f"{at}.mlp.up_proj", bias=self.gate_bias))
            x = op.add(x, blocks.dense(wide, f"{at}.mlp.down_proj", bias=self.gate_bias))
        return blocks.rms_norm(x, "norm", self.eps)
