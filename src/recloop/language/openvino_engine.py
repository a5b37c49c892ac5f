import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError
from recloop.language.architecture import Architecture
from recloop.language.blocks import Blocks
from recloop.language.extra import load_openvino
from recloop.language.processor import VNNI, flags
from recloop.language.weights import Weights

TILE = 16  # rows of the processor's matrix units: products over fewer take the slower way
GROUPS = (192, 128)  # numbers that share a scale when activations are rounded to 8 bits; the first that fits


class OpenVinoEngine:
    """A network on the CPU through OpenVINO, the graph built operation by operation from the weights.

    Neither torch nor an exported model is needed. With ``"int8"`` the matrices of linear maps are stored in 8 bits, a
    scale for each row, and what is multiplied with them is rounded as it comes, a scale for each 192 or 128 numbers of
    a token (Dettmers et al. 2022, "LLM.int8()", section 2.1, with smaller groups).

    Args:
        network: what to build.
        weights: by the names that the network uses.
        threads: how many threads it may use.
        precision: of the products: ``"f32"``, ``"bf16"`` or ``"int8"``.
        max_length: tokens that a text has at most.

    Raises:
        SettingError: the processor cannot run the network in that precision.
    """

    name = "openvino"

    def __init__(
        self, network: Architecture, weights: Weights, *, threads: int, precision: str, max_length: int
    ) -> None:
        self.precision = precision
        self.tile = TILE if precision == "bf16" else 1
        rounded = precision == "int8"
        if rounded and not flags() & VNNI:  # OpenVINO would crash, or be wrong in silence
            raise SettingError(
                "this processor has no instructions for 8-bit products (VNNI)",
                allowed="f32 runs anywhere",
                advice="leave precision open",
            )
        settings = {
            "INFERENCE_PRECISION_HINT": "f32" if rounded else precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # other work of this process shares the cores
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _group(network) if rounded else 0,
        }
        blocks = Blocks(weights, max_length, precision)
        model, core = blocks.model(network.build(blocks), type(network).__name__), load_openvino().Core()
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


def _group(network: Architecture) -> int:
    widths = (network.hidden_size, network.intermediate_size)
    return next((group for group in GROUPS if all(width % group == 0 for width in widths)), GROUPS[-1])
