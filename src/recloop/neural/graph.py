from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import ArtifactError
from recloop.neural.extra import require_lm, require_runtime


class Graph:
    """A trained network as an ONNX graph, run by ONNX Runtime: what serves needs no training library.

    The graph is loaded on the first call. A strategy keeps ``array`` among its weights.

    Args:
        data: the bytes of an ONNX model whose weights are inside.
        threads: that one call may use.
    """

    def __init__(self, data: bytes, *, threads: int = 1) -> None:
        if data[:1] == b"\x80":  # no field of an ONNX model begins so, and every pickle since protocol 2 does
            raise ArtifactError("a network is a pickle, which runs code when it is read", advice="train again")
        self.data = data
        self.threads = threads
        self._session: Any = None

    @classmethod
    def of(cls, array: NDArray[np.uint8], *, threads: int = 1) -> "Graph":
        """The inverse of ``array``."""
        return cls(array.tobytes(), threads=threads)

    @property
    def array(self) -> NDArray[np.uint8]:
        """(bytes,) uint8, to be saved among weights."""
        return np.frombuffer(self.data, dtype=np.uint8)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names that ``run`` wants."""
        return tuple(entry.name for entry in self._loaded().get_inputs())

    def run(self, **inputs: ArrayLike) -> tuple[NDArray[Any], ...]:
        """The outputs for named inputs, in the graph's order."""
        found = self._loaded().run(None, {name: np.ascontiguousarray(value) for name, value in inputs.items()})
        return tuple(found)

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights by the names they had in the network that was exported; a linear map's as (out, into).

        The exporter turns matrices round and renames them; each is known by the bias that is added to its product. Of
        arrays that are equal it keeps one: a bias is found where it is added, whatever its name.

        Raises:
            ExtraError: the extra ``lm`` is not installed.
        """
        require_lm("reading the weights of a network")
        import onnx
        from onnx import numpy_helper

        graph = onnx.load_from_string(self.data).graph
        found: dict[str, NDArray[Any]] = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
        products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
        for node in graph.node:
            for bias, product in (node.input[:2], node.input[1::-1]) if node.op_type == "Add" else ():
                if bias.endswith(".bias") and products.get(product) in found:
                    found[bias.removesuffix("bias") + "weight"] = found[products[product]].T
            if node.op_type == "Gemm" and node.input[1].endswith(".weight"):
                found.setdefault(node.input[1].removesuffix("weight") + "bias", found[node.input[2]])
        return found

    def quantised(self) -> "Graph":
        """The same network with weights of 8 bits and activations that are rounded as they come.

        Weights use 7 of the 8 bits: processors without VNNI add products of 8 bits in 16, which overflow in silence.

        Raises:
            ExtraError: the extra ``lm`` is not installed.
        """
        require_lm("quantising a network")
        import logging
        from tempfile import TemporaryDirectory

        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        model = onnx.load_from_string(self.data)
        del model.graph.value_info[:]  # shapes of weights that quantising turns round
        with TemporaryDirectory() as folder:
            before, after = f"{folder}/f32.onnx", f"{folder}/int8.onnx"
            onnx.save(model, before)
            advising = logging.getLogger().level
            logging.getLogger().setLevel(logging.ERROR)  # it advises, on the root logger, what the exporter has done
            try:
                quantize_dynamic(before, after, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
            finally:
                logging.getLogger().setLevel(advising)
            with open(after, "rb") as file:  # noqa: PTH123
                return Graph(file.read(), threads=self.threads)

    def _loaded(self) -> Any:
        if self._session is None:
            require_runtime("a trained network")
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            try:
                self._session = onnxruntime.InferenceSession(self.data, options, providers=["CPUExecutionProvider"])
            except Exception as error:  # ONNX Runtime has no common base of its errors
                raise ArtifactError(
                    f"a network cannot be loaded ({type(error).__name__})",
                    advice="train again, or roll back to another release",
                ) from error
        return self._session
