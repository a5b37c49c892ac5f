"""Each network that recloop builds by itself answers what the same weights answer in torch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recloop.errors import ArtifactError
from recloop.language import load_encoder
from recloop.language.architecture import FAMILIES, read_architecture
from recloop.language.processor import VNNI, flags

torch = pytest.importorskip("torch", reason="the extra 'lm' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'lm' is not installed")

SMALL = {"hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 21}
BERT = SMALL | {"max_position_embeddings": 200}
DECODER = SMALL | {"max_position_embeddings": 200, "num_key_value_heads": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", BERT),
    "bert, tanh GELU, one segment": ("Bert", BERT | {"hidden_act": "gelu_new", "type_vocab_size": 1}),
    "bert, ReLU": ("Bert", BERT | {"hidden_act": "relu", "layer_norm_eps": 1e-5}),
    "electra": ("Electra", BERT | {"embedding_size": 32}),
    "electra, narrow words": ("Electra", BERT | {"embedding_size": 16}),
    "roberta": ("Roberta", BERT | {"type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}),
    "xlm-roberta": ("XLMRoberta", BERT | {"type_vocab_size": 1, "pad_token_id": 1}),
    "camembert": ("Camembert", BERT | {"type_vocab_size": 1, "pad_token_id": 1}),
    "distilbert": (
        "DistilBert",
        {"dim": 32, "hidden_dim": 56, "n_layers": 2, "n_heads": 4, "vocab_size": 21, "max_position_embeddings": 200},
    ),
    "mpnet": ("MPNet", BERT),
    "modernbert": (
        "ModernBert",
        BERT
        | {"local_attention": 12, "num_hidden_layers": 5, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
        | {"bos_token_id": 2, "eos_token_id": 3},
    ),
    "llama": ("Llama", DECODER),
    "llama, all biases, keys not shared": (
        "Llama",
        DECODER | {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4, "head_dim": 10},
    ),
    "llama 3.1": (
        "Llama",
        DECODER
        | {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "llama, linear": (
        "Llama",
        DECODER | {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}},
    ),
    "mistral": ("Mistral", DECODER | {"head_dim": 16, "sliding_window": None}),
    "qwen2": ("Qwen2", DECODER),
    "qwen3": ("Qwen3", DECODER | {"head_dim": 24, "num_key_value_heads": 1}),
}
TEXTS = ["a red shoe", "the old lamp of the new song", "books", "warm light " * 70, ""]


@pytest.fixture
def saved(model_folder: Callable[..., Path]) -> Callable[[str], tuple[Path, Any]]:
    """A folder with random weights of a case, and the same network in torch."""

    def save(case: str) -> tuple[Path, Any]:
        name, settings = CASES[case]
        folder = model_folder("net")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            config = getattr(transformers, f"{name}Config")(**settings)
            network = getattr(transformers, f"{name}Model")(config).eval()
            for parameter in network.parameters():  # as it comes, gains are 1 and shifts 0
                torch.nn.init.normal_(parameter, parameter.mean().item(), 0.25)
        network.save_pretrained(folder)
        return folder, network

    return save


def hidden(network: Any, ids: list[int]) -> np.ndarray:
    """(length, hidden) for one text alone."""
    with torch.no_grad():
        return network(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.mark.parametrize("case", CASES)
def test_every_token_is_as_in_torch(saved: Callable[[str], tuple[Path, Any]], case: str) -> None:
    folder, network = saved(case)
    encoder = load_encoder(str(folder), precision="f32")
    tokens = [encoding.ids for encoding in encoder.tokenizer.encode_batch(TEXTS)]
    ids = np.zeros((len(TEXTS), max(map(len, tokens))), np.int32)
    mask = np.zeros(ids.shape, np.float32)
    for row, text in enumerate(tokens):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    found = encoder.engine.hidden(ids, mask)
    assert found.shape == (*ids.shape, encoder.network.hidden_size)
    for row, text in enumerate(tokens):
        wanted = hidden(network, text)
        np.testing.assert_allclose(found[row, : len(text)], wanted, atol=2e-4 * np.abs(wanted).max())
        assert cosines(found[row, : len(text)], wanted).min() > 0.99999
    ours, texts = encoder.encode(TEXTS), [hidden(network, text) for text in tokens]
    last = case.split(",", maxsplit=1)[0].split(maxsplit=1)[0] in {"llama", "mistral", "qwen2", "qwen3"}
    pooled = np.stack([text[-1] if last else text.mean(axis=0) for text in texts])
    assert cosines(ours, pooled).min() > 0.99999
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


@pytest.mark.skipif("amx_bf16" not in flags(), reason="this processor has no matrix units for bfloat16")
@pytest.mark.parametrize("case", ["bert", "mpnet", "modernbert", "llama 3.1", "qwen3"])
def test_bfloat16_stays_near(saved: Callable[[str], tuple[Path, Any]], case: str) -> None:
    folder, _ = saved(case)
    exact = load_encoder(str(folder), precision="f32").encode(TEXTS)
    assert (load_encoder(str(folder), precision="bf16").encode(TEXTS) * exact).sum(axis=1).min() > 0.998


@pytest.mark.skipif(not flags() & VNNI, reason="this processor has no instructions for 8-bit products")
@pytest.mark.parametrize("case", ["bert", "mpnet", "modernbert", "qwen3"])
def test_eight_bits_stay_near(saved: Callable[[str], tuple[Path, Any]], case: str) -> None:
    folder, _ = saved(case)
    exact = load_encoder(str(folder), precision="f32").encode(TEXTS)
    rounded = load_encoder(str(folder), precision="int8")
    assert rounded.fingerprint != load_encoder(str(folder), precision="f32").fingerprint
    assert (rounded.encode(TEXTS) * exact).sum(axis=1).min() > 0.99


def test_every_family_is_tried() -> None:
    tried = {getattr(transformers, f"{name}Config").model_type for name, _ in CASES.values()}
    assert tried == set(FAMILIES)


def test_weights_in_several_files_and_inside_another_network(
    saved: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    folder, network = saved("qwen3")
    wanted = load_encoder(str(folder), precision="f32").encode(TEXTS)
    digest = load_encoder(str(folder)).files.digest
    (folder / "model.safetensors").unlink()
    outer = transformers.Qwen3ForCausalLM(network.config).eval()
    outer.model.load_state_dict(network.state_dict())
    outer.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    parted = load_encoder(str(folder), precision="f32")
    np.testing.assert_allclose(parted.encode(TEXTS), wanted, atol=1e-6)
    assert parted.files.digest != digest
    next(folder.glob("model-00002*")).unlink()
    with pytest.raises(ArtifactError, match=r"lacks model-00002-of-.*; download the model again\."):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model_type": "t5"}, "says model_type = 't5'. Valid: bert, camembert"),
        ({"model_type": "mpnett"}, "Did you mean 'mpnet'?"),
        ({"model_type": "llama"}, "is no configuration of a llama model that can be built ('num_attention_heads')"),
        (
            DECODER | {"model_type": "qwen2", "rope_scaling": {"type": "yarn", "factor": 4.0}},
            "rope_type = 'yarn'; 'default', 'linear' or 'llama3' is needed",
        ),
        (BERT | {"model_type": "bert", "hidden_act": "mish"}, "hidden_act = 'mish'; one of gelu, gelu_new"),
        (BERT | {"model_type": "bert", "position_embedding_type": "relative_key"}, "'absolute' is needed"),
        (BERT | {"model_type": "roberta", "pad_token_id": 0}, "pad_token_id = 0; 1 is needed"),
    ],
)
def test_networks_that_are_not_built(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(given))
    with pytest.raises(ArtifactError) as caught:
        read_architecture(tmp_path / "config.json")
    assert said in str(caught.value)
