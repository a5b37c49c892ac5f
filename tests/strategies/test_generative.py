"""Semantic ids and their decoding: names, the trie of those that exist, the search, and what is learned."""

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs the extra lm")

from recloop.data.dataset import Dataset  # noqa: E402
from recloop.data.histories import Histories  # noqa: E402
from recloop.errors import DataError, ExtraError, SettingError  # noqa: E402
from recloop.neural import extra  # noqa: E402
from recloop.strategies.base import Strategy  # noqa: E402
from recloop.strategies.generative.beam import beam_search  # noqa: E402
from recloop.strategies.generative.network import Network, network_for  # noqa: E402
from recloop.strategies.generative.residual import centres_of, semantic_ids  # noqa: E402
from recloop.strategies.generative.strategy import Generative  # noqa: E402
from recloop.strategies.generative.trie import Trie  # noqa: E402
from recloop.strategies.kmeans import nearest  # noqa: E402
from recloop.testing import StrategyContract  # noqa: E402
from recloop.testing.strategy import small_shop  # noqa: E402
from recloop.types import Event, Request  # noqa: E402

SMALL = {
    "levels": 2,
    "codes": 8,
    "beams": 8,
    "width": 16,
    "blocks": 1,
    "heads": 2,
    "window": 8,
    "epochs": 2,
    "batch": 128,
    "dropout": 0.0,
}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_LOGGER", "none")


class TestGenerative(StrategyContract):
    make = Generative
    settings: ClassVar[dict[str, Any]] = SMALL


def fitted() -> tuple[Strategy, Dataset]:
    return TestGenerative()._fitted()


# ---- names


def test_names_that_begin_alike_belong_to_like_items() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 25)
    points = (np.eye(4, 6)[group] * 5 + rng.normal(scale=0.3, size=(100, 6))).astype(np.float32)
    ids, books = semantic_ids(points, np.ones(100, np.float32), 3, 4, seed=1)
    assert len({(g, c) for g, c in zip(group, ids[:, 0], strict=True)}) == 4 == len(set(ids[:, 0]))
    assert len(np.unique(ids, axis=0)) == 100
    spelled = sum(book[ids[:, level]] for level, book in enumerate(books))
    coarse = books[0][ids[:, 0]]
    assert np.square(points - spelled).sum() < 0.7 * np.square(points - coarse).sum(), "each level says more"


def test_the_same_seed_gives_the_same_names_whatever_the_others() -> None:
    points = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    weight = np.ones(60, np.float32)
    first, second, other = (semantic_ids(points, weight, 2, 8, seed=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert (first.shape != other.shape) or (first != other).any()


def test_like_items_are_told_apart_by_popularity() -> None:
    ids, books = semantic_ids(np.zeros((4, 3), np.float32), np.array([0.1, 1.0, 0.1, 0.5], np.float32), 2, 16)
    assert ids.tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 3], [0, 0, 1]]
    assert [len(book) for book in books] == [1, 1]


def test_fewer_points_than_codes_give_a_code_each() -> None:
    points = np.array([[0, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    centres = centres_of(points, 100, np.random.default_rng(0))
    assert len(centres) == 3
    np.testing.assert_allclose(centres[nearest(points, centres)], points, atol=1e-6)


# ---- the tree of names


def test_the_trie_knows_which_codes_may_follow() -> None:
    ids = np.array([[2, 0, 1], [0, 1, 0], [2, 0, 0], [0, 3, 0], [1, 0, 0]])
    trie = Trie(ids, np.array([True, True, True, True, False]))
    assert len(trie) == 4
    assert trie.sizes == (3, 4, 2)
    root = trie.children(0, np.array([0]))
    assert root.tolist() == [[0, -1, 1]]
    assert trie.children(1, np.array([1, 0])).tolist() == [[2, -1, -1, -1], [-1, 0, -1, 1]]
    for item in (0, 1, 2, 3):
        node = 0
        for depth, code in enumerate(ids[item]):
            assert trie.path[item, depth] == node
            node = int(trie.children(depth, np.array([node]))[0, code])
        assert trie.items[node] == item
    assert trie.path[4].tolist() == [-1, -1, -1]


# ---- the search


def untrained(ids: NDArray[np.int32], trie: Trie, width: int = 16) -> Network:
    network = network_for([], trie.sizes, width=width, blocks=2, heads=2, window=6, dropout=0.0, seed=0).eval()
    with torch.no_grad():
        network.tokens.normal_(generator=torch.Generator().manual_seed(1))
    return network


def by_teacher_forcing(network: Network, ids: NDArray[np.int32], trie: Trie, history: list[int]) -> NDArray[np.float64]:
    """The log-probability of every item, one whole forward pass each."""
    counted = ids + np.cumsum((0, *trie.sizes[:-1]))
    found = []
    for item in range(len(ids)):
        codes = torch.from_numpy(counted[[*history, item]])[None]
        places = torch.arange(7 - codes.shape[1], 7)[None]
        filled = torch.ones(1, codes.shape[1], dtype=torch.bool)
        filled[:, 1:-1] = False  # only the last item is foretold
        path = trie.path[[item]]
        allowed = [torch.from_numpy(trie.children(depth, path[:, depth]) >= 0) for depth in range(ids.shape[1])]
        with torch.no_grad():
            own = torch.from_numpy(ids[[item]].astype(np.int64))
            found.append(-float(network.loss((codes, places, filled, own, *allowed))))
    return np.array(found)


def test_the_search_gives_the_probabilities_that_training_maximises() -> None:
    rng = np.random.default_rng(0)
    ids, _ = semantic_ids(rng.normal(size=(30, 4)).astype(np.float32), np.ones(30, np.float32), 2, 4)
    trie = Trie(ids, np.ones(30, bool))
    network = untrained(ids, trie)
    tokens, places = network.tables()
    tables = np.split(tokens, np.cumsum(trie.sizes)[:-1])
    counted, depth = ids + np.cumsum((0, *trie.sizes[:-1])), ids.shape[1]
    short, long = [4], [1, 2, 3]
    padded = np.array([[4, 0, 0], long])
    x = tokens[counted[padded]] + places[np.array([[5, 0, 0], [3, 4, 5]])][:, :, None]
    known = np.array([1, 3]) * depth
    graph = network.graph()
    for run in (
        network.run,
        lambda x, keys, values, known: graph.run(x=x, keys=keys, values=values, known=known),
    ):
        nodes, found = beam_search(run, x.reshape(2, -1, 16), known, trie, tables, places[-1], (2, 2, 8), beams=100)
        for row, history in enumerate((short, long)):
            there = np.isfinite(found[row])
            items = trie.items[nodes[row, there]]
            assert sorted(items) == list(range(30)), "wide enough, the search reaches everything"
            assert np.exp(found[row, there]).sum() == pytest.approx(1, rel=1e-4)
            wanted = by_teacher_forcing(network, ids, trie, history)
            np.testing.assert_allclose(found[row, there], wanted[items], rtol=1e-3, atol=1e-4)
        few, less = beam_search(run, x.reshape(2, -1, 16), known, trie, tables, places[-1], (2, 2, 8), beams=2)
        for row in range(2):
            whole = dict(zip(trie.items[nodes[row]], found[row], strict=True))
            there = np.isfinite(less[row])
            assert 0 < there.sum() < 30
            for node, value in zip(few[row, there], less[row, there], strict=True):
                assert value == pytest.approx(whole[trie.items[node]], rel=1e-3, abs=1e-4)


# ---- what is learned


def circle(users: int = 150, items: int = 12, length: int = 7) -> Dataset:
    """After item i comes i + 1; each has a text of its own but the last two, which share theirs."""
    rng = np.random.default_rng(5)
    start = rng.integers(items, size=users)
    taken = (start[:, None] + np.arange(length)) % items
    events = pl.DataFrame(
        {"user": np.repeat([f"u{user}" for user in range(users)], length), "item": taken.ravel().astype(str)}
    )
    words = ["apple", "bridge", "candle", "desert", "engine", "flute", "glacier", "hammer", "island", "jungle", "kite"]
    titles = [f"the {word}" for word in words] + ["the kite"]
    catalogue = pl.DataFrame({"item": [str(item) for item in range(items)] + ["bare"], "title": [*titles, None]})
    return Dataset.of(events, items=catalogue)


def test_it_learns_what_comes_next_and_tells_same_titles_apart() -> None:
    settings = {**SMALL, "width": 32, "epochs": 25, "learning_rate": 0.01, "codes": 4, "held_out": 0}
    learned = Generative(**settings).fit(circle())
    assert learned._ids.shape == (13, 3), "two items with one title need a number more"
    for first in range(12):
        history = tuple(Event("x", str((first + step) % 12), "click") for step in range(3))
        slate = learned.recommend([Request(history=history, k=13)])[0]
        assert slate.ids[0] == str((first + 3) % 12)
        assert slate.ids[-1] == "bare", "neither text nor events tell of it"
        assert 0.5 < slate.items[0].score <= 1, "a probability"


def test_an_untouched_item_is_reached_by_its_text() -> None:
    strategy, data = fitted()
    assert isinstance(strategy, Generative)
    wide = Generative(**{**strategy.config(), "beams": 1000})
    wide._restore(strategy._arrays())
    wide.items, wide.kinds = strategy.items, strategy.kinds
    scores = wide.score(data.histories())
    assert (scores[:, data.item_ids.index("untouched")] > 1e-11).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-3)


def test_fitted_again_on_other_data_nothing_is_left_of_the_first() -> None:
    settings, histories = {**SMALL, "epochs": 1}, circle().histories().block(0, 4)
    twice = Generative(**settings).fit(small_shop(users=20))
    twice.score(small_shop(users=20).histories())
    twice.fit(circle())
    fresh = Generative(**settings)
    fresh._restore(twice._arrays())
    fresh.items = twice.items
    np.testing.assert_array_equal(twice.score(histories), fresh.score(histories))


def test_it_is_served_without_torch(tmp_path: Path) -> None:
    strategy, data = fitted()
    strategy.save(tmp_path / "s")
    np.save(tmp_path / "wanted.npy", strategy.score(data.histories().block(0, 5)))
    code = f"""
import sys, numpy as np
from pathlib import Path
from recloop.strategies.generative.strategy import Generative
from recloop.testing.strategy import small_shop
found = Generative.load(Path({str(tmp_path / "s")!r})).score(small_shop().histories().block(0, 5))
np.testing.assert_array_equal(found, np.load({str(tmp_path / "wanted.npy")!r}))
assert not {{"torch", "lightning", "onnx"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_the_window_is_read() -> None:
    strategy, data = fitted()
    long = Histories.of([[1, 2, *range(3, 11)], [9, 8, *range(3, 11)]], n_items=data.n_items)
    scores = strategy.score(long)
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-6)


def test_where_nothing_follows_anything_popularity_answers() -> None:
    events = pl.DataFrame({"user": ["a", "b", "c", "d"], "item": ["x", "x", "y", "x"]})
    data = Dataset.of(events, items=pl.DataFrame({"item": ["x", "y"], "title": ["a ball", "a bat"]}))
    learned = Generative(**SMALL).fit(data)
    assert learned.recommend([Request(k=2), Request(history=(Event("z", "y", "click"),), k=1)])[0].ids == ("x", "y")


# ---- what is refused


def test_without_any_text_it_says_so() -> None:
    data = Dataset.of(pl.DataFrame({"user": ["a", "a"], "item": ["x", "y"]}))
    with pytest.raises(DataError, match="none of the 2 items has a text"):
        Generative(**SMALL).fit(data)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda _name: None)
    with pytest.raises(
        ExtraError, match=r"training the strategy 'generative' needs the extra 'lm'.*pip install 'recloop"
    ):
        Generative(**SMALL).fit(small_shop())


def test_width_and_heads_must_agree() -> None:
    with pytest.raises(
        SettingError, match=r"width is 20 and heads is 3; the width must be a multiple of the heads; set width = 21"
    ):
        Generative(width=20, heads=3)
