"""How fast text becomes vectors: texts per CPU second, against sentence-transformers as it comes and plain NumPy.

    python benchmarks/encoding.py [--texts 1000] [--rounds 5] [--isa AVX512_CORE_VNNI] [--json]

Titles of about 16 tokens, one thread, CPU seconds: of some rounds, in each of which all engines take their turn, the
quickest of each. ``--isa`` forbids newer instructions than it names, for everybody in the run: without AMX
(``AVX512_CORE_VNNI``), without VNNI too (``AVX2``). The floor is the time that the multiplications of the network would
take at the rate of NumPy's float32 matrix product, measured in the same run.

sentence-transformers needs torch and another environment. Name its interpreter to see it in the same run:

    python -m venv /somewhere && /somewhere/bin/pip install torch sentence-transformers
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/encoding.py

It reads the same files and is asked as its documentation asks it: ``SentenceTransformer(folder).encode(texts)``. ONNX
Runtime stands in the table where the extra ``lm`` is installed, which exports the network; it knows no ``--isa``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from recloop.language import load_encoder
from recloop.language.processor import fastest_precision, flags
from recloop.language.transformer import TransformerEncoder, batches
from recloop.language.weights import Weights

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
    return [f"{ADJECTIVES[a[i]]} {ADJECTIVES[b[i]]} {THINGS[c[i]]} {parts[d[i]]}, model {i} on sale" for i in range(n)]


def erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz & Stegun 1964, formula 7.1.26: within 1.5e-7, and all NumPy."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - poly * np.exp(-x * x))


class NumpyEngine:
    """The same network in plain NumPy, in batches: what one gets without any engine."""

    name, precision, tile = "numpy", "f32", 1

    def __init__(self, encoder: TransformerEncoder) -> None:
        self.network = encoder.network
        self.weights = dict(Weights(encoder.files.weights).below(encoder.network.anchor))

    def hidden(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        W, c = self.weights, self.network
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


# ---- sentence-transformers, in a process of its own


PEER = """
import json, sys, time
folder, texts, vectors = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3]
import numpy as np, torch
torch.set_num_threads(1)
from sentence_transformers import SentenceTransformer, __version__
model = SentenceTransformer(folder, device="cpu", local_files_only=True)
np.save(vectors, model.encode(texts))
print(json.dumps([__version__, torch.__version__]), flush=True)
for line in sys.stdin:
    n = int(line)
    start = time.process_time()
    if n:
        model.encode(texts[:n])
    else:
        [model.encode([text]) for text in texts[:50]]
    print(time.process_time() - start, flush=True)
"""


class Peer:
    """Answers how many CPU seconds it needs."""

    def __init__(self, python: str, folder: Path, texts: list[str]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        given, self.vectors = Path(self.folder.name) / "texts.json", Path(self.folder.name) / "vectors.npy"
        given.write_text(json.dumps(texts))
        words = [python, "-W", "ignore", "-c", PEER, str(folder), str(given), str(self.vectors)]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.versions = json.loads(self.process.stdout.readline())

    def ask(self, n: int) -> float:
        """CPU seconds for n texts together; 0: for each of 50 alone."""
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


# ---- ONNX Runtime, exported from torch


class OnnxEngine:
    """The same network in ONNX Runtime."""

    name, tile = "onnxruntime", 1

    def __init__(self, encoder: TransformerEncoder, precision: str) -> None:
        import torch
        import transformers

        from recloop.neural.export import export

        transformers.utils.logging.disable_progress_bar()
        network = transformers.AutoModel.from_pretrained(str(encoder.files.folder), attn_implementation="eager").eval()

        class Hidden(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = network

            def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                return self.network(input_ids=ids, attention_mask=mask).last_hidden_state

        ids = torch.ones((2, 8), dtype=torch.int64)
        axes = {name: {0: "n", 1: "length"} for name in ("ids", "mask")}
        graph = export(Hidden(), {"ids": ids, "mask": ids.clone()}, ["hidden"], axes)
        self.precision = precision
        self.graph = graph.quantised() if precision == "int8" else graph

    def hidden(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return self.graph.run(ids=ids.astype(np.int64), mask=mask.astype(np.int64))[0]


# ---- the run


def cpu(work) -> float:
    """CPU seconds of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def product_rate() -> float:
    """Multiply-adds per CPU second of NumPy's float32 matrix product at the shapes of the network."""
    a, b = np.ones((1024, 384), np.float32), np.ones((384, 1536), np.float32)
    return a.shape[0] * b.shape[0] * b.shape[1] * 20 / min(cpu(lambda: [a @ b for _ in range(20)]) for _ in range(3))


def engines() -> dict[str, TransformerEncoder]:
    """Name → encoder, those that can run here."""
    found = {}
    for precision in ("f32", "bf16", "int8"):
        if precision == "f32" or (flags() and (precision == "int8" or "amx_bf16" in flags())):
            found[f"openvino {precision}"] = load_encoder(threads=1, precision=precision)
    found["numpy f32"] = load_encoder(threads=1, precision="f32")
    found["numpy f32"].engine = NumpyEngine(found["numpy f32"])
    try:
        for precision in ("f32", "int8"):
            encoder = load_encoder(threads=1, precision="f32")
            encoder.engine = OnnxEngine(encoder, precision)
            found[f"onnxruntime {precision}"] = encoder
    except ImportError:
        print("ONNX Runtime is left out: the extra 'lm' is not installed", file=sys.stderr)
    return found


def measure(n: int, rounds: int) -> dict:
    texts = titles(n)
    exact = load_encoder(threads=1, precision="f32")
    tokens = [encoding.ids for encoding in exact.tokenizer.encode_batch_fast(texts)]
    real = sum(map(len, tokens))
    floor = real * exact.network.parameters_per_token / product_rate()
    ours = engines()
    truth = exact.encode(texts)
    cosines = {name: (encoder.encode(texts) * truth).sum(axis=1) for name, encoder in ours.items()}
    peer = Peer(os.environ["RECLOOP_PEERS"], exact.files.folder, texts) if "RECLOOP_PEERS" in os.environ else None
    many: dict[str, list[float]] = {}
    one: dict[str, list[float]] = {}
    if peer:
        cosines["sentence-transformers"] = (np.load(peer.vectors) * truth).sum(axis=1)
    for _ in range(rounds):
        for name, encoder in ours.items():
            many.setdefault(name, []).append(cpu(lambda encoder=encoder: encoder.encode(texts)))
            alone = cpu(lambda encoder=encoder: [encoder.encode([text]) for text in texts[:50]])
            one.setdefault(name, []).append(alone)
        if peer:
            many.setdefault("sentence-transformers", []).append(peer.ask(n))
            one.setdefault("sentence-transformers", []).append(peer.ask(0))
    found = {
        "texts": n,
        "tokens_per_text": round(real / n, 1),
        "padding": round(sum(ids.size for _, ids, _ in batches(tokens, exact.engine.tile)) / real - 1, 3),
        "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", "all"),
        "flags": sorted(flags()),
        "chosen": f"openvino {fastest_precision(flags())}",
        "peer": peer.versions if peer else None,
        "floor_texts_per_cpu_second": round(n / floor),
        "engines": {},
    }
    if peer:
        peer.close()
    base = "sentence-transformers" if peer else "numpy f32"
    for name, seconds in many.items():
        found["engines"][name] = {
            "texts_per_cpu_second": round(n / min(seconds)),
            "times_base": round(min(many[base]) / min(seconds), 2),
            "median_times_base": round(float(np.median(np.array(many[base]) / seconds)), 2),
            "ms_for_one_text": round(1000 * min(one[name]) / 50, 2),
            "least_cosine_to_f32": round(float(cosines[name].min()), 5),
            "times_floor": round(floor / min(seconds), 2),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--isa", help="forbid newer instructions: AVX512_CORE_VNNI, AVX2_VNNI, AVX2")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.isa and os.environ.get("ONEDNN_MAX_CPU_ISA") != given.isa:
        mkl = "AVX512" if given.isa.startswith("AVX512") else "AVX2"
        narrow = {"ONEDNN_MAX_CPU_ISA": given.isa, "MKL_ENABLE_INSTRUCTIONS": mkl}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env={**os.environ, **narrow}).returncode)
    found = measure(given.texts, given.rounds)
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['texts']:,} titles of {found['tokens_per_text']} tokens, padding {found['padding']:.0%}, one thread")
    print(f"instructions: {found['isa']} ({', '.join(found['flags']) or 'no matrix units'}); chosen: {found['chosen']}")
    if found["peer"]:
        print("sentence-transformers {} on torch {}".format(*found["peer"]))
    print(f"float32 products alone: {found['floor_texts_per_cpu_second']:,} texts per CPU second")
    base = "x sent.-tr." if found["peer"] else "x numpy"
    print(
        "{:<24}{:>12}{:>12}{:>9}{:>12}{:>14}".format(
            "engine", "texts/CPU s", base, "x floor", "ms for one", "least cosine"
        )
    )
    for name, row in found["engines"].items():
        print(
            f"{name:<24}{row['texts_per_cpu_second']:>12,}{row['times_base']:>12.2f}{row['times_floor']:>9.2f}"
            f"{row['ms_for_one_text']:>12.2f}{row['least_cosine_to_f32']:>14.5f}"
        )


if __name__ == "__main__":
    main()
