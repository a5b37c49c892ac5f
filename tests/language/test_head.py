"""From tokens to the vector of a text: poolings, maps behind them, and prompts before the text."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from recloop.errors import ArtifactError, SettingError
from recloop.language import load_encoder
from recloop.language.head import POOLINGS, Dense, Head

spec = importlib.util.spec_from_file_location("numpy_bert", Path(__file__).with_name("numpy_bert.py"))
numpy_bert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(numpy_bert)

IDS = [2, 4, 5, 10, 14, 3]  # [CLS] a red shoe ##s [SEP]
TEXTS = ["a red shoes", "the old lamp of the new warm book", "a"]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def pooled(hidden: np.ndarray, name: str) -> np.ndarray:
    """By the documentation of sentence-transformers, for one text without padding."""
    n = len(hidden)
    weights = np.arange(1, n + 1)[:, None]
    return {
        "cls": lambda: hidden[0],
        "max": lambda: hidden.max(axis=0),
        "mean": lambda: hidden.mean(axis=0),
        "mean_sqrt_len_tokens": lambda: hidden.sum(axis=0) / np.sqrt(n),
        "weightedmean": lambda: (weights * hidden).sum(axis=0) / weights.sum(),
        "lasttoken": lambda: hidden[-1],
    }[name]()


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("style", ["2024", "older"])
def test_poolings(model_folder: Callable[..., Path], name: str, style: str) -> None:
    folder = model_folder()
    old = {mode: key == name for key, (mode, _) in POOLINGS.items()}
    write(
        folder, "1_Pooling/config.json", old if style == "older" else {"pooling_mode": name, "embedding_dimension": 24}
    )
    wanted = unit(pooled(numpy_bert.last_hidden(folder, IDS), name))
    np.testing.assert_allclose(load_encoder(str(folder), precision="f32").encode(TEXTS)[0], wanted, atol=1e-5)


def test_several_poolings_are_joined(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True})
    encoder = load_encoder(str(folder), precision="f32")
    hidden = numpy_bert.last_hidden(folder, IDS)
    assert encoder.dimension == 48
    wanted = unit(np.concatenate([hidden[0], hidden.mean(axis=0)]))
    np.testing.assert_allclose(encoder.encode(TEXTS)[0], wanted, atol=1e-5)


MODULES = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    {"path": "3_Dense", "type": "sentence_transformers.sentence_transformer.modules.dense.Dense"},
    {"path": "4_Dense", "type": "sentence_transformers.models.Dense"},
    {"path": "5_Normalize", "type": "sentence_transformers.models.Normalize"},
]


def dense(folder: Path, name: str, into: int, out: int, activation: str, *, bias: bool = True) -> Dense:
    rng = np.random.default_rng(out)
    tensors = {"linear.weight": rng.normal(size=(out, into)).astype(np.float32)}
    if bias:
        tensors["linear.bias"] = rng.normal(size=out).astype(np.float32)
    write(folder, f"{name}/config.json", {"activation_function": f"torch.nn.modules.activation.{activation}"})
    save_file(tensors, folder / name / "model.safetensors")
    return Dense(tensors["linear.weight"], tensors.get("linear.bias", np.zeros(out, np.float32)), activation)


def test_maps_behind_the_pooling(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    write(folder, "modules.json", MODULES)
    write(folder, "1_Pooling/config.json", {"pooling_mode": "mean"})
    first, second = dense(folder, "3_Dense", 24, 10, "Tanh"), dense(folder, "4_Dense", 10, 7, "Identity", bias=False)
    encoder = load_encoder(str(folder), precision="f32")
    assert encoder.dimension == 7
    start = unit(numpy_bert.last_hidden(folder, IDS).mean(axis=0))
    middle = np.tanh(first.matrix @ start + first.shift)
    np.testing.assert_allclose(encoder.encode(TEXTS)[0], unit(second.matrix @ middle), atol=1e-5)
    with pytest.raises(SettingError, match="the head of the encoder has 2 maps, one with Tanh; only one linear map"):
        _ = encoder.head.linear
    before = encoder.fingerprint
    dense(folder, "3_Dense", 24, 10, "ReLU")
    assert load_encoder(str(folder), precision="f32").fingerprint != before


def test_one_linear_map_can_be_trained() -> None:
    one = Dense(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    assert Head(("mean",)).linear is None
    assert Head(("mean",), steps=(one, None)).linear[0] is one.matrix
    assert Head(("cls", "mean"), steps=(one,)).width(99) == 3 and Head(("cls", "mean")).width(4) == 8


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("modules.json", {"a": 1}, "is no list of modules"),
        (
            "modules.json",
            [{"path": "0_T", "type": "x.Transformer"}],
            "lists Transformer in '0_T' as module 0; a Transf",
        ),
        ("modules.json", [MODULES[0], {"path": "1_LSTM", "type": "x.LSTM"}], "lists LSTM in '1_LSTM' as module 1"),
        ("modules.json", [MODULES[0], {"path": "../up", "type": "x.Dense"}], "lists Dense in '../up' as module 1"),
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "asks for median; poolings are cls, max, mean,"),
        ("1_Pooling/config.json", [], "holds no object"),
        ("config_sentence_transformers.json", {"prompts": {"query": 3}}, "holds prompts that are no texts"),
    ],
)
def test_heads_that_cannot_be_read(model_folder: Callable[..., Path], name: str, content: object, said: str) -> None:
    folder = model_folder()
    write(folder, name, content)
    with pytest.raises(ArtifactError) as caught:
        load_encoder(str(folder))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("into", "activation", "said"),
    [(23, "Tanh", "holds a map of shape (5, 23) with the activation Tanh; it must read 24"), (24, "Mish", "Mish")],
)
def test_maps_that_do_not_fit(model_folder: Callable[..., Path], into: int, activation: str, said: str) -> None:
    folder = model_folder()
    dense(folder, "2_Dense", into, 5, activation)
    with pytest.raises(ArtifactError) as caught:
        load_encoder(str(folder))
    assert said in str(caught.value)


def test_prompts_stand_before_every_text(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    prompts = {"prompts": {"query": "red ", "passage": ""}, "default_prompt_name": None}
    write(folder, "config_sentence_transformers.json", prompts)
    plain = load_encoder(str(folder), precision="f32")
    wanted = plain.encode(["red lamp", "red a book"])
    named = load_encoder(str(folder), precision="f32", prompt="query")
    np.testing.assert_allclose(named.encode(["lamp", "a book"]), wanted, atol=1e-6)
    literal = load_encoder(str(folder), precision="f32", prompt="red ")
    np.testing.assert_allclose(literal.encode(["lamp"]), wanted[:1], atol=1e-6)
    assert len({plain.fingerprint, named.fingerprint}) == 2
    assert load_encoder(str(folder), precision="f32", prompt="passage").fingerprint == plain.fingerprint
    with pytest.raises(SettingError) as caught:
        load_encoder(str(folder), prompt="qeury")
    assert str(caught.value) == (
        "'tiny' has no prompt named 'qeury'; Did you mean 'query'? Valid: passage, query. "
        "A prompt of your own is a text with a space or a colon, such as 'query: '."
    ).replace("; Did", ". Did")
    write(folder, "config_sentence_transformers.json", prompts | {"default_prompt_name": "query"})
    np.testing.assert_allclose(load_encoder(str(folder), precision="f32").encode(["lamp"]), wanted[:1], atol=1e-6)


def test_a_prompt_may_stay_out_of_the_mean(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    write(folder, "1_Pooling/config.json", {"pooling_mode": "mean", "include_prompt": False})
    encoder = load_encoder(str(folder), precision="f32", prompt="the old ")
    ids = encoder.tokenizer.encode("the old red lamp").ids  # [CLS] the old red lamp [SEP]
    wanted = unit(numpy_bert.last_hidden(folder, ids)[3:].mean(axis=0))
    np.testing.assert_allclose(encoder.encode(["red lamp", "a"])[0], wanted, atol=1e-5)


def test_a_text_of_a_hundred_thousand_characters_costs_as_one_that_is_read_whole(
    model_folder: Callable[..., Path],
) -> None:
    encoder = load_encoder(str(model_folder()), precision="f32")
    seen: list[int] = []

    class Watch:
        def __init__(self, inner: object) -> None:
            self.inner = inner

        def encode_batch_fast(self, texts: list[str]) -> object:
            seen.extend(map(len, texts))
            return self.inner.encode_batch_fast(texts)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    encoder.tokenizer = Watch(encoder.tokenizer)
    found = encoder.encode(["red lamp " * 12_000, "red lamp " * 100])
    assert max(seen) == 32 * 64
    np.testing.assert_array_equal(found[0], found[1])
