"""Students of an encoder: smaller, near their teacher, and read by everybody who reads encoders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("transformers", reason="needs the extra lm")
pytest.importorskip("lightning", reason="needs the extra lm")

from recloop.errors import ConflictError, DataError, SettingError  # noqa: E402
from recloop.language import load_encoder  # noqa: E402
from recloop.language.compress import Student, distil  # noqa: E402
from recloop.neural.recipe import Recipe  # noqa: E402

TEXTS = [
    f"{first} {second} {third}"
    for first in ("the", "a", "old", "new")
    for second in ("red", "blue", "green", "warm", "cold")
    for third in ("shoe", "lamp", "book", "song", "light")
]
RECIPE = Recipe(epochs=6, batch=16, learning_rate=5e-3, precision="f32")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "none")


def near(one: Path, other: Path, texts: list[str]) -> float:
    a, b = (load_encoder(str(folder), precision="f32").encode(texts) for folder in (one, other))
    return float((a * b).sum(axis=1).mean())


def test_a_student_is_smaller_and_near_its_teacher(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = Student(encoder=str(tiny_encoder), layers=1, inner=0.5, length=16, recipe=RECIPE)
    done = distil(TEXTS, tmp_path / "student", settings)
    assert done.weights < 0.6 * done.teacher_weights
    assert done.cosine == pytest.approx(max(done.history.validations))
    assert done.history.validations[-1] > done.history.validations[0]
    assert near(tiny_encoder, done.folder, TEXTS[:50]) > 0.95
    small, large = (load_encoder(str(folder)) for folder in (done.folder, tiny_encoder))
    assert small.dimension == large.dimension
    assert small.fingerprint != large.fingerprint
    assert np.isfinite(small.encode(["words that no text had: crime 42", "🎮", ""])).all()


def test_nothing_taken_out_says_the_same(tiny_encoder: Path, tmp_path: Path) -> None:
    still = Recipe(epochs=1, batch=16, learning_rate=1e-12, precision="f32", weight_decay=0)
    settings = Student(encoder=str(tiny_encoder), layers=2, length=16, recipe=still)
    folder = distil(TEXTS, tmp_path / "same", settings).folder
    assert near(tiny_encoder, folder, TEXTS) > 0.99999  # words were cut, and others took their numbers


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_heads_and_inner_units_that_are_nothing_are_the_ones_taken_out(tiny_encoder: Path, share: float) -> None:
    from recloop.language.compress.prune import keep_heads, keep_inner
    from recloop.language.finetune.network import SentenceNetwork, layers_of, load_model

    model = load_model(tiny_encoder, "tiny")
    kept, width = round(4 * share), 8
    for layer in layers_of(model):
        for matrix in (layer.attention.self.value, layer.intermediate.dense):
            count = kept * width if matrix is layer.attention.self.value else round(share * 48)
            matrix.weight.data[: len(matrix.weight) - count] = 0
            matrix.bias.data[: len(matrix.weight) - count] = 0
    network = SentenceNetwork(model, "mean").eval()
    ids, mask = torch.tensor([[2, 5, 9, 3], [2, 7, 3, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        before = network(network.words(ids), mask)
        keep_heads(model, share)
        keep_inner(model, share)
        after = network(network.words(ids), mask)
    assert layers_of(model)[0].attention.self.query.out_features == kept * width
    assert layers_of(model)[0].intermediate.dense.out_features == round(share * 48)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-5)


def test_what_cannot_be_distilled_is_told(
    tiny_encoder: Path, tmp_path: Path, write_tiny_encoder: Callable[..., Path]
) -> None:
    with pytest.raises(DataError, match="1 different texts were given; a student needs at least 2"):
        distil(["red", "red", " "], tmp_path / "a", Student(encoder=str(tiny_encoder)))
    with pytest.raises(SettingError, match="layers is 3; the encoder has 1 to 2 layers to keep"):
        distil(TEXTS, tmp_path / "b", Student(encoder=str(tiny_encoder), layers=3))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(ConflictError, match="exists and is not empty"):
        distil(TEXTS, tmp_path / "full", Student(encoder=str(tiny_encoder), layers=1))
    with pytest.raises(SettingError, match=r"inner is 0; it is a share"):
        Student(inner=0)
    folder = write_tiny_encoder(tmp_path / "bytes")
    text = (folder / "tokenizer.json").read_text().replace('"WordPiece"', '"BPE"')
    (folder / "tokenizer.json").write_text(text)
    from recloop.language.compress.words import cut_words

    with pytest.raises(SettingError, match="only the words of a WordPiece tokenizer can be cut"):
        cut_words(folder / "tokenizer.json", tmp_path / "out.json", TEXTS, 16)
