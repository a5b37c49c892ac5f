import logging
import warnings
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

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


def restore(network: Any, graph: Graph) -> None:
    """Give a ``torch.nn.Module`` the weights that it had when it was exported; it is in evaluation mode afterwards.

    Raises:
        KeyError: the graph lacks a weight: it is of another network, or in whole numbers.

    >>> import torch
    >>> first, second = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    >>> restore(second, export(first, {"x": torch.zeros(2, 2)}, ["y"], {"x": {0: "rows"}}))
    >>> bool((first.weight == second.weight).all())
    True
    """
    import torch

    served = graph.weights()
    state = network.state_dict()
    for name, value in state.items():
        if name in served:
            state[name] = torch.from_numpy(np.array(served[name], np.float32)).reshape(value.shape)
        elif name.endswith("bias"):
            state[name] = torch.zeros_like(value)  # the exporter leaves out what adds nothing
        elif value.is_floating_point():
            raise KeyError(name)
    network.load_state_dict(state)
    network.eval()
