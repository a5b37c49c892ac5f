"""A tiny BERT made of noise, and a cache that leaves the home of the user alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino", reason="the extra 'text' is not installed")

from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "red",
    "blue",
    "green",
    "warm",
    "cold",
    "shoe",
    "lamp",
    "book",
    "song",
    "##s",
    "light",
    "heavy",
    "old",
    "new",
    "the",
    "of",
]
SHAPE = {"hidden": 24, "wide": 40, "layers": 2, "heads": 3, "positions": 32}


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECLOOP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def write_model(folder: Path, seed: int = 0, **config: Any) -> Path:
    """A complete model of random weights in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    h, w = SHAPE["hidden"], SHAPE["wide"]

    def noise(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    tensors = {
        "embeddings.word_embeddings.weight": noise(len(WORDS), h),
        "embeddings.position_embeddings.weight": noise(SHAPE["positions"], h),
        "embeddings.token_type_embeddings.weight": noise(2, h),
        "embeddings.LayerNorm.weight": 1 + noise(h),
        "embeddings.LayerNorm.bias": noise(h),
    }
    for layer in range(SHAPE["layers"]):
        at = f"encoder.layer.{layer}"
        for name, (out, into) in {
            "attention.self.query": (h, h),
            "attention.self.key": (h, h),
            "attention.self.value": (h, h),
            "attention.output.dense": (h, h),
            "intermediate.dense": (w, h),
            "output.dense": (h, w),
        }.items():
            tensors[f"{at}.{name}.weight"] = noise(out, into)
            tensors[f"{at}.{name}.bias"] = noise(out)
        for name in ("attention.output", "output"):
            tensors[f"{at}.{name}.LayerNorm.weight"] = 1 + noise(h)
            tensors[f"{at}.{name}.LayerNorm.bias"] = noise(h)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "bert",
                "hidden_act": "gelu",
                "hidden_size": h,
                "intermediate_size": w,
                "num_hidden_layers": SHAPE["layers"],
                "num_attention_heads": SHAPE["heads"],
                "max_position_embeddings": SHAPE["positions"],
                "vocab_size": len(WORDS),
                "layer_norm_eps": 1e-12,
            }
            | config
        )
    )
    tokenizer = Tokenizer(WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with a tiny model; arguments go into its config.json."""
    return lambda name="tiny", **config: write_model(tmp_path / name, **config)
