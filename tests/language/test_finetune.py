"""Fine-tuned encoders: what learns, what is saved, what is served without torch, and what happens when it goes wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("lightning", reason="needs the extra lm")
pytest.importorskip("transformers", reason="needs the extra lm")

from recloop.data.dataset import Dataset  # noqa: E402
from recloop.errors import ArtifactError, ConflictError, DataError, SettingError  # noqa: E402
from recloop.language import load_encoder  # noqa: E402
from recloop.language.finetune import Finetune, finetune  # noqa: E402

# of noise, not of language: it takes larger steps than a real encoder
RATES = {"full": 3e-3, "top": 5e-3, "head": 2e-2, "lora": 2e-2, "adapter": 3e-1, "prompt": 3e-1}
COLOURS, THINGS = ("red", "blue", "green"), ("shoe", "lamp", "book", "song")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "none")


@pytest.fixture
def base(write_tiny_encoder: Callable[..., Path], tmp_path: Path) -> Path:
    return write_tiny_encoder(tmp_path / "base")


def shop(users: int = 60) -> Dataset:
    """Users take things of one colour, so that colour is what makes a pair."""
    rng = np.random.default_rng(0)
    titles = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
    rows = [
        {"user": f"u{user}", "item": f"i{4 * (user % 3) + place}", "time": float(n)}
        for user in range(users)
        for n, place in enumerate(rng.permutation(4))
    ]
    items = {
        "item": [f"i{n}" for n in range(12)],
        "title": titles,
        "category": ["old warm", "new cold", "the light", "a heavy"] * 3,
    }
    return Dataset.of(pl.DataFrame(rows), pl.DataFrame(items))


def settings(base: Path, **more: Any) -> dict[str, Any]:
    usual = {"epochs": 2, "batch": 16, "precision": "f32", "learning_rate": RATES[more.get("tune", "lora")]}
    return {"encoder": str(base), "steps": 6, "recipe": usual | more.pop("recipe", {})} | more


def nearness(folder: Path) -> float:
    """How much nearer things of one colour are than others."""
    vectors = load_encoder(str(folder)).encode([f"{colour} {thing}" for colour in COLOURS for thing in THINGS])
    cosines = vectors @ vectors.T
    colour = np.repeat(np.arange(3), 4)
    same = colour[:, None] == colour[None]
    return float(cosines[same & ~np.eye(12, dtype=bool)].mean() - cosines[~same].mean())


@pytest.mark.parametrize("tune", ["full", "top", "head", "lora", "adapter", "prompt"])
def test_what_learns_moves_the_served_vectors_towards_behaviour(base: Path, tmp_path: Path, tune: str) -> None:
    done = finetune(shop(), tmp_path / "tuned", settings(base, tune=tune, layers=1, rank=4, prompts=3))
    assert 0 < done.trained <= done.weights
    assert (done.trained == done.weights) == (tune == "full")
    (stage,) = done.stages
    first, last = stage.histories[0].losses
    assert last < first
    assert stage.after > stage.before
    if tune in {"full", "head", "lora"}:
        assert stage.after > stage.before + 0.1
        assert nearness(done.folder) > nearness(base)
    assert done.fingerprint == load_encoder(str(done.folder)).fingerprint != load_encoder(str(base)).fingerprint


@pytest.mark.parametrize("tune", ["full", "lora", "adapter", "prompt", "head"])
def test_the_served_encoder_is_the_trained_one(base: Path, tmp_path: Path, tune: str) -> None:
    from recloop.language.finetune.train import Tuning
    from recloop.language.transformer import TransformerEncoder

    plan = Finetune.of(settings(base, tune=tune, rank=4))
    tuning = Tuning(shop(), plan, TransformerEncoder.load(str(base)))
    tuning.stage(0, "co-consumed")
    texts = ["red lamp", "the old songs of a lamp", ""]
    trained = tuning.encode(texts)
    served = load_encoder(str(tuning.save(tmp_path / "tuned")), precision="f32").encode(texts)
    np.testing.assert_allclose(served, trained, atol=2e-5)


def test_the_folder_has_the_layout_of_sentence_transformers(base: Path, tmp_path: Path) -> None:
    folder = finetune(shop(), tmp_path / "tuned", settings(base, tune="head")).folder
    kinds = [entry["type"].rsplit(".", 1)[1] for entry in json.loads((folder / "modules.json").read_text())]
    assert kinds == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert json.loads((folder / "2_Dense" / "config.json").read_text())["in_features"] == 32
    again = finetune(shop(), tmp_path / "again", settings(folder, tune="lora", rank=2)).folder
    assert (again / "2_Dense" / "model.safetensors").is_file()  # the head of the encoder it started from


def test_the_same_seed_gives_the_same_encoder_and_another_gives_another(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for run, seed in enumerate([1, 1, 2]):
        monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / f"cache{run}"))
        made.append(finetune(shop(), tmp_path / f"{run}", settings(base, recipe={"seed": seed})).fingerprint)
    assert made[0] == made[1] != made[2]


def test_a_killed_fine_tuning_goes_on_to_the_same_encoder(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.language.finetune.train import Tuning

    plan = settings(base, tune="lora", stages=["simcse", "co-consumed"], recipe={"epochs": 3})
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "whole"))
    whole = finetune(shop(), tmp_path / "a", plan)
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "killed"))
    loss, calls = Tuning._loss, []

    def dies(self: Tuning, batch: Any) -> Any:
        calls.append(0)
        if len(calls) == 3 + 6 + 2:  # in the second epoch of the second stage
            raise KeyboardInterrupt
        return loss(self, batch)

    monkeypatch.setattr(Tuning, "_loss", dies)
    with pytest.raises(KeyboardInterrupt):
        finetune(shop(), tmp_path / "b", plan)
    assert not (tmp_path / "b").exists()
    before = len(calls)
    monkeypatch.setattr(Tuning, "_loss", lambda self, batch: (calls.append(0), loss(self, batch))[1])
    assert finetune(shop(), tmp_path / "b", plan).fingerprint == whole.fingerprint
    assert len(calls) - before == 12  # the last two epochs of it; what was finished is not done again


def test_stages_seeds_augmentation_and_adversaries_work_together(base: Path, tmp_path: Path) -> None:
    plan = settings(
        base,
        stages=["simcse", "fields", "co-consumed"],
        tune="full",
        seeds=2,
        dropout=0.1,
        word_dropout=0.2,
        shuffle_fields=0.5,
        synonyms=0.2,
        adversarial=0.05,
        ascents=2,
        recipe={"batch": 4},
    )
    done = finetune(shop(), tmp_path / "tuned", plan)
    assert [stage.name for stage in done.stages] == ["simcse", "fields", "co-consumed"]
    assert all(len(stage.histories) == 2 and 1 <= stage.averaged <= 2 for stage in done.stages)
    assert np.isnan(done.stages[0].after)
    assert done.stages[-1].after > done.stages[-1].before


def test_strange_texts_are_learned_from(base: Path, tmp_path: Path) -> None:
    titles = ["red lamp", "red lamp", None, "🎮🕹️ 東京の夜", "\ud83d broken", "", "blue " * 25_000, "red", "new", "old"]
    events = pl.DataFrame({"user": [f"u{n % 5}" for n in range(50)], "item": [f"i{n * 7 % 10}" for n in range(50)]})
    data = Dataset.of(events, pl.DataFrame({"item": [f"i{n}" for n in range(10)]}))
    tables = data.items.with_columns(
        pl.Series("title", [None if t is None else t.replace("\ud83d", "�") for t in titles])
    )
    data = Dataset(data.events, data.item_ids, data.user_ids, tables, data.users, data.kinds)
    assert len(data.item_texts()[6]) > 100_000
    done = finetune(data, tmp_path / "tuned", settings(base, stages=["simcse", "co-consumed"], length=16))
    assert np.isfinite(load_encoder(str(done.folder)).encode(data.item_texts())).all()


def test_one_text_for_all_items_is_no_reason_to_fall(base: Path, tmp_path: Path) -> None:
    data = shop()
    same = data.items.with_columns(title=pl.lit("red lamp"), category=pl.lit("old"))
    data = Dataset(data.events, data.item_ids, data.user_ids, same, data.users, data.kinds)
    done = finetune(data, tmp_path / "tuned", settings(base))
    assert np.isfinite(load_encoder(str(done.folder)).encode(["red lamp"])).all()


def test_nothing_to_learn_from_is_said_in_a_sentence(base: Path, tmp_path: Path) -> None:
    whole = shop()
    bare = Dataset(whole.events, whole.item_ids, whole.user_ids, whole.items.select("item"), whole.users, whole.kinds)
    with pytest.raises(DataError, match="none of the 12 items has a text; fine-tuning needs a catalogue with a title"):
        finetune(bare, tmp_path / "a", settings(base))
    titles = bare.items.with_columns(title=pl.lit("red lamp"))
    one_field = Dataset(whole.events, whole.item_ids, whole.user_ids, titles, whole.users, whole.kinds)
    with pytest.raises(DataError, match="fewer than two items have a title and another text"):
        finetune(one_field, tmp_path / "b", settings(base, stages=["fields"]))
    lonely = Dataset.of(pl.DataFrame({"user": ["a", "b"], "item": ["i0", "i1"]}), whole.items)
    with pytest.raises(DataError, match="no user took two different items that have texts"):
        finetune(lonely, tmp_path / "c", settings(base))
    assert not any((tmp_path / name).exists() for name in "abc")


def test_a_loss_that_is_no_number_is_told(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recloop.language.finetune.train import Tuning

    monkeypatch.setattr(Tuning, "_loss", lambda self, batch: self.network.words(batch[0]).sum() * float("nan"))
    with pytest.raises(DataError, match="the loss became nan in the first epoch; lower learning_rate"):
        finetune(shop(), tmp_path / "tuned", settings(base, tune="full"))


def test_a_batch_that_does_not_fit_into_memory_is_told(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.language.finetune.train import Tuning

    def too_much(self: Tuning, batch: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    monkeypatch.setattr(Tuning, "_loss", too_much)
    with pytest.raises(SettingError, match=r"a batch of 16 does not fit into memory; set batch = 8; .*accumulate = 2"):
        finetune(shop(), tmp_path / "tuned", settings(base))


def test_what_cannot_be_trained_or_written_is_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("here")
    with pytest.raises(ConflictError, match="exists and is not empty"):
        finetune(shop(), tmp_path / "full", settings(base))
    (base / "config.json").write_text((base / "config.json").read_text().replace('"bert"', '"no-such-model"'))
    with pytest.raises(ArtifactError):
        finetune(shop(), tmp_path / "tuned", settings(base))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"tun": "full"}, "a fine-tuning has no setting 'tun'; Did you mean 'tune'?"),
        ({"stages": "simcse"}, r"stages is 'simcse'; it is a list"),
        ({"stages": ["simce"]}, "stages names 'simce'. Did you mean 'simcse'?"),
        ({"stages": []}, "stages is empty"),
        ({"dropout": 1.0}, "dropout is 1.0; it is a share"),
        ({"rank": 0}, "rank is 0; it must be at least 1"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"rank": "much"}, "a setting has the wrong type"),
        ({"recipe": {"epoch": 1}}, "a recipe has no setting 'epoch'"),
        ({"recipe": 3}, "recipe is 3; it is a table"),
    ],
)
def test_wrong_settings_are_told(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        Finetune.of(table)
    assert sentence.replace("; D", ". D") in str(caught.value).replace("; D", ". D")


def test_settings_come_back_from_their_table() -> None:
    made = Finetune.of({"tune": "top", "stages": ["simcse"], "recipe": {"epochs": 9}})
    assert Finetune.of(made.to_dict()) == made
    assert made.recipe.learning_rate == 1e-4
