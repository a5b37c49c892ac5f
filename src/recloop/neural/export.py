import logging
import warnings
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from recloop.neural.graph import Graph


def export(
    network: Any,
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> Graph:
    """A ``torch.nn.Module`` as a graph that runs without torch.

    Args:
        network: in evaluation mode afterwards.
        inputs: name → an example tensor, in the order of ``forward``'s arguments.
        outputs: names of what it gives.
        dynamic: input → axis → a name; axes of one name have one length.

    >>> import numpy as np, torch
    >>> network = torch.nn.Linear(2, 1)
    >>> graph = export(network, {"x": torch.zeros(2, 2)}, ["y"], {"x": {0: "rows"}})
    >>> graph.run(x=np.ones((5, 2), dtype=np.float32))[0].shape
    (5, 1)
    """
    import torch

    network = network.eval().cpu()
    axes = {name: torch.export.Dim(name) for of in dynamic.values() for name in of.values()}
    shapes = tuple({axis: axes[label] for axis, label in dynamic.get(name, {}).items()} for name in inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), TemporaryDirectory() as folder, torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network,
            tuple(value.clone() for value in inputs.values()),  # of one tensor given twice, one input would be left
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
        path = f"{folder}/network.onnx"
        program.save(path, external_data=False)
        with open(path, "rb") as file:  # noqa: PTH123
            return Graph(file.read())
