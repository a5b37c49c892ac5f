"""The ranker of candidates: its laws, what it learns, how sure it is, and that it is served without torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("onnxscript", reason="needs the extra lm")
pytest.importorskip("openvino", reason="needs the extra text")

from recloop.data.dataset import Dataset  # noqa: E402
from recloop.strategies.lm_ranker.calibration import Calibration, expected_calibration_error  # noqa: E402
from recloop.strategies.lm_ranker.strategy import LmRanker  # noqa: E402
from recloop.testing.strategy import StrategyContract, small_shop  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "none")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path):
    TestVectors.settings["encoder"] = str(tiny_encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECLOOP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class TestVectors(StrategyContract):
    make = LmRanker
    settings: ClassVar[dict[str, Any]] = {"candidates": 10, "epochs": 2, "width": 8}


def fit(tiny_encoder: Path, data: Dataset | None = None, **settings: Any) -> LmRanker:
    usual = {"encoder": str(tiny_encoder), "candidates": 10, "epochs": 2, "width": 8, "length": 8, "events": 4}
    return LmRanker(**{**usual, **settings}).fit(data or small_shop())


@pytest.mark.parametrize(
    "settings",
    [{"reads": "texts", "tune": "full"}, {"reads": "texts", "tune": "lora"}, {"reads": "vectors", "tune": "top"}],
    ids=lambda settings: " ".join(settings.values()),
)
def test_the_encoder_may_learn_too(settings: dict[str, str], tiny_encoder: Path, tmp_path: Path) -> None:
    data = small_shop()
    strategy = fit(tiny_encoder, data, **settings)
    scores = strategy.score(data.histories())
    assert np.isfinite(scores).all()
    assert ((scores > 0).sum(axis=1) == 10).all()  # candidates have probabilities, all others follow below 0
    assert scores.max() < 1
    strategy.save(tmp_path / "model")
    np.testing.assert_array_equal(LmRanker.load(tmp_path / "model").score(data.histories()), scores)
    one = np.concatenate([strategy.score(data.histories().block(row, row + 1)) for row in range(5)])
    np.testing.assert_allclose(one, scores[:5], atol=1e-4)


def test_students_are_smaller_and_answer_like_their_teacher(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.strategies.lm_ranker import student

    monkeypatch.setattr(student, "STEPS", 10)
    monkeypatch.setattr(student, "EPOCHS", 4)
    data = small_shop()
    strategy = fit(tiny_encoder, data, reads="texts", tune="full", epochs=3)
    histories = data.histories()
    lists = strategy._lists(strategy._base._score(histories), histories)
    served = strategy._logits(lists, histories, np.arange(20))
    teacher = student.teacher_of(strategy)
    assert strategy._graph is not None
    ids = np.random.default_rng(0).integers(5, 20, size=(3, 6))
    given = {
        "ids": ids,
        "mask": np.array([[1] * 6, [1] * 6, [1] * 4 + [0] * 2]),
        "context": np.zeros((3, 5), np.float32),
    }
    with torch.no_grad():
        trained = teacher(*map(torch.from_numpy, given.values())).numpy()
    # what is served is what was trained, down to differences between texts, which are small beside the base's score
    np.testing.assert_allclose(strategy._graph.run(**given)[0], trained, atol=0.01 * np.ptp(trained))
    again = teacher.graph()
    for name, value in strategy._graph.weights().items():
        if name.endswith("weight"):
            np.testing.assert_allclose(again.weights()[name], value, atol=1e-6, err_msg=name)
    tried = list(strategy.compressed(data))
    assert [smaller.form for smaller in tried] == ["int6", "int8"] * 4 + ["f16"]  # two students, the teacher, itself
    sizes = []
    for place, smaller in enumerate(tried[1:6:2]):
        smaller.save(tmp_path / f"{place}")
        sizes.append(len(smaller._graph.data))  # type: ignore[union-attr]
        logits = smaller._logits(lists, histories, np.arange(20))
        assert np.corrcoef(logits.ravel(), served.ravel())[0, 1] > 0.9
    assert sizes[0] < sizes[2] < len(strategy._graph.data)
    assert tried[0]._tokens is not None
    assert strategy._tokens is not None
    assert tried[0]._tokens.tokens.max() < strategy._tokens.tokens.max()  # words of no item are gone


def test_the_tokens_of_a_pair_stand_in_order() -> None:
    from recloop.data.histories import Histories
    from recloop.strategies.lm_ranker.pairs_of_texts import ItemTokens

    tokens = ItemTokens(np.array([10, 11, 12, 13, 14, 15], np.int32), np.array([0, 1, 3, 3, 6]), first=2, between=3)
    histories = Histories.of([[0, 1, 3], [2], []], 4)
    ids, mask = tokens.pairs(histories, np.array([0, 0, 1, 2]), np.array([1, 2, 3, 0]), events=2)
    assert [row[: int(length)].tolist() for row, length in zip(ids, mask.sum(axis=1), strict=True)] == [
        [2, 13, 14, 15, 11, 12, 3, 11, 12, 3],  # the newest of the history first; item 2 has no text
        [2, 13, 14, 15, 11, 12, 3, 3],
        [2, 3, 13, 14, 15, 3],
        [2, 3, 10, 3],
    ]
    assert (ids[mask == 0] == 0).all()


def test_it_learns_what_the_base_strategy_cannot_see(tiny_encoder: Path) -> None:
    """Which of two equally popular items follows is said by the titles alone."""
    data = small_shop(users=200, items=120, length=8)
    strategy = fit(tiny_encoder, data, base="popular", candidates=60, epochs=15, learning_rate=0.01, batch=16)
    rows, own = data.histories(), data.items["category"].to_numpy()
    ranked = strategy.rank(rows, 5).items
    taste = [own[rows.items[a:b]] for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)]
    usual = [max(set(names), key=list(names).count) for names in taste]
    share = np.mean([(own[items] == name).mean() for items, name in zip(ranked, usual, strict=True)])
    plain = fit(tiny_encoder, data, base="popular", candidates=60, epochs=1, learning_rate=1e-8)
    base = np.mean([(own[items] == name).mean() for items, name in zip(plain.rank(rows, 5).items, usual, strict=True)])
    assert share > base + 0.1


def test_ratings_are_foretold(tiny_encoder: Path) -> None:
    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(40), 12), np.concatenate([rng.permutation(30)[:12] for _ in range(40)])
    liked = (item % 2) == (user % 2)
    value = np.clip(2.0 + 2 * liked + rng.normal(0, 0.3, len(item)), 1, 5)
    events = pl.DataFrame({"user": user, "item": item, "kind": "rating", "value": value, "time": np.arange(len(item))})
    titles = pl.DataFrame({"item": range(30), "title": [f"{('red', 'blue')[n % 2]} lamp" for n in range(30)]})
    data = Dataset.of(events, titles)
    for loss in ("mse", "nmsle"):
        strategy = fit(tiny_encoder, data, base="item-knn", rating_loss=loss, epochs=10)
        items = np.tile(np.array([[0, 1, -1]], np.int32), (data.n_users, 1))
        found = strategy.predict(data.histories(), items)
        assert np.isnan(found[:, 2]).all()
        assert ((found[:, :2] >= 1) & (found[:, :2] <= 5)).all()
        even = np.array([int(name) % 2 == 0 for name in data.user_ids.ids])
        first = int(data.item_ids[0]) % 2 == 0
        assert (found[even == first, 0].mean() - found[even != first, 0].mean()) > 1


def test_what_it_knows_of_itself(tiny_encoder: Path) -> None:
    strategy = fit(tiny_encoder, small_shop(users=200), epochs=5)
    told = strategy.calibration
    assert told.rows > 50
    assert 0 <= told.after < 0.2
    assert told.slope > 0


def test_calibration_undoes_a_shift_and_keeps_the_order() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1.5, (400, 10))
    labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(np.float32)
    found = Calibration.of(logits, labels)
    assert found.slope == pytest.approx(0.5, abs=0.1)
    assert found.shift == pytest.approx(-1, abs=0.15)
    assert found.after < 0.03 < found.before
    assert (np.diff(found(np.linspace(-5, 5, 50))) > 0).all()
    assert Calibration.of(logits[:2], labels[:2]) == Calibration()
    assert np.isnan(Calibration.of(logits, np.zeros_like(labels)).after)


def test_scores_that_tell_the_contrary_become_the_rate_of_clicks_in_their_order() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((400, 8)) < 0.125).astype(np.float32)
    logits = 2 - 0.5 * labels + rng.normal(size=labels.shape).astype(np.float32)
    found = Calibration.of(logits, labels)
    p = found(logits)
    assert p.mean() == pytest.approx(labels.mean(), abs=0.01)
    assert found.after < 0.08
    assert found.before > 0.5
    np.testing.assert_array_equal(np.argsort(p.ravel(), kind="stable"), np.argsort(logits.ravel(), kind="stable"))
    assert str(found).startswith("expected calibration error 0.")


def test_calibration_error_is_the_gap_in_equal_bins() -> None:
    p, y = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    assert expected_calibration_error(p, y, bins=2) == pytest.approx(0.15)
    assert expected_calibration_error(p, y, bins=1) == pytest.approx(0.0)


def test_a_log_without_anything_to_learn_from_follows_its_base(tiny_encoder: Path) -> None:
    data = Dataset.of(pl.DataFrame({"user": ["a", "b", "c"], "item": ["x", "x", "y"]}), small_titles())
    strategy = fit(tiny_encoder, data, base="popular")
    assert strategy.rank(data.histories(), 2, hide_seen=False).items[0].tolist() == [0, 1]
    assert strategy.score(data.histories()).max() <= -1


def small_titles() -> pl.DataFrame:
    return pl.DataFrame({"item": ["x", "y"], "title": ["red lamp", "🎮 東京"]})


def test_serving_needs_no_torch(tiny_encoder: Path, tmp_path: Path) -> None:
    data = small_shop()
    strategy = fit(tiny_encoder, data, reads="texts", tune="top", epochs=1)
    strategy.save(tmp_path / "model")
    data.items.write_parquet(tmp_path / "items.parquet")
    code = (
        "import sys; from pathlib import Path; from recloop.strategies import load; from recloop.types import Event, Request;"
        f"strategy = load(Path({str(tmp_path / 'model')!r}));"
        "slate = strategy.recommend([Request(history=(Event('u', 'i1', 'view'),), k=3)])[0];"
        "assert len(slate.items) == 3 and 0 < slate.items[0].score < 1;"
        "assert not {'torch', 'transformers', 'lightning', 'tokenizers'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
