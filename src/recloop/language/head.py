"""From the vectors of tokens to the vector of a text: pooling, and what sentence-transformers puts behind it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError, SettingError
from recloop.language.files import DENSE_CONFIG, MODULES, POOLING, EncoderFiles
from recloop.language.weights import Weights

Array = NDArray[np.float32]


def _mean(hidden: Array, mask: Array) -> Array:
    mean: Array = (mask[:, None] @ hidden)[:, 0] / _count(mask)
    return mean


def _mean_sqrt(hidden: Array, mask: Array) -> Array:
    mean: Array = ((mask[:, None] @ hidden)[:, 0] / np.sqrt(_count(mask))).astype(np.float32, copy=False)
    return mean


def _weighted(hidden: Array, mask: Array) -> Array:
    return _mean(hidden, mask * np.arange(1, mask.shape[1] + 1, dtype=np.float32))


def _max(hidden: Array, mask: Array) -> Array:
    top: Array = np.where(mask[..., None] > 0, hidden, np.float32(-1e9)).max(axis=1)
    return top


def _first(hidden: Array, mask: Array) -> Array:
    first: Array = hidden[np.arange(len(mask)), mask.argmax(axis=1)]
    return first


def _last(hidden: Array, mask: Array) -> Array:
    last: Array = hidden[np.arange(len(mask)), mask.shape[1] - 1 - (mask[:, ::-1] > 0).argmax(axis=1)]
    return last


def _count(mask: Array) -> Array:
    count: Array = np.maximum(mask.sum(axis=1, keepdims=True), np.float32(1e-9))
    return count


# In the order in which sentence-transformers joins them where there are several; the name of 2024 and the older one.
POOLINGS: Mapping[str, tuple[str, Callable[[Array, Array], Array]]] = {
    "cls": ("pooling_mode_cls_token", _first),
    "max": ("pooling_mode_max_tokens", _max),
    "mean": ("pooling_mode_mean_tokens", _mean),
    "mean_sqrt_len_tokens": ("pooling_mode_mean_sqrt_len_tokens", _mean_sqrt),
    "weightedmean": ("pooling_mode_weightedmean_tokens", _weighted),
    "lasttoken": ("pooling_mode_lasttoken", _last),
}
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A linear map of a text's vector, and an activation.

    Attributes:
        matrix: (out, into) float32.
        shift: (out,) float32.
        activation: one of ``ACTIVATIONS``.
    """

    matrix: Array
    shift: Array
    activation: str = "Identity"

    def __call__(self, vectors: Array) -> Array:
        """(n, into) → (n, out)."""
        return ACTIVATIONS[self.activation](vectors @ self.matrix.T + self.shift)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What turns the tokens of a text into its vector.

    Attributes:
        poolings: one or several of ``POOLINGS``; several are joined.
        prompt_counts: whether the tokens of a prompt are pooled, too.
        steps: what follows; None is bringing to length 1.
    """

    poolings: tuple[str, ...]
    prompt_counts: bool = True
    steps: tuple[Dense | None, ...] = ()

    def __call__(self, hidden: Array, mask: Array) -> Array:
        """(n, length, hidden_size) and (n, length) → (n, d), rows of length 1.

        >>> hidden, mask = np.array([[[3.0, 0], [5, 4], [9, 9]]], np.float32), np.array([[1, 1, 0]], np.float32)
        >>> Head(("mean",))(hidden, mask).round(2).tolist(), Head(("lasttoken",))(hidden, mask).round(2).tolist()
        ([[0.8899999856948853, 0.44999998807907104]], [[0.7799999713897705, 0.6200000047683716]])
        """
        pooled = [POOLINGS[name][1](hidden, mask) for name in self.poolings]
        vectors: Array = pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1)
        for step in (*self.steps, None):
            vectors = _unit(vectors) if step is None else step(vectors)
        return vectors

    def width(self, hidden_size: int) -> int:
        """The length of a vector."""
        maps = [step for step in self.steps if step is not None]
        return len(maps[-1].shift) if maps else hidden_size * len(self.poolings)

    @property
    def linear(self) -> tuple[Array, Array] | None:
        """The one linear map, as (out, into) matrix and (out,) shift; None where there is none.

        Raises:
            SettingError: there are several, or one has an activation.
        """
        maps = [step for step in self.steps if step is not None]
        if len(maps) > 1 or any(step.activation != "Identity" for step in maps):
            raise SettingError(
                f"the head of the encoder has {len(maps)} maps"
                + "".join(f", one with {step.activation}" for step in maps if step.activation != "Identity"),
                allowed="only one linear map without an activation can be trained",
                advice="choose another encoder",
            )
        return (maps[0].matrix, maps[0].shift) if maps else None


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = (vectors / np.maximum(length, 1e-12)).astype(np.float32, copy=False)
    return unit


def read_head(files: EncoderFiles, hidden_size: int, *, causal: bool) -> Head:
    """The head that ``modules.json`` lists; without that file, what ``1_Pooling`` and ``2_Dense`` say.

    Args:
        files: of the encoder.
        hidden_size: of a token's vector.
        causal: where nothing tells the pooling, it is the mean, or the last token of a network that looks back only.

    Raises:
        ArtifactError: a file is damaged, or asks for something that recloop does not have.
    """
    default: tuple[str, ...] = ("lasttoken",) if causal else ("mean",)
    poolings, prompt_counts = default, True
    steps: list[Dense | None] = []
    for kind, folder in _modules(files):
        if kind == "Pooling":
            poolings, prompt_counts = _pooling(folder / "config.json", default)
        elif kind == "Dense":
            steps.append(_dense(folder, Head(poolings, steps=tuple(steps)).width(hidden_size)))
        elif kind == "Normalize":
            steps.append(None)
    return Head(poolings, prompt_counts, tuple(steps))


def _modules(files: EncoderFiles) -> list[tuple[str, Path]]:
    path = files.path(MODULES)
    if not path.is_file():
        there = [("Pooling", POOLING), ("Dense", DENSE_CONFIG)]
        return [(kind, files.path(name).parent) for kind, name in there if files.path(name).is_file()]
    try:
        listed = [
            (str(entry["type"]).rpartition(".")[2], str(entry["path"])) for entry in json.loads(path.read_text("utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is no list of modules ({error})", advice="download the model again") from error
    for place, (kind, where) in enumerate(listed):
        known = ("Pooling", "Dense", "Normalize") if place else ("Transformer",)
        if kind not in known or (not place and where not in {"", "."}) or Path(where).is_absolute() or ".." in where:
            raise ArtifactError(
                f"{path} lists {kind} in '{where}' as module {place}",
                allowed="a Transformer in the folder itself, then Pooling, Dense and Normalize",
                advice="choose another model, or register your own encoder (entry point group recloop.encoders)",
            )
    return [(kind, files.path(where)) for kind, where in listed[1:]]


def _pooling(path: Path, default: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    given = read_json(path)
    named = given.get("pooling_mode")
    if named is None:
        olds = {old: new for new, (old, _) in POOLINGS.items()}
        asked = [name for name, on in given.items() if name.startswith("pooling_mode_") and on is True]
        chosen = {olds.get(name, name) for name in asked}
    else:
        chosen = {named} if isinstance(named, str) else set(named)
    if not chosen <= set(POOLINGS):
        raise ArtifactError(
            f"{path} asks for {' and '.join(sorted(map(str, chosen - set(POOLINGS))))}",
            allowed=f"poolings are {', '.join(POOLINGS)}",
        )
    return tuple(name for name in POOLINGS if name in chosen) or default, bool(given.get("include_prompt", True))


def _dense(folder: Path, into: int) -> Dense:
    config, path = folder / "config.json", folder / "model.safetensors"
    activation = str(read_json(config).get("activation_function", "Identity")).rpartition(".")[2]
    weights = Weights([path])
    matrix = weights["linear.weight"] if "linear.weight" in weights else np.empty((0, 0), np.float32)
    if activation not in ACTIVATIONS or matrix.ndim != 2 or matrix.shape[1] != into or not len(matrix):
        raise ArtifactError(
            f"{folder} holds a map of shape {matrix.shape} with the activation {activation}",
            allowed=f"it must read {into} numbers; activations are {', '.join(ACTIVATIONS)}",
        )
    shift = weights["linear.bias"] if "linear.bias" in weights else np.zeros(len(matrix), np.float32)
    return Dense(matrix, shift, activation)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ArtifactError: there is none.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error})", advice="download the model again") from error
    if not isinstance(given, dict):
        raise ArtifactError(f"{path} holds no object", advice="download the model again")
    return given
