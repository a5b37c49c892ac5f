from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.neural.precision import best_precision
from recloop.errors import SettingError
from recloop.language.bert import BertConfig
from recloop.language.extra import load_openvino

Weights = dict[str, NDArray[np.float32]]


class OpenVinoEngine:
    """BERT on the CPU through OpenVINO, the graph built operation by operation from the weights.

    Neither torch nor an exported model is needed. With ``precision`` left open the products run in bfloat16 where
    that is faster (see ``best_precision``) and in float32 elsewhere.

    Args:
        weights: as ``read_weights`` gives them.
        config: the shape of the network.
        threads: how many threads it may use.
        precision: ``"f32"``, ``"bf16"`` or None to choose.

    Raises:
        SettingError: the processor cannot run the network in that precision.
    """

    name = "openvino"

    def __init__(self, weights: Weights, config: BertConfig, threads: int, precision: str | None = None) -> None:
        self.precision = precision or best_precision()
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # other work of this process shares the cores
        }
        model, core = bert_graph(weights, config), load_openvino().Core()
        try:
            self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise SettingError(
                f"this processor cannot run the network with precision = '{self.precision}'",
                allowed="f32 runs anywhere",
                advice="leave precision open",
            ) from error

    def hidden(self, ids: NDArray[np.int32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, length, hidden_size) float32. The array is overwritten by the next call."""
        found: NDArray[np.float32] = self._request.infer([ids, mask], share_inputs=True, share_outputs=True)[0]
        return found


def bert_graph(weights: Weights, config: BertConfig) -> Any:
    """The network as an ``openvino.Model``: (n, length) ids and mask → (n, length, hidden_size).

    Post-norm transformer layers with the exact (erf) GELU, as in Devlin et al. 2019 and Vaswani et al. 2017,
    "Attention is all you need", section 3. Attention is written out: on CPUs this was faster than OpenVINO's one
    operation for it.
    """
    load_openvino()
    import openvino as ov
    from openvino import opset13 as op

    heads, width = config.heads, config.hidden_size // config.heads

    def constant(array: NDArray[Any]) -> Any:
        return op.constant(np.ascontiguousarray(array))

    def places(*values: int) -> Any:
        return op.constant(np.array(values, np.int64))

    def dense(x: Any, name: str) -> Any:
        product = op.matmul(x, constant(weights[f"{name}.weight"]), transpose_a=False, transpose_b=True)
        return op.add(product, constant(weights[f"{name}.bias"]))

    def layer_norm(x: Any, name: str) -> Any:
        normed = op.mvn(x, places(-1), normalize_variance=True, eps=config.layer_norm_eps, eps_mode="inside_sqrt")
        return op.add(op.multiply(normed, constant(weights[f"{name}.weight"])), constant(weights[f"{name}.bias"]))

    def split_heads(x: Any) -> Any:  # (n, length, hidden) → (n, heads, length, width)
        return op.transpose(op.reshape(x, places(0, 0, heads, width), special_zero=True), places(0, 2, 1, 3))

    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, -1], np.float32, name="mask")

    # every text is segment 0, so that its vector joins those of the positions
    positions = weights["embeddings.position_embeddings.weight"]
    if (segments := weights.get("embeddings.token_type_embeddings.weight")) is not None:
        positions = positions + segments[0]
    length = op.gather(op.shape_of(ids), places(1), places(0))
    x = op.add(
        op.gather(constant(weights["embeddings.word_embeddings.weight"]), ids, places(0)),
        op.slice(constant(positions), places(0), length, places(1), places(0)),
    )
    x = layer_norm(x, "embeddings.LayerNorm")

    one, scale = op.constant(np.float32(1)), op.constant(np.float32(width**-0.5))
    hide_padding = op.multiply(op.subtract(op.unsqueeze(mask, places(1, 2)), one), op.constant(np.float32(1e9)))
    for layer in range(config.layers):
        at = f"encoder.layer.{layer}"
        query, key, value = (split_heads(dense(x, f"{at}.attention.self.{n}")) for n in ("query", "key", "value"))
        near = op.multiply(op.matmul(query, key, transpose_a=False, transpose_b=True), scale)
        seen = op.matmul(op.softmax(op.add(near, hide_padding), -1), value, transpose_a=False, transpose_b=False)
        seen = op.reshape(op.transpose(seen, places(0, 2, 1, 3)), places(0, 0, config.hidden_size), special_zero=True)
        x = layer_norm(op.add(x, dense(seen, f"{at}.attention.output.dense")), f"{at}.attention.output.LayerNorm")
        wide = op.gelu(dense(x, f"{at}.intermediate.dense"), "erf")
        x = layer_norm(op.add(x, dense(wide, f"{at}.output.dense")), f"{at}.output.LayerNorm")
    return ov.Model([x], [ids, mask], "bert")
