"""How fast text becomes vectors: texts per CPU second, against BERT in plain NumPy and the arithmetic floor.

    python benchmarks/encoding.py [--texts 2000] [--json]

Titles of about 16 tokens, one thread, CPU seconds of this process. The floor is the time that the multiplications of
the network would take at the rate of NumPy's float32 matrix product, measured in the same run; an engine with bfloat16
units may be faster than that.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from recloop.language import load_encoder
from recloop.language.bert import read_weights
from recloop.language.files import WEIGHTS
from recloop.language.transformer import TransformerEncoder, batches

ADJECTIVES = [
    "light",
    "heavy",
    "warm",
    "soft",
    "folding",
    "waterproof",
    "wooden",
    "steel",
    "linen",
    "organic",
    "wireless",
    "compact",
]
THINGS = [
    "lamp",
    "shoe",
    "jacket",
    "drill",
    "tent",
    "guitar",
    "kettle",
    "novel",
    "backpack",
    "monitor",
    "chair",
    "puzzle",
]
PARTS = (
    "with two batteries and a charger|for beginners and advanced users|in grey and dark blue|made of recycled material"
)


def titles(n: int) -> list[str]:
    """Distinct product titles, about 16 tokens each."""
    rng = np.random.default_rng(0)
    a, b, c, d = (rng.integers(size, size=n) for size in (len(ADJECTIVES), len(ADJECTIVES), len(THINGS), 4))
    parts = PARTS.split("|")
    return [f"{ADJECTIVES[a[i]]} {ADJECTIVES[b[i]]} {THINGS[c[i]]} {parts[d[i]]}, model {i}" for i in range(n)]


def erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz & Stegun 1964, formula 7.1.26: within 1.5e-7, and all NumPy."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - poly * np.exp(-x * x))


class NumpyEngine:
    """The same network in plain NumPy, in batches: what one gets without any engine."""

    name, precision = "numpy", "f32"

    def __init__(self, encoder: TransformerEncoder) -> None:
        self.config = encoder.config
        self.weights = read_weights(encoder.files.path(WEIGHTS), encoder.config)

    def hidden(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        W, c = self.weights, self.config
        n, length = ids.shape

        def linear(x, name):
            return x @ W[f"{name}.weight"].T + W[f"{name}.bias"]

        def norm(x, name):
            x = x - x.mean(axis=-1, keepdims=True)
            x /= np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + np.float32(c.layer_norm_eps))
            return x * W[f"{name}.weight"] + W[f"{name}.bias"]

        def heads(x):
            return x.reshape(n, length, c.heads, -1).transpose(0, 2, 1, 3)

        positions = (
            W["embeddings.position_embeddings.weight"][:length] + W["embeddings.token_type_embeddings.weight"][0]
        )
        x = norm(W["embeddings.word_embeddings.weight"][ids] + positions, "embeddings.LayerNorm")
        padding = ((mask - 1) * np.float32(1e9))[:, None, None]
        for layer in range(c.layers):
            at = f"encoder.layer.{layer}"
            q, k, v = (heads(linear(x, f"{at}.attention.self.{name}")) for name in ("query", "key", "value"))
            near = q @ k.transpose(0, 1, 3, 2) * np.float32((c.hidden_size // c.heads) ** -0.5) + padding
            near = np.exp(near - near.max(axis=-1, keepdims=True))
            near /= near.sum(axis=-1, keepdims=True)
            seen = (near @ v).transpose(0, 2, 1, 3).reshape(n, length, -1)
            x = norm(x + linear(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
            wide = linear(x, f"{at}.intermediate.dense")
            wide *= np.float32(0.5) * (1 + erf(wide * np.float32(2**-0.5)))
            x = norm(x + linear(wide, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        return x


def cpu(work, repeats: int = 3) -> float:
    """CPU seconds of the quickest of a few runs."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def product_rate() -> float:
    """Multiply-adds per CPU second of NumPy's float32 matrix product at the shapes of the network."""
    a, b = np.ones((1024, 384), np.float32), np.ones((384, 1536), np.float32)
    return a.shape[0] * b.shape[0] * b.shape[1] * 20 / cpu(lambda: [a @ b for _ in range(20)])


def measure(n: int) -> dict:
    texts = titles(n)
    truth = load_encoder(threads=1, precision="f32")
    assert isinstance(truth, TransformerEncoder)
    tokens = [encoding.ids for encoding in truth.tokenizer.encode_batch_fast(texts)]
    real = sum(map(len, tokens))
    padded = sum(ids.size for _, ids, _ in batches(tokens))
    floor = real * truth.config.parameters_per_token / product_rate()
    exact = truth.encode(texts)
    found = {
        "texts": n,
        "tokens_per_text": round(real / n, 1),
        "padding": round(padded / real - 1, 3),
        "chosen": f"openvino {load_encoder(threads=1).precision}",
        "floor_texts_per_cpu_second": round(n / floor),
        "engines": {},
    }
    for name, precision in (("numpy f32", "f32"), ("openvino f32", "f32"), ("openvino bf16", "bf16")):
        encoder = load_encoder(threads=1, precision=precision)
        if name.startswith("numpy"):
            encoder.engine = NumpyEngine(encoder)
        start = time.process_time()
        encoder.encode(texts[:1])
        ready = time.process_time() - start
        encoder.encode(texts)  # shapes are met once before they are timed
        seconds = cpu(lambda encoder=encoder: encoder.encode(texts))
        one = cpu(lambda encoder=encoder: [encoder.encode([text]) for text in texts[:100]]) / 100
        cosine = (encoder.encode(texts) * exact).sum(axis=1)
        found["engines"][name] = {
            "texts_per_cpu_second": round(n / seconds),
            "ms_for_one_text": round(1000 * one, 2),
            "seconds_to_first_text": round(ready, 2),
            "least_cosine_to_f32": round(float(cosine.min()), 5),
            "times_numpy": 1.0,
            "times_floor": round(floor / seconds, 2),
        }
    base = found["engines"]["numpy f32"]["texts_per_cpu_second"]
    for row in found["engines"].values():
        row["times_numpy"] = round(row["texts_per_cpu_second"] / base, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.texts)
    if given.json:
        print(json.dumps(found, indent=2))
        return
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    print(f"{found['texts']:,} titles of {found['tokens_per_text']} tokens, padding {found['padding']:.0%}, one thread")
    print(f"processor with AMX: {'amx_bf16' in flags}; chosen engine: {found['chosen']}")
    print(f"float32 products alone: {found['floor_texts_per_cpu_second']:,} texts per CPU second")
    head = ("engine", "texts/CPU s", "x numpy", "x floor", "ms for one", "s to first", "least cosine")
    print("{:<15}{:>12}{:>9}{:>9}{:>12}{:>12}{:>14}".format(*head))
    for name, row in found["engines"].items():
        print(
            f"{name:<15}{row['texts_per_cpu_second']:>12,}{row['times_numpy']:>9.2f}{row['times_floor']:>9.2f}"
            f"{row['ms_for_one_text']:>12.2f}{row['seconds_to_first_text']:>12.2f}{row['least_cosine_to_f32']:>14.5f}"
        )


if __name__ == "__main__":
    main()
