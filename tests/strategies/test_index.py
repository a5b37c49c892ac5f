"""Searches that do not score every item find what scoring finds."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recloop.compose.candidates import retrieve
from recloop.compose.rules import Rules
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies import index as module
from recloop.strategies.cells import RECALL, Cells
from recloop.strategies.exact import Exact
from recloop.strategies.graph import Graph
from recloop.strategies.ials import IALS
from recloop.strategies.index import index_of, shorter
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random

pytest.importorskip("numba")


def grouped(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    """Vectors of unequal length that lie in groups, as those of items do."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, d))
    vectors = centres[rng.integers(20, size=n)] + 0.3 * rng.standard_normal((n, d))
    return (vectors * rng.lognormal(0, 0.3, (n, 1))).astype(np.float32)


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))


def test_cells_find_what_scoring_finds() -> None:
    vectors, queries = grouped(20_000), grouped(50, seed=1)
    cells, exact = Cells(vectors), Exact(vectors)
    assert cells.recall >= RECALL
    assert cells.probes < cells.cells
    found, truth = cells.search(queries, 50), exact.search(queries, 50)
    assert overlap(found.items, truth.items) >= 0.97
    both = found.items[:, 0] == truth.items[:, 0]
    assert both.mean() > 0.9
    np.testing.assert_allclose(found.scores[both, 0], truth.scores[both, 0], rtol=1e-5)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_the_same_vectors_make_the_same_index() -> None:
    vectors, queries = grouped(5000), grouped(20, seed=1)
    first, second = (Cells(vectors).search(queries, 20) for _ in range(2))
    np.testing.assert_array_equal(first.items, second.items)


def test_a_query_alone_finds_what_it_finds_among_others() -> None:
    cells, queries = Cells(grouped(5000)), grouped(20, seed=1)
    together = cells.search(queries, 20)
    for row in range(20):
        np.testing.assert_array_equal(cells.search(queries[row : row + 1], 20).items[0], together.items[row])


@pytest.mark.parametrize("kind", [Exact, Cells])
def test_only_what_is_allowed_is_found(kind: type[Exact] | type[Cells]) -> None:
    vectors, queries = grouped(5000), grouped(10, seed=1)
    allowed = np.random.default_rng(2).random(5000) < 0.5
    found = kind(vectors).search(queries, 30, allowed)
    assert allowed[found.items].all()
    assert overlap(found.items, Exact(vectors).search(queries, 30, allowed).items) >= 0.97


@pytest.mark.parametrize("kind", [Exact, Cells])
def test_new_items_are_found_at_once(kind: type[Exact] | type[Cells]) -> None:
    vectors, new = grouped(5000), 3 * grouped(7, seed=9)
    index = kind(vectors)
    index.add(new)
    assert len(index) == 5007
    truth = Exact(np.concatenate([vectors, new])).search(new, 10)
    found = index.search(new, 10)
    assert overlap(found.items, truth.items) >= 0.97
    assert {5000, 5001, 5002, 5003, 5004, 5005, 5006} & set(found.items.ravel().tolist())
    allowed = np.ones(5007, dtype=bool)
    allowed[5003] = False
    assert 5003 not in index.search(new, 10, allowed).items


def test_more_places_than_items_are_padding() -> None:
    for kind in (Exact, Cells):
        found = kind(np.eye(3, dtype=np.float32)).search(np.ones((1, 3), np.float32), 5)
        assert sorted(found.items[0].tolist()) == [-1, -1, 0, 1, 2]
        assert (found.scores[0, 3:] == -np.inf).all()


def test_the_index_suits_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = grouped(5000)
    assert isinstance(index_of(vectors), Exact)
    assert isinstance(index_of(vectors, exact=1000), Cells)
    some = vectors * (np.arange(5000) % 2 == 0)[:, None]
    assert isinstance(index_of(some, exact=1000), Cells), "items that nobody took do not matter"
    assert isinstance(index_of(np.zeros((5000, 4), np.float32), exact=1000), Exact)
    noise = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
    assert isinstance(index_of(noise, exact=1000), Cells), "vectors without cells are searched in most of them"
    broken = vectors.copy()
    broken[7, 3] = np.nan
    assert isinstance(index_of(broken, exact=1000), Exact)
    assert shorter(vectors) is None
    monkeypatch.setattr(Cells, "_tried", lambda cells, _queries: (cells.cells, RECALL))
    assert isinstance(index_of(vectors, exact=1000), Exact), "a search that finds too little is none"
    monkeypatch.undo()
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert isinstance(index_of(vectors, exact=1000), Exact), "without the extra all are scored"


# ---- strategies, and what a policy makes of it


@pytest.fixture(scope="module")
def shop() -> Dataset:
    rng = np.random.default_rng(4)
    taste = rng.integers(10, size=800)
    user = np.repeat(np.arange(800), 12)
    item = np.where(
        rng.random(len(user)) < 0.8,
        taste[user] * 300 + np.minimum(rng.zipf(1.3, len(user)), 300) - 1,
        rng.integers(3000, size=len(user)),
    )
    log = pl.DataFrame(
        {"user": [f"u{n}" for n in user], "item": [f"i{n}" for n in item], "time": np.arange(float(len(user)))}
    )
    return Dataset.of(log, pl.DataFrame({"item": [f"i{n}" for n in range(3000)]}))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every catalogue counts as a large one, and every cell is searched: what is tested is the way there."""
    monkeypatch.setattr(module.index_of, "__kwdefaults__", {"exact": 100})
    monkeypatch.setattr(Cells, "_tried", lambda cells, _queries: (cells.cells, 1.0))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("strategy", [IALS(factors=16, iterations=5), Graph(factors=16), Popular()])
@pytest.mark.parametrize("case", ["plain", "allowed", "exclude", "seen shown"])
def test_a_search_gives_the_candidates_that_scores_give(shop: Dataset, strategy, case: str) -> None:
    strategy.fit(shop)
    histories = shop.histories().take(np.arange(40))
    histories = replace(histories, indptr=histories.indptr.copy())
    rng = np.random.default_rng(5)
    rules = {
        "plain": Rules(),
        "allowed": Rules(allowed=rng.random(3000) < 0.7),
        "exclude": Rules(exclude=[rng.integers(3000, size=row % 4) for row in range(40)]),
        "seen shown": Rules(hide_seen=False),
    }[case]
    assert strategy.best(histories, 10) is not None
    found = retrieve(strategy, None, histories, 30, rules).rankings
    slow = Random().fit(shop)
    slow.score = strategy.score
    truth = retrieve(slow, None, histories, 30, rules).rankings
    assert overlap(found.items, truth.items) >= 0.97
    if rules.allowed is not None:
        assert rules.allowed[found.items].all()
    if rules.hide_seen:
        assert not any(set(row) & set(histories.take(np.array([n])).items) for n, row in enumerate(found.items))


@pytest.mark.usefixtures("large")
def test_people_without_a_history_get_what_is_popular(shop: Dataset) -> None:
    strategy = IALS(factors=16, iterations=2).fit(shop)
    nobody = Histories.of([[], [5]], n_items=3000)
    found = strategy.best(nobody, 20)
    assert found is not None
    truth = strategy.rank(nobody.take(np.array([0])), 20)
    np.testing.assert_array_equal(found.items[0], truth.items[0])


@pytest.mark.usefixtures("large")
def test_lists_and_few_allowed_items_are_scored(shop: Dataset) -> None:
    strategy = IALS(factors=16, iterations=5).fit(shop)
    histories = shop.histories().take(np.arange(5))
    allowed = np.zeros(3000, dtype=bool)
    allowed[[7, 300, 900, 2999]] = True
    for rules in (Rules(allowed=allowed), Rules(candidates=[[7, 300, 900, 2999]] * 5)):
        found = retrieve(strategy, None, histories, 10, replace(rules, hide_seen=False)).rankings
        assert {frozenset(row) for row in found.items.tolist()} == {frozenset({7, 300, 900, 2999, -1})}


@pytest.mark.usefixtures("large")
def test_learning_anew_makes_another_index(shop: Dataset) -> None:
    strategy = IALS(factors=16, iterations=3).fit(shop)
    histories = shop.histories().take(np.arange(5))
    before = strategy.best(histories, 10)
    after = strategy._with(
        {name: -array if name == "_factors" else array for name, array in strategy._arrays().items()}
    )
    assert before is not None
    np.testing.assert_array_equal(strategy.best(histories, 10).items, before.items)
    strategy._restore(after._arrays())
    np.testing.assert_array_equal(strategy.best(histories, 10).items, after.best(histories, 10).items)


def test_a_small_catalogue_is_scored(shop: Dataset) -> None:
    assert IALS(factors=4, iterations=1).fit(shop).best(Histories.of([[0]], n_items=3000), 5) is None
