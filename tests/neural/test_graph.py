"""Exported networks: the same numbers without torch, in whole numbers, and their weights by name."""

import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("onnxscript", reason="needs the extra lm")
pytest.importorskip("onnxruntime", reason="needs the extra text")

from recloop.errors import ArtifactError  # noqa: E402
from recloop.neural.export import export  # noqa: E402
from recloop.neural.graph import Graph  # noqa: E402


class Network(torch.nn.Module):
    """Products of two kinds in a graph: of tables (one matrix each) and of rows (Gemm)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(50, 16)
        self.inner, self.out = torch.nn.Linear(16, 24), torch.nn.Linear(24, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.inner(self.words(ids))).mean(dim=1))


@pytest.fixture(scope="module")
def network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network()


@pytest.fixture(scope="module")
def graph(network: Network) -> Graph:
    axes = {"ids": {0: "n", 1: "length"}}
    return export(network, {"ids": torch.ones(2, 4, dtype=torch.int64)}, ["out"], axes)


IDS = np.random.default_rng(0).integers(50, size=(7, 5))


def test_a_graph_gives_what_the_network_gives(network: Network, graph: Graph) -> None:
    with torch.no_grad():
        wanted = network(torch.from_numpy(IDS)).numpy()
    np.testing.assert_allclose(graph.run(ids=IDS)[0], wanted, atol=1e-6)
    assert graph.inputs == ("ids",)
    np.testing.assert_array_equal(Graph.of(graph.array).run(ids=IDS)[0], graph.run(ids=IDS)[0])


def test_whole_numbers_are_smaller_and_near(graph: Graph) -> None:
    level = logging.getLogger().level
    small = graph.quantised()
    assert logging.getLogger().level == level
    assert np.abs(small.run(ids=IDS)[0] - graph.run(ids=IDS)[0]).max() < 0.01  # on any processor
    weights = {name: value.dtype for name, value in small.weights().items()}
    assert np.dtype("int8") in weights.values()


def test_weights_are_found_by_the_names_of_the_network(network: Network, graph: Graph) -> None:
    found = graph.weights()
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(found[name], value.numpy(), err_msg=name)


def test_biases_that_are_equal_are_found_by_both_names() -> None:
    """The exporter keeps one of two equal arrays."""

    class Twins(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = torch.nn.Linear(4, 1), torch.nn.Linear(3, 1)
            with torch.no_grad():
                self.left.bias.fill_(0.25)
                self.right.bias.fill_(0.25)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.left(x) + self.right(y)

    axes = {"x": {0: "n"}, "y": {0: "n"}}
    found = export(Twins(), {"x": torch.zeros(2, 4), "y": torch.zeros(2, 3)}, ["sum"], axes).weights()
    assert found["left.bias"] == found["right.bias"] == np.float32(0.25)


def test_bytes_that_are_no_graph_are_told() -> None:
    with pytest.raises(ArtifactError, match="a network cannot be loaded"):
        Graph(b"nothing").run(x=np.zeros(1))
