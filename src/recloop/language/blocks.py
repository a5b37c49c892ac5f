"""The parts that transformers are made of, as operations of OpenVINO's graph."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.language.extra import load_openvino

Node = Any
FAR = np.float32(1e9)  # what is taken from the logit of a token that must not be seen
ACTIVATIONS = ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish", "quick_gelu")


class Blocks:
    """One network in the making: its inputs, its weights, and the operations that networks share.

    Nodes are tensors of shape (n, length, width) unless said otherwise.

    Args:
        weights: name → array.
        max_length: tokens that a text has at most.
        precision: ``"bf16"`` for a network in bfloat16 throughout, which spares the runtime turning numbers to and fro;
            ``"int8"`` to store the matrices of linear maps in 8 bits, each row with its own scale; ``"f32"``.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], max_length: int, precision: str) -> None:
        load_openvino()
        from openvino import opset13

        self.op: Any = opset13
        self.weights, self.max_length, self.precision = weights, max_length, precision
        self.real: Any = "bf16" if precision == "bf16" else "f32"
        self.ids = self.op.parameter([-1, -1], np.int32, name="ids")
        self._mask = self.op.parameter([-1, -1], np.float32, name="mask")
        self.mask = self.op.convert(self._mask, self.real)

    def model(self, output: Node, name: str) -> Any:
        """The whole as an ``openvino.Model``: ids and mask → output."""
        import openvino as ov

        return ov.Model([self.op.convert(output, "f32")], [self.ids, self._mask], name)

    # ---- numbers

    def constant(self, array: NDArray[Any] | np.generic) -> Node:
        """A tensor that does not change; decimal numbers in the precision of the network."""
        ordered = np.asarray(array, order="C")
        if ordered.dtype != np.float32 or self.real == "f32":
            return self.op.constant(ordered)
        from openvino import Type

        return self.op.constant(ordered, dtype=Type.bf16)

    def places(self, *values: int) -> Node:
        """Axes, sizes or offsets."""
        return self.op.constant(np.array(values, np.int64))

    def weight(self, name: str) -> Node:
        """A tensor of the file."""
        return self.constant(self.weights[name])

    @cached_property
    def length(self) -> Node:
        """(1,) the tokens of the longest text."""
        return self.op.gather(self.op.shape_of(self.ids), self.places(1), self.places(0))

    # ---- into the network

    def words(self, name: str) -> Node:
        """The row of each token in a table."""
        return self.op.gather(self.weight(name), self.ids, self.places(0))

    def first(self, table: NDArray[np.float32], axis: int = 0) -> Node:
        """As many entries along an axis as there are tokens."""
        return self.op.slice(self.constant(table), self.places(0), self.length, self.places(1), self.places(axis))

    # ---- linear maps, norms, activations

    def dense(self, x: Node, name: str, *, bias: bool = True) -> Node:
        """``x @ W.T + b`` with the weights ``name.weight`` and ``name.bias``."""
        product = self.op.matmul(x, self._matrix(f"{name}.weight"), transpose_a=False, transpose_b=True)
        return self.op.add(product, self.weight(f"{name}.bias")) if bias else product

    def _matrix(self, name: str) -> Node:
        matrix = self.weights[name]
        if self.precision != "int8":
            return self.constant(matrix)
        scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.float32(1e-30)) / np.float32(127)
        rounded = self.constant(np.rint(matrix / scale).astype(np.int8))
        return self.op.multiply(self.op.convert(rounded, self.real), self.constant(scale))

    def layer_norm(self, x: Node, name: str, eps: float, *, bias: bool = True) -> Node:
        """Mean 0 and variance 1 over the last axis, then a gain and a shift (Ba et al. 2016, "Layer normalization")."""
        normed = self.op.mvn(x, self.places(-1), normalize_variance=True, eps=eps, eps_mode="inside_sqrt")
        scaled = self.op.multiply(normed, self.weight(f"{name}.weight"))
        return self.op.add(scaled, self.weight(f"{name}.bias")) if bias else scaled

    def rms_norm(self, x: Node, name: str, eps: float) -> Node:
        """Root mean square 1 over the last axis, then a gain (Zhang & Sennrich 2019, "Root mean square layer
        normalization").
        """
        op = self.op
        mean = op.reduce_mean(op.multiply(x, x), self.places(-1), keep_dims=True)
        root = op.sqrt(op.add(mean, self.constant(np.float32(eps))))
        return op.multiply(op.multiply(x, op.divide(self.constant(np.float32(1)), root)), self.weight(f"{name}.weight"))

    def activation(self, x: Node, kind: str) -> Node:
        """One of ``ACTIVATIONS``, by the names that configurations use."""
        match kind:
            case "gelu":
                return self.op.gelu(x, "erf")
            case "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh":
                return self.op.gelu(x, "tanh")
            case "relu":
                return self.op.relu(x)
            case "silu" | "swish":
                return self.op.swish(x, self.constant(np.float32(1)))
            case _:  # quick_gelu
                return self.op.multiply(x, self.op.sigmoid(self.op.multiply(x, self.constant(np.float32(1.702)))))

    # ---- attention

    def split_heads(self, x: Node, heads: int) -> Node:
        """(n, length, heads x width) → (n, heads, length, width)."""
        width = _size(x, 2) // heads
        parted = self.op.reshape(x, self.places(0, 0, heads, width), special_zero=True)
        return self.op.transpose(parted, self.places(0, 2, 1, 3))

    @cached_property
    def hide_padding(self) -> Node:
        """(n, 1, 1, length): 0 on tokens, far below 0 on padding."""
        op = self.op
        below = op.subtract(op.unsqueeze(self.mask, self.places(1, 2)), self.constant(np.float32(1)))
        return op.multiply(below, self.constant(FAR))

    @cached_property
    def hide_later(self) -> Node:
        """(n, 1, length, length): far below 0 on padding and, for each token, on those after it."""
        return self.op.add(self.hide_padding, self.hide_beyond(0, None))

    def hide_beyond(self, after: int | None, before: int | None) -> Node:
        """(1, 1, length, length): far below 0 on tokens further away than so many after, or before; None: all seen."""
        op = self.op
        ends = (self.constant(np.int64(0)), op.squeeze(self.length, self.places(0)), self.constant(np.int64(1)))
        place = op.range(*ends, "i64")
        ahead = op.subtract(op.unsqueeze(place, self.places(0)), op.unsqueeze(place, self.places(1)))
        hidden = [op.greater(ahead, self.constant(np.int64(after)))] if after is not None else []
        hidden += [op.less(ahead, self.constant(np.int64(-before)))] if before is not None else []
        either = hidden[0] if len(hidden) == 1 else op.logical_or(*hidden)
        far = op.multiply(op.convert(either, self.real), self.constant(-FAR))
        return op.unsqueeze(far, self.places(0, 1))

    def attention(self, query: Node, key: Node, value: Node, hide: Node) -> Node:
        """Each token's mixture of the values of those that it sees (Vaswani et al. 2017, "Attention is all you need",
        section 3.2), written out: on CPUs this was faster than OpenVINO's one operation for it.

        Where there are fewer heads of keys than of queries, each serves several (Ainslie et al. 2023, "GQA").

        Args:
            query: (n, heads, length, width).
            key: (n, heads or fewer, length, width).
            value: like ``key``.
            hide: what is added to the logits, (n or 1, heads or 1, length or 1, length).

        Returns:
            (n, length, heads x width).
        """
        op, heads, shared = self.op, _size(query, 1), _size(key, 1)
        width = _size(query, 3)
        scale = self.constant(np.float32(width**-0.5))
        if heads != shared:  # the queries that share a key stand below one another
            query = op.reshape(query, self.places(0, shared, -1, width), special_zero=True)
        near = op.multiply(op.matmul(query, key, transpose_a=False, transpose_b=True), scale)
        if heads != shared:
            near = self._regroup(near, heads)
        near = op.softmax(op.add(near, hide), -1)
        if heads != shared:
            near = self._regroup(near, shared)
        seen = op.matmul(near, value, transpose_a=False, transpose_b=False)
        if heads != shared:
            seen = op.reshape(seen, self.places(0, heads, -1, width), special_zero=True)
        turned = op.transpose(seen, self.places(0, 2, 1, 3))
        return op.reshape(turned, self.places(0, 0, heads * width), special_zero=True)

    def _regroup(self, near: Node, heads: int) -> Node:
        """(n, any heads, rows, length) → (n, heads, rows, length)."""
        sizes = self.op.concat([self.places(0, heads, -1), self.length], 0)
        return self.op.reshape(near, sizes, special_zero=True)

    def rotary(self, x: Node, frequencies: NDArray[np.float64]) -> Node:
        """(n, heads, length, width) with each pair of numbers turned by place x frequency (Su et al. 2021, "RoFormer",
        section 3.2.2; the pairs are the halves of a head).

        Args:
            x: queries or keys.
            frequencies: (width / 2,) angles per place.
        """
        angles = np.arange(self.max_length)[:, None] * np.concatenate([frequencies, frequencies])
        cos, sin = (self.first(turn(angles).astype(np.float32)) for turn in (np.cos, np.sin))
        op = self.op
        left, right = self.parts(x, 2)
        turned = op.concat([op.negative(right), left], -1)
        return op.add(op.multiply(x, cos), op.multiply(turned, sin))

    def parts(self, x: Node, n: int) -> list[Node]:
        """The last axis in n equal parts."""
        return list(self.op.split(x, self.constant(np.int64(-1)), n).outputs())


def _size(x: Node, axis: int) -> int:
    """A size that is known before any text comes."""
    shape = x.get_partial_shape() if hasattr(x, "get_partial_shape") else x.get_output_partial_shape(0)
    return int(shape[axis].get_length())
