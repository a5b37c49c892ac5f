"""The sequence transformer: what it learns, what it reads, and that it is served without the library that trained it."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")

from recloop.compose import SlateConfig  # noqa: E402
from recloop.data.dataset import Dataset  # noqa: E402
from recloop.data.histories import Histories  # noqa: E402
from recloop.errors import ArtifactError, ExtraError, SettingError  # noqa: E402
from recloop.loop.release import build_release  # noqa: E402
from recloop.neural import extra  # noqa: E402
from recloop.strategies.content import Content  # noqa: E402
from recloop.strategies.popular import Popular  # noqa: E402
from recloop.strategies.sequence import loss as losses  # noqa: E402
from recloop.strategies.sequence.loss import gbce, sampled_softmax, softmax  # noqa: E402
from recloop.strategies.sequence.network import Transformer, text_start  # noqa: E402
from recloop.strategies.sequence.strategy import SequenceTransformer  # noqa: E402
from recloop.strategies.sequence.validation import hold_out, ndcg  # noqa: E402
from recloop.strategies.sequence.windows import Windows, gap_classes  # noqa: E402
from recloop.strategies.transfer import Transfer  # noqa: E402
from recloop.testing import StrategyContract  # noqa: E402
from recloop.testing.strategy import small_shop  # noqa: E402
from recloop.types import Event, Request  # noqa: E402

SMALL = {"width": 16, "blocks": 1, "window": 8, "epochs": 2, "batch": 128, "dropout": 0.0}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "none")


class TestSequence(StrategyContract):
    make = SequenceTransformer
    settings = SMALL


class TestSequenceFromText(StrategyContract):
    make = SequenceTransformer
    settings: ClassVar = {**SMALL, "items_from": "text"}


def circle(users: int = 200, items: int = 12, length: int = 9, *, times: bool = False, skip: str = "") -> Dataset:
    """After item i comes i + 1; with times, after a long pause comes i + 2."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(users):
        item, time = int(rng.integers(items)), 0.0
        for _ in range(length):
            rows.append((f"u{user}", f"{skip}{item}", time))
            pause = bool(rng.integers(2)) if times else False
            item = (item + (2 if pause else 1)) % items
            time += 100_000.0 if pause else 10.0
    names = {"user": str, "item": str} | ({"time": float} if times else {})
    return Dataset.of(pl.DataFrame([row[: len(names)] for row in rows], schema=list(names), orient="row"))


def test_it_learns_what_comes_next() -> None:
    data = circle()
    learned = SequenceTransformer(**{**SMALL, "epochs": 25, "learning_rate": 0.01}).fit(data)
    for first in range(12):
        history = tuple(Event("x", str((first + step) % 12), "click") for step in range(4))
        slate = learned.recommend([Request(history=history, k=1)])[0]
        assert slate.ids == (str((first + 4) % 12),)


def test_the_validation_decides_what_is_kept() -> None:
    learned = SequenceTransformer(**{**SMALL, "epochs": 4}).fit(circle())
    kept, asked, truth = hold_out(circle().histories(), learned.held_out, learned.seed)
    assert len(asked) == 20 == len(truth)
    assert kept.lengths.sum() == 200 * 9 - 20
    assert 0 <= ndcg(learned.score(asked), asked, truth).mean() <= 1


@pytest.mark.parametrize("loss", ["softmax", "gbce"])
def test_with_drawn_negatives_it_learns_too(loss: str) -> None:
    learned = SequenceTransformer(**{**SMALL, "epochs": 25, "learning_rate": 0.01, "loss": loss, "negatives": 6}).fit(
        circle()
    )
    _, asked, truth = hold_out(circle().histories(), 1000, 0)
    scores = learned.score(asked)
    scores[asked.rows, asked.items] = -np.inf
    assert (scores.argmax(axis=1) == truth).mean() > 0.9


def test_all_drawn_once_is_the_whole_softmax() -> None:
    torch.manual_seed(0)
    hidden, table, targets = torch.randn(5, 4), torch.randn(7, 4), torch.tensor([0, 1, 2, 3, 6])
    sampled = sampled_softmax(hidden, table, targets, torch.arange(7))
    shift = np.log(6 / 7)  # of the negatives: the correction counts 7 drawn as 6 others
    logits = hidden @ table.T + shift
    logits[torch.arange(5), targets] -= shift
    assert float(sampled) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)), rel=1e-5)
    assert float(softmax(hidden, table, targets)) > 0


@pytest.mark.parametrize("cells", [7, 20, 10_000])
def test_the_softmax_in_blocks_is_the_softmax(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CELLS", cells)
    torch.manual_seed(0)
    hidden, table = torch.randn(5, 4, requires_grad=True), torch.randn(7, 4, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 3, 6])
    wanted = torch.nn.functional.cross_entropy(hidden @ table.T, targets)
    gradients = torch.autograd.grad(3 * wanted, [hidden, table])
    found = softmax(hidden, table, targets)
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-6)
    for ours, theirs in zip(torch.autograd.grad(3 * found, [hidden, table]), gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_gbce_is_bce_where_every_item_is_a_negative() -> None:
    torch.manual_seed(0)
    hidden, table, targets = torch.randn(3, 4), torch.randn(5, 4), torch.tensor([0, 1, 2])
    found = gbce(hidden, table, targets, torch.tensor([3, 4, 3, 4]))  # as many as there are others: share 1
    positive = (hidden * table[targets]).sum(-1)
    against = hidden @ table[[3, 4, 3, 4]].T
    wanted = -(torch.log(torch.sigmoid(positive)) + torch.log(1 - torch.sigmoid(against)).sum(-1)).mean()
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


def test_the_last_place_alone_is_the_last_place_of_all() -> None:
    torch.manual_seed(1)
    transformer = Transformer(16, 2, 2, 0.3).eval()
    x = torch.randn(3, 6, 16)
    place = torch.tensor([5, 2, 0])
    with torch.no_grad():
        whole, last = transformer(x), transformer.last(x, place)
    torch.testing.assert_close(last, whole[torch.arange(3), place], rtol=1e-4, atol=1e-5)


def test_windows_cover_every_event_and_only_own_events() -> None:
    histories = Histories.of([list(range(10)), list(range(10, 13)), [13], []], n_items=14)
    windows = Windows(histories, window=4, tokens=16)
    seen: set[int] = set()
    for epoch in range(12):
        batches = list(windows.epoch(np.random.default_rng(epoch)))
        assert len(batches) == len(windows)
        for batch in batches:
            for items, places, filled in zip(batch.items, batch.places, batch.filled, strict=True):
                own = items[filled]
                assert (np.diff(own) == 1).all()
                assert len({item >= 10 for item in own}) == 1
                assert (places[filled][:-1] == np.arange(5 - len(own), 4)).all()
                seen.update(own.tolist())
    assert seen == set(range(13))


def test_gaps_start_anew_with_each_history() -> None:
    times = np.array([0.0, 3.0, 1000.0, 1001.0])
    assert gap_classes(times, np.array([0, 2, 2, 4])).tolist() == [0, 3, 0, 2]


def test_times_are_read_where_they_are_known() -> None:
    timed = SequenceTransformer(**SMALL).fit(circle(times=True))
    assert timed._gaps.shape == (32, 16)
    histories = Histories.of([[0, 1, 2]], n_items=12)
    early, late = timed.score(histories), histories.times.copy()
    late[:] = [0, 10, 100_010]
    import dataclasses

    assert not np.allclose(early, timed.score(dataclasses.replace(histories, times=late)))
    assert SequenceTransformer(**SMALL).fit(circle())._gaps.shape == (0, 16)


def test_fitted_again_on_other_data_nothing_is_left_of_the_first() -> None:
    histories = circle().histories().block(0, 4)
    twice = SequenceTransformer(**SMALL).fit(small_shop(users=20))
    twice.score(small_shop(users=20).histories())
    twice.fit(circle())
    fresh = SequenceTransformer(**SMALL)
    fresh._restore(twice._arrays())
    fresh.items = twice.items
    np.testing.assert_array_equal(twice.score(histories), fresh.score(histories))


def test_only_the_window_is_read() -> None:
    learned = SequenceTransformer(**SMALL).fit(small_shop())
    long = Histories.of([[1, 2, *range(3, 11)], [9, 8, *range(3, 11)]], n_items=41)
    scores = learned.score(long)
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-6)


def test_text_start_keeps_what_texts_have_in_common() -> None:
    text = torch.nn.functional.normalize(torch.randn(30, 20, generator=torch.Generator().manual_seed(0)), dim=1)
    start = text_start(text, 20)
    assert start.std().item() == pytest.approx(0.02, rel=0.1)
    likeness = torch.nn.functional.normalize(start, dim=1) @ torch.nn.functional.normalize(start, dim=1).T
    assert np.corrcoef(likeness.flatten(), (text @ text.T).flatten())[0, 1] > 0.9


def test_it_is_served_without_torch(tmp_path: Path) -> None:
    data = small_shop()
    learned = SequenceTransformer(**SMALL).fit(data)
    learned.save(tmp_path / "s")
    np.save(tmp_path / "wanted.npy", learned.score(data.histories().block(0, 5)))
    code = f"""
import sys, numpy as np
from pathlib import Path
from typing import ClassVar
from recloop.strategies import load
from recloop.testing.strategy import small_shop
found = load(Path({str(tmp_path / "s")!r})).score(small_shop().histories().block(0, 5))
np.testing.assert_array_equal(found, np.load({str(tmp_path / "wanted.npy")!r}))
assert not {{"torch", "lightning", "onnx"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda _name: None)
    with pytest.raises(
        ExtraError, match=r"training the strategy 'sequence' needs the extra 'lm'.*pip install 'recloop"
    ):
        SequenceTransformer(**SMALL).fit(small_shop())


def test_width_and_heads_must_agree() -> None:
    with pytest.raises(
        SettingError,
        match=r"width is 20 and heads is 3; the width must be a multiple of twice the heads; set width = 18",
    ):
        SequenceTransformer(width=20, heads=3)


def test_where_nothing_follows_anything_popularity_answers() -> None:
    events = pl.DataFrame({"user": ["a", "b", "c", "d"], "item": ["x", "x", "y", "x"]})
    learned = SequenceTransformer(**SMALL).fit(Dataset.of(events))
    assert learned.recommend([Request(k=2), Request(history=(Event("z", "y", "click"),), k=1)])[0].ids == ("x", "y")


# ---- transfer


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught") / "sequence"
    settings = {**SMALL, "items_from": "text", "epochs": 8, "learning_rate": 0.01, "width": 32}
    SequenceTransformer(**settings).fit(small_shop(users=200)).save(folder)
    return folder


class TestTransfer(StrategyContract):
    make = Transfer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def from_another_shop(cls, taught: Path) -> None:
        cls.settings = {"source": str(taught), "weight": 1.0}


def other_shop() -> Dataset:
    """Items of other names, with texts of the same genres."""
    data = small_shop(seed=9)
    rename = pl.col("item").replace_strict({item: f"new-{item}" for item in data.item_ids.ids})
    events = data.events.with_columns(
        user=pl.Series(data.user_ids.ids).gather(data.events["user"]),
        item=pl.Series([f"new-{item}" for item in data.item_ids.ids]).gather(data.events["item"]),
    ).select("user", "item", "time")
    return Dataset.of(events, items=data.items.with_columns(rename))


def test_what_was_learned_elsewhere_ranks_items_by_their_text(taught: Path) -> None:
    data = other_shop()
    moved = Transfer(source=str(taught), weight=1000.0).fit(data)
    genre = np.array(data.items["category"].to_list())
    own = Histories.of([np.flatnonzero(genre == name)[:5].tolist() for name in ("crime", "space")], data.n_items)
    best = moved.rank(own, 3).items
    hits = np.mean([(genre[best[row]] == name).mean() for row, name in enumerate(("crime", "space"))])
    assert hits > 0.5, "a quarter by chance"


def test_few_events_of_the_new_shop_move_it(taught: Path, tmp_path: Path) -> None:
    data = other_shop()
    still, moved = (Transfer(source=str(taught), epochs=epochs, weight=1.0).fit(data) for epochs in (0, 1))
    block = data.histories().block(0, 4)
    assert not np.allclose(still.score(block), moved.score(block), atol=1e-4)
    moved.save(tmp_path / "t")
    np.testing.assert_array_equal(Transfer.load(tmp_path / "t").score(block), moved.score(block))


def test_the_events_that_say_how_far_it_is_heard_are_not_learned_from(taught: Path) -> None:
    data = other_shop()
    ids = np.array(data.item_ids.ids)
    last = (pl.col("time") == pl.col("time").max().over("user")) & (pl.len().over("user") >= 3)
    item = pl.when(last).then((pl.col("item") + 1) % data.n_items).otherwise(pl.col("item"))
    changed = data.events.with_columns(user=pl.Series(data.user_ids.ids).gather(data.events["user"]), item=item)
    changed = changed.with_columns(item=pl.Series(ids[changed["item"]])).select("user", "item", "time")
    other = Dataset.of(changed, items=data.items)
    assert (other.events["item"] != data.events["item"]).sum() > 20
    one, two = (Transfer(source=str(taught), epochs=1, weight=1.0).fit(log)._network._state for log in (data, other))
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name])


def test_a_network_is_heard_as_far_as_it_helps(taught: Path) -> None:
    data = other_shop()
    content = Content().fit(data)
    found = Transfer(source=str(taught)).fit(data)
    _, asked, truth = hold_out(data.histories(), 1000, 0, share=1.0)
    gained = ndcg(found.score(asked), asked, truth) - ndcg(content.score(asked), asked, truth)
    if found._weight:
        assert gained.mean() > 2 * gained.std(ddof=1) / np.sqrt(len(gained))
    else:
        np.testing.assert_array_equal(found.score(asked), content.score(asked))
    one = Dataset.of(pl.DataFrame({"user": ["u"], "item": [data.item_ids[0]]}), items=data.items)
    assert Transfer(source=str(taught)).fit(one)._weight == 0  # nobody can be asked


def test_a_network_of_noise_is_not_heard(taught: Path) -> None:
    data = other_shop()
    deaf = Transfer(source=str(taught)).fit(data)
    rng = np.random.default_rng(0)
    deaf._network._vectors = rng.standard_normal(deaf._network._vectors.shape).astype(np.float32)
    assert deaf._helpful(data.histories()) == 0


def test_transfer_says_what_it_needs(taught: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="source is empty; it names the folder of a saved strategy 'sequence'"):
        Transfer().fit(small_shop())
    with pytest.raises(ArtifactError, match="holds no readable strategy"):
        Transfer(source=str(tmp_path / "nowhere")).fit(small_shop())
    SequenceTransformer(**{**SMALL, "epochs": 1}).fit(small_shop()).save(tmp_path / "ids")
    with pytest.raises(SettingError, match="items_from = 'id'; only items made from text are known"):
        Transfer(source=str(tmp_path / "ids")).fit(small_shop())


def test_an_encoder_of_another_size_is_told(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recloop.strategies.sequence import text

    monkeypatch.setattr(text, "vectors", lambda dataset, *_args, **_kw: np.eye(dataset.n_items, 7, dtype=np.float32))
    with pytest.raises(
        ArtifactError, match="gives vectors of 7 numbers; this strategy was trained with vectors of 384"
    ):
        Transfer(source=str(taught)).fit(small_shop())


def test_the_header_says_what_was_trained(taught: Path) -> None:
    assert json.loads((taught / "strategy.json").read_text())["settings"]["items_from"] == "text"


def test_a_release_answers_without_torch(tmp_path: Path) -> None:
    shop = small_shop()
    strategies = {"sequence": SequenceTransformer(**SMALL).fit(shop), "popular": Popular().fit(shop)}
    policies = {"both": SlateConfig(sources=list(strategies))}
    build_release(
        tmp_path / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies=strategies,
        policies=policies,
        default_policy="both",
    )
    code = f"""
import sys
from pathlib import Path
from recloop.app.serving import open_serving
from recloop.loop.promote import promote
from recloop.loop.release import load
from recloop.service.server import opened
from recloop.store import Store
from recloop.types import Event, Request
with Store({str(tmp_path / "s.db")!r}) as store:
    promote(store, Path({str(tmp_path / "one")!r}), actor="test")
    serving = open_serving(store, load)
    item = serving.engine.release.items[0]
    decision = serving.engine.recommend(Request(user="u", k=3, history=(Event("u", item, "view"),)))
    assert decision.items and not decision.fallback
assert not {{"torch", "lightning", "onnx"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_teacher_in_the_place_of_labels() -> None:
    torch.manual_seed(0)
    hidden, told = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4)
    table, taught = torch.randn(2, 7, 4)
    wanted = torch.nn.functional.cross_entropy(hidden @ table.T, (told @ taught.T).softmax(1))
    found = losses.distilled(hidden, table, told, taught)
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(found, hidden), torch.autograd.grad(wanted, hidden), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("settings", [{}, {"negatives": 6, "items_from": "text"}])
def test_a_student_of_one_block_answers_like_its_teacher(settings: dict[str, object], tmp_path: Path) -> None:
    data = circle(users=400)
    if settings:
        names = [f"{word} {thing}" for word in ("red", "old", "warm") for thing in ("lamp", "shoe", "kettle", "drum")]
        data = Dataset.of(
            data.events.select(
                user=pl.col("user").cast(pl.String),
                item=pl.col("item").map_elements(data.item_ids.ids.__getitem__, pl.String),
            ),
            items=pl.DataFrame({"item": data.item_ids.ids, "title": names}),
        )
    learned = SequenceTransformer(**{**SMALL, "blocks": 2, "epochs": 25, "learning_rate": 0.01, **settings}).fit(data)
    student, finer, whole = itertools.islice(learned.compressed(data), 3)
    assert (student.blocks, whole.blocks) == (1, 2)
    off = [np.abs(smaller._vectors - learned._vectors).max() for smaller in (student, finer)]
    assert off[1] < off[0] / 3, "what it learned over is rounded; what it is served with in eight bits is not"
    student.save(tmp_path / "student")
    again = SequenceTransformer.load(tmp_path / "student")
    asked = data.histories()
    best = learned.rank(asked, 1).items
    assert (again.rank(asked, 1).items == best).mean() > 0.9
    assert len(again._graph) < len(whole._graph) < len(learned._graph)
    assert [smaller.blocks for smaller in again.compressed(data)] == [1, 1, 1]  # it is not taught again
    if settings:
        assert (again.onto(data).rank(asked, 1).items == best).mean() > 0.9
