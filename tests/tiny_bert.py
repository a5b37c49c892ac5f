"""A BERT of two layers made of noise, small enough to train in a test, that reads the words of the tests' shops."""

import json
from pathlib import Path

import numpy as np

WIDTH, INNER, LAYERS, HEADS, PLACES = 32, 48, 2, 4, 64
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] crime comedy space war story quiet new a red blue green warm cold old the light heavy "
    "shoe lamp book song of . " + " ".join("abcdefghijklmnopqrstuvwxyz0123456789"[1:])
).split()
PIECES = [*WORDS, *(f"##{sign}" for sign in "abcdefghijklmnopqrstuvwxyz0123456789")]


def write(folder: Path, seed: int = 0) -> Path:
    """``config.json``, ``tokenizer.json`` and ``model.safetensors``. Texts differ by their words more than by nothing."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)

    def noise(*shape: int, size: float = 0.06) -> np.ndarray:
        return rng.normal(0, size, shape).astype(np.float32)

    tensors = {
        "embeddings.word_embeddings.weight": noise(len(PIECES), WIDTH, size=0.3),
        "embeddings.position_embeddings.weight": noise(PLACES, WIDTH),
        "embeddings.token_type_embeddings.weight": noise(2, WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        norms += [f"{at}.attention.output.LayerNorm", f"{at}.output.LayerNorm"]
        for name, (out, into) in {
            "attention.self.query": (WIDTH, WIDTH),
            "attention.self.key": (WIDTH, WIDTH),
            "attention.self.value": (WIDTH, WIDTH),
            "attention.output.dense": (WIDTH, WIDTH),
            "intermediate.dense": (INNER, WIDTH),
            "output.dense": (WIDTH, INNER),
        }.items():
            tensors[f"{at}.{name}.weight"], tensors[f"{at}.{name}.bias"] = noise(out, into), noise(out)
    for name in norms:
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = 1 + noise(WIDTH), noise(WIDTH)
    save_file(tensors, folder / "model.safetensors")
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": PLACES,
        "vocab_size": len(PIECES),
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(WordPiece({word: i for i, word in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
