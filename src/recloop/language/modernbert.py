from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from recloop.language.blocks import Blocks, Node
from recloop.language.post_norm import activation_of
from recloop.language.rotary import frequencies

LOCAL, GLOBAL = "sliding_attention", "full_attention"
BASES = {LOCAL: ("local_rope_theta", 10_000.0), GLOBAL: ("global_rope_theta", 160_000.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModernBert:
    """ModernBERT (Warner et al. 2024, "Smarter, better, faster, longer", section 2.1): layers that are normalised
    before each half, rotary places, gated maps, and only each third layer sees further than a window.
    """

    hidden_size: int
    intermediate_size: int
    kinds: tuple[str, ...]
    heads: int
    max_positions: int
    vocabulary: int
    eps: float
    activation: str
    window: int
    theta: Mapping[str, float]
    norm_bias: bool
    attention_bias: bool
    gate_bias: bool

    anchor: ClassVar[str] = "embeddings.tok_embeddings.weight"

    @property
    def parameters_per_token(self) -> int:
        """Weights that each token is multiplied with."""
        return len(self.kinds) * (4 * self.hidden_size**2 + 3 * self.hidden_size * self.intermediate_size)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """See ``Architecture``."""
        every = int(given.get("global_attn_every_n_layers", 3))
        layers = range(int(given["num_hidden_layers"]))
        kinds = given.get("layer_types") or [LOCAL if layer % every else GLOBAL for layer in layers]
        if unknown := set(kinds) - set(BASES):
            raise ValueError(f"layer_types holds {sorted(unknown)}")
        rope: Mapping[str, Any] = given.get("rope_parameters") or {}
        return cls(
            hidden_size=int(given["hidden_size"]),
            intermediate_size=int(given["intermediate_size"]),
            kinds=tuple(kinds),
            heads=int(given["num_attention_heads"]),
            max_positions=int(given["max_position_embeddings"]),
            vocabulary=int(given["vocab_size"]),
            eps=float(given.get("norm_eps", 1e-5)),
            activation=activation_of(given, "hidden_activation"),
            window=int(given.get("local_attention", 128)) // 2,
            theta={
                kind: float((rope.get(kind) or {}).get("rope_theta", given.get(name, base)))
                for kind, (name, base) in BASES.items()
            },
            norm_bias=bool(given.get("norm_bias", False)),
            attention_bias=bool(given.get("attention_bias", False)),
            gate_bias=bool(given.get("mlp_bias", False)),
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See ``Architecture``."""
        hidden, wide = self.hidden_size, self.intermediate_size
        shapes: dict[str, tuple[int, ...]] = {self.anchor: (self.vocabulary, hidden)}
        norms = ["embeddings.norm", "final_norm"]
        for layer in range(len(self.kinds)):
            at = f"layers.{layer}"
            norms += [f"{at}.mlp_norm", *([f"{at}.attn_norm"] if layer else [])]
            for name, (out, into), bias in (
                ("attn.Wqkv", (3 * hidden, hidden), self.attention_bias),
                ("attn.Wo", (hidden, hidden), self.attention_bias),
                ("mlp.Wi", (2 * wide, hidden), self.gate_bias),
                ("mlp.Wo", (hidden, wide), self.gate_bias),
            ):
                shapes[f"{at}.{name}.weight"] = (out, into)
                if bias:
                    shapes[f"{at}.{name}.bias"] = (out,)
        for name in norms:
            shapes |= {f"{name}.{part}": (hidden,) for part in ("weight", *(("bias",) if self.norm_bias else ()))}
        return shapes

    def build(self, blocks: Blocks) -> Node:
        """See ``Architecture``."""
        op = blocks.op
        turns = {kind: frequencies(self.hidden_size // self.heads, theta) for kind, theta in self.theta.items()}
        near = op.add(blocks.hide_padding, blocks.hide_beyond(self.window, self.window))
        hide = {LOCAL: near, GLOBAL: blocks.hide_padding}
        x = self._norm(blocks, blocks.words(self.anchor), "embeddings.norm")
        for layer, kind in enumerate(self.kinds):
            at = f"layers.{layer}"
            normed = self._norm(blocks, x, f"{at}.attn_norm") if layer else x
            whole = blocks.dense(normed, f"{at}.attn.Wqkv", bias=self.attention_bias)
            query, key, value = (blocks.split_heads(part, self.heads) for part in blocks.parts(whole, 3))
            query, key = (blocks.rotary(part, turns[kind]) for part in (query, key))
            seen = blocks.attention(query, key, value, hide[kind])
            x = op.add(x, blocks.dense(seen, f"{at}.attn.Wo", bias=self.attention_bias))
            wide = blocks.dense(self._norm(blocks, x, f"{at}.mlp_norm"), f"{at}.mlp.Wi", bias=self.gate_bias)
            left, gate = blocks.parts(wide, 2)
            narrow = op.multiply(blocks.activation(left, self.activation), gate)
            x = op.add(x, blocks.dense(narrow, f"{at}.mlp.Wo", bias=self.gate_bias))
        return self._norm(blocks, x, "final_norm")

    def _norm(self, blocks: Blocks, x: Node, name: str) -> Node:
        return blocks.layer_norm(x, name, self.eps, bias=self.norm_bias)
