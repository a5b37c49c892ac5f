"""BERT in plain NumPy, written from the paper, with a reader of safetensors of its own: the oracle of the encoder."""

import json
from math import erf
from pathlib import Path

import numpy as np


def read(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    body = raw[8 + size :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"]).astype(np.float64)
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def last_hidden(folder: Path, ids: list[int]) -> np.ndarray:
    """(length, hidden) float64 for one text, without batching or padding."""
    config, W = json.loads((folder / "config.json").read_text()), read(folder / "model.safetensors")

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + config["layer_norm_eps"])
        return (x - x.mean(axis=-1, keepdims=True)) / spread * W[f"{name}.weight"] + W[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ W[f"{name}.weight"].T + W[f"{name}.bias"]

    x = W["embeddings.word_embeddings.weight"][ids] + W["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + W["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")
    width = config["hidden_size"] // config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        Q, K, V = (linear(x, f"{at}.attention.self.{name}") for name in ("query", "key", "value"))
        seen = np.empty_like(x)
        for head in range(config["num_attention_heads"]):
            part = slice(head * width, (head + 1) * width)
            near = np.exp(Q[:, part] @ K[:, part].T / np.sqrt(width))
            seen[:, part] = near / near.sum(axis=1, keepdims=True) @ V[:, part]
        x = norm(x + linear(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        wide = linear(x, f"{at}.intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
        x = norm(x + linear(wide, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    return x


def sentence(folder: Path, ids: list[int], pooling: str = "mean") -> np.ndarray:
    tokens = last_hidden(folder, ids)
    pooled = tokens.mean(axis=0) if pooling == "mean" else tokens[0]
    return pooled / np.linalg.norm(pooled)
