"""What a BERT checkpoint says about itself, and its weights as arrays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError

_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "F64": np.dtype("<f8"),
    "BF16": np.dtype("<u2"),
}


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The shape of a BERT encoder (Devlin et al. 2019, "BERT", section 3), as its ``config.json`` gives it."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    max_positions: int
    vocabulary: int
    layer_norm_eps: float

    @property
    def parameters_per_token(self) -> int:
        """Weights that each token is multiplied with: twice as many operations are the floor of encoding it."""
        return self.layers * (4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size)

    @classmethod
    def read(cls, path: Path) -> "BertConfig":
        """The configuration in a file.

        Raises:
            ArtifactError: the file is damaged, or describes another architecture.
        """
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            config = cls(
                hidden_size=int(given["hidden_size"]),
                intermediate_size=int(given["intermediate_size"]),
                layers=int(given["num_hidden_layers"]),
                heads=int(given["num_attention_heads"]),
                max_positions=int(given["max_position_embeddings"]),
                vocabulary=int(given["vocab_size"]),
                layer_norm_eps=float(given.get("layer_norm_eps", 1e-12)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{path} is no configuration of a BERT model ({error})", advice="download the model again"
            ) from error
        wanted = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
        for name, value in wanted.items():
            if given.get(name, value) != value:
                raise ArtifactError(
                    f"{path} says {name} = {given[name]!r}",
                    allowed=f"this door takes {name} = {value!r}",
                    advice="choose a BERT model, or register your own encoder (entry point group recloop.encoders)",
                )
        return config


def read_weights(path: Path, config: BertConfig) -> dict[str, NDArray[np.float32]]:
    """Name → float32 array, with the names of a bare encoder.

    Raises:
        ArtifactError: the file is damaged, or a tensor is missing or of another shape.
    """
    from safetensors import SafetensorError, deserialize

    try:
        stored: dict[str, dict[str, Any]] = dict(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
        floats = {name: _array(tensor) for name, tensor in stored.items() if tensor["dtype"] in _DTYPES}
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtifactError(f"{path} holds no readable weights ({error})", advice="download the model again") from error
    weights = {name.removeprefix("bert."): array for name, array in floats.items()}
    for name, shape in _shapes(config).items():
        if name not in weights or weights[name].shape != shape:
            found = f"has shape {weights[name].shape}" if name in weights else "is missing"
            raise ArtifactError(
                f"{path}: tensor {name} {found}",
                allowed=f"its shape is to be {shape}",
                advice="download the model again",
            )
    return weights


def _array(tensor: Mapping[str, Any]) -> NDArray[np.float32]:
    raw: NDArray[Any] = np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    if tensor["dtype"] == "BF16":  # the upper half of a float32
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32, copy=False)


def _shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    hidden, wide = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocabulary, hidden),
        "embeddings.position_embeddings.weight": (config.max_positions, hidden),
        **{f"embeddings.LayerNorm.{part}": (hidden,) for part in ("weight", "bias")},
    }
    for layer in range(config.layers):
        for name, (out, into) in {
            "attention.self.query": (hidden, hidden),
            "attention.self.key": (hidden, hidden),
            "attention.self.value": (hidden, hidden),
            "attention.output.dense": (hidden, hidden),
            "intermediate.dense": (wide, hidden),
            "output.dense": (hidden, wide),
        }.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (out, into)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (out,)
        for name in ("attention.output", "output"):
            for part in ("weight", "bias"):
                shapes[f"encoder.layer.{layer}.{name}.LayerNorm.{part}"] = (hidden,)
    return shapes
