"""The factorization machine: its conditionals against closed forms, what it recovers, and its edges."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recloop.data import compiled
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.strategies import gibbs
from recloop.strategies.attributes import Attributes
from recloop.strategies.bilinear import Bilinear
from recloop.strategies.factorization_machine import FactorizationMachine
from recloop.strategies.gibbs import Evidence, Features, Side, posterior
from recloop.testing import StrategyContract
from recloop.types import Event, Request

QUICK = {"factors": 3, "samples": 4, "burn_in": 4, "thin": 1}


class TestFactorizationMachine(StrategyContract):
    make = FactorizationMachine
    settings: ClassVar = {"factors": 3, "samples": 4, "burn_in": 4}


def evidence(
    n: int = 60, m: int = 40, unseen: float | None = None, seed: int = 0
) -> tuple[Evidence, np.ndarray, np.ndarray]:
    """Sparse scores with one row that has none, vectors of the others, prior means."""
    rng = np.random.default_rng(seed)
    seen = rng.random((n, m)) < 0.2
    seen[3] = False
    targets = sparse.csr_array(np.where(seen, rng.normal(size=(n, m)), 0).astype(np.float32))
    weights = (rng.random(targets.nnz) + 0.5).astype(np.float32)
    given, mean = (rng.normal(size=(size, 4)).astype(np.float32) for size in (m, n))
    return Evidence(targets, weights, None if unseen is None else np.full(m, unseen, np.float32)), given, mean


# ---- the conditional of vectors


@pytest.mark.parametrize("unseen", [None, 0.3])
def test_the_posterior_is_weighted_ridge_regression(unseen: float | None) -> None:
    known, given, mean = evidence(unseen=unseen)
    noise, precision = 2.5, np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    vectors, variance = posterior(known, given, noise, precision, mean)
    scores = known.targets.toarray()
    weights = sparse.csr_array((known.weights, known.targets.indices, known.targets.indptr), scores.shape).toarray()
    X, b = np.column_stack([np.ones(len(given)), given[:, 1:]]), given[:, 0]
    for row in range(len(mean)):
        A = np.diag(precision).astype(float) + noise * (X.T * weights[row]) @ X
        right = precision * mean[row] + noise * (X.T * weights[row]) @ (scores[row] - b)
        if unseen is not None and weights[row].any():
            A += noise * unseen * X.T @ X
            right += noise * unseen * X.T @ (0 - b)
        np.testing.assert_allclose(vectors[row], np.linalg.solve(A, right), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance[row], np.diag(np.linalg.inv(A)), rtol=1e-4)
    np.testing.assert_allclose(vectors[3], mean[3], rtol=1e-6)  # nothing seen: the prior


def test_draws_have_the_mean_and_covariance_of_the_posterior() -> None:
    known, given, mean = evidence(n=4)
    many = 4000
    row = sparse.csr_array(sparse.vstack([known.targets[[0]]] * many, format="csr"))
    own = known.weights[: known.targets.indptr[1]]
    repeated = Evidence(row, np.tile(own, many))
    normal = np.random.default_rng(1).standard_normal((many, 4), dtype=np.float32)
    precision = np.ones(4, np.float32)
    drawn, _ = posterior(repeated, given, 1.5, precision, np.tile(mean[0], (many, 1)), normal)
    centre, _ = posterior(known, given, 1.5, precision, mean)
    X = np.column_stack([np.ones(len(given)), given[:, 1:]])[known.targets[[0]].indices]
    covariance = np.linalg.inv(np.eye(4) + 1.5 * (X.T * own) @ X)
    np.testing.assert_allclose(drawn.mean(axis=0), centre[0], atol=0.06)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05)


@pytest.mark.parametrize("unseen", [None, 0.3])
@pytest.mark.parametrize("draw", [False, True])
def test_the_kernel_answers_what_numpy_answers(
    unseen: float | None, draw: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    known, given, mean = evidence(unseen=unseen)
    normal = np.random.default_rng(2).standard_normal(mean.shape, dtype=np.float32) if draw else None
    answers = []
    for worth in (float("inf"), 0):
        monkeypatch.setattr(compiled, "WORTH", worth)
        answers.append(posterior(known, given, 2.0, np.ones(4, np.float32), mean, normal))
    for plain, fast in zip(*answers, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gather", [1, 300])
def test_blocks_change_nothing(gather: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known, given, mean = evidence(unseen=0.1)
    whole = posterior(known, given, 2.0, np.ones(4, np.float32), mean)[0]
    monkeypatch.setattr(gibbs, "GATHER", gather)
    np.testing.assert_allclose(posterior(known, given, 2.0, np.ones(4, np.float32), mean)[0], whole, rtol=1e-5)


# ---- the conditional of the features' vectors


def test_the_vectors_of_features_are_drawn_from_their_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    """With vectors and precisions held fixed: mean and covariance of B are those in closed form."""
    monkeypatch.setattr(gibbs, "TOLERANCE", 1e-6)
    rng = np.random.default_rng(3)
    X = sparse.csr_array((rng.random((50, 4)) < 0.5).astype(np.float32))
    side = Side(Features.constant(50).beside(X), 2, rng)
    side.vectors = rng.normal(size=(50, 3)).astype(np.float32)
    side.precision = np.array([2.0, 4.0, 8.0], np.float32)
    ridge = np.full((5, 3), 3.0, np.float32)
    design = side.features.toarray().astype(float)
    A = design.T @ design + 3.0 * np.eye(5)
    draws = []
    for _ in range(4000):
        first, second = rng.standard_normal((50, 3)), rng.standard_normal((5, 3))
        spread = side.precision**-0.5
        right = design.T @ (side.vectors + first * spread) + np.sqrt(ridge) * spread * second
        draws.append(side._solve(ridge, right.astype(np.float32)))
        np.testing.assert_allclose(draws[-1], np.linalg.solve(A, right), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.mean(draws, axis=0), np.linalg.solve(A, design.T @ side.vectors), atol=0.02)
    for k, precision in enumerate(side.precision):
        np.testing.assert_allclose(np.cov(np.array(draws)[:, :, k].T), np.linalg.inv(A) / precision, atol=3e-3)


def test_features_find_the_vectors_that_made_the_rows() -> None:
    """Where the rows are what their features say and little more, the features' vectors are found."""
    rng = np.random.default_rng(4)
    X = sparse.csr_array((rng.random((2000, 3)) < 0.4).astype(np.float32))
    true = np.array([[1.0, -2.0], [0.5, 1.0], [-1.5, 0.0], [2.0, 3.0]])
    side = Side(Features.constant(2000).beside(X), 1, rng)
    side.vectors = (side.features @ true + 0.1 * rng.normal(size=(2000, 2))).astype(np.float32)
    draws, precision = [], []
    for _ in range(60):
        side._draw_precision(rng)
        side._draw_weights(rng)
        draws.append(side.weights)
        precision.append(side.precision)
    np.testing.assert_allclose(np.mean(draws[20:], axis=0), true, atol=0.02)
    np.testing.assert_allclose(np.mean(precision[20:], axis=0), 1001 / 11, rtol=0.05)  # 1 / 0.1^2 and the prior


# ---- the whole chain


def made_up(noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, m) scores of rank 2 with biases, the same without noise, and which are seen."""
    rng = np.random.default_rng(seed)
    n, m = 150, 80
    truth = rng.normal(size=(n, 1)) * 0.5 + rng.normal(size=m) * 0.5 + rng.normal(size=(n, 2)) @ rng.normal(size=(2, m))
    return truth + noise * rng.normal(size=(n, m)), truth, rng.random((n, m)) < 0.35


def sampled(
    scores: np.ndarray, seen: np.ndarray, factors: int, users: Features | None = None, items: Features | None = None
) -> Bilinear:
    n, m = scores.shape
    targets = sparse.csr_array(np.where(seen, scores, 0).astype(np.float32))
    return Bilinear.sample(
        Evidence(targets, np.ones_like(targets.data)),
        users or Features.constant(n),
        items or Features.constant(m),
        factors=factors,
        burn_in=40,
        samples=15,
        thin=3,
        rng=np.random.default_rng(7),
    )


def test_factors_and_noise_are_recovered() -> None:
    scores, truth, seen = made_up()
    model = sampled(scores, seen, factors=2)
    targets = sparse.csr_array(np.where(seen, scores, 0).astype(np.float32))
    found = model.score(Evidence(targets, np.ones_like(targets.data)), Features.constant(len(scores)).matrix)
    error = np.sqrt(np.mean((found - truth)[~seen] ** 2))
    assert error < 0.2
    assert error < 0.12 * truth[~seen].std()
    assert 1 / np.sqrt(model.noise.mean()) == pytest.approx(0.3, rel=0.1)


def test_users_that_were_never_learned_from_are_folded_in() -> None:
    scores, truth, seen = made_up()
    model = sampled(scores[:120], seen[:120], factors=2)
    targets = sparse.csr_array(np.where(seen, scores, 0)[120:].astype(np.float32))
    found = model.score(Evidence(targets, np.ones_like(targets.data)), Features.constant(30).matrix)
    assert np.sqrt(np.mean((found - truth[120:])[~seen[120:]] ** 2)) < 0.25


def test_more_factors_than_needed_do_little_harm() -> None:
    scores, truth, seen = made_up(noise=0.5)
    targets = sparse.csr_array(np.where(seen, scores, 0).astype(np.float32))
    errors = []
    for factors in (2, 8):
        found = sampled(scores, seen, factors).score(
            Evidence(targets, np.ones_like(targets.data)), Features.constant(len(scores)).matrix
        )
        errors.append(np.sqrt(np.mean((found - truth)[~seen] ** 2)))
    assert errors[1] < 1.4 * errors[0]


def test_exact_users_are_told_from_careless_ones() -> None:
    scores, truth, seen = made_up()
    careless = np.arange(len(scores)) % 3 == 0
    scores = truth + np.where(careless, 1.5, 0.2)[:, None] * np.random.default_rng(5).normal(size=truth.shape)
    targets = sparse.csr_array(np.where(seen, scores, 0).astype(np.float32))
    known = Evidence(targets, np.ones_like(targets.data))
    rng = np.random.default_rng(0)
    chain = gibbs.Chain(
        known, Side(Features.constant(150), 2, rng), Side(Features.constant(80), 2, rng), np.random.default_rng(1)
    )
    for _ in range(40):
        chain.advance()
    assert chain.users.trust[~careless].mean() > 4 * chain.users.trust[careless].mean()


# ---- as a strategy


def log(
    seed: int = 0, users: int = 80, items: int = 40, minimum: float | None = None
) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Ratings that age and genre decide, one film that nobody rated; the mean rating of each pair and who rated what."""
    rng = np.random.default_rng(seed)
    old, drama = np.arange(users) % 2, np.arange(items + 1) % 2
    mean = 3 + 1.2 * np.where(old[:, None] == drama, 1, -1) + rng.normal(size=(users, 1)) * 0.3
    stars = np.clip(np.round(2 * (mean + 0.4 * rng.normal(size=mean.shape))) / 2, 0.5, 5)
    seen = rng.random(mean.shape) < 0.4
    seen[:, items] = False
    u, i = np.nonzero(seen)
    events = pl.DataFrame(
        {
            "user": [f"u{x}" for x in u],
            "item": [f"i{x:02d}" for x in i],
            "kind": "rating",
            "value": stars[u, i],
        }
    )
    catalogue = pl.DataFrame(
        {"item": [f"i{x:02d}" for x in range(items + 1)], "genre": [("comedy", "drama")[x] for x in drama], "same": "x"}
    )
    people = pl.DataFrame({"user": [f"u{x}" for x in range(users)], "age": [("young", "old")[x] for x in old]})
    data = Dataset.of(events, catalogue, people, Kinds(minimum={} if minimum is None else {"rating": minimum}))
    order = data.user_ids.indices(people["user"])
    means, rated = np.empty_like(mean), np.empty_like(seen)
    means[order], rated[order] = mean, seen
    return data, means, rated


def whole(data: Dataset, rows: int | None = None) -> np.ndarray:
    return np.tile(np.arange(data.n_items, dtype=np.int32), (data.n_users if rows is None else rows, 1))


def request(data: Dataset, ratings: dict[str, float], **profile: str) -> Histories:
    history = tuple(Event("x", item, "rating", value=value) for item, value in ratings.items())
    return Histories.from_requests([Request(history=history, profile=profile)], data.item_ids, data.kinds)


@pytest.fixture(scope="module")
def fitted() -> tuple[FactorizationMachine, Dataset, np.ndarray, np.ndarray]:
    data, means, seen = log()
    return FactorizationMachine(factors=4, samples=15, burn_in=20, thin=2).fit(data), data, means, seen


def test_ratings_are_foretold(fitted) -> None:
    strategy, data, means, seen = fitted
    predicted = strategy.predict(data.histories(profiles=True), whole(data))
    held = ~seen[:, :-1]
    assert np.sqrt(np.mean((predicted - means)[:, :-1][held] ** 2)) < 0.25


def test_a_profile_speaks_for_a_user_without_history(fitted) -> None:
    strategy, data, _, _ = fitted
    drama = np.array([item["genre"] == "drama" for item in data.items.iter_rows(named=True)])
    for age, likes in (("old", drama), ("young", ~drama)):
        stranger = request(data, {}, age=age)
        predicted = strategy.predict(stranger, whole(data, 1))[0]
        assert predicted[likes].mean() > predicted[~likes].mean() + 1.5
    nobody = strategy.predict(request(data, {}), whole(data, 1))[0]
    unheard = strategy.predict(request(data, {}, age="unheard of", planet="Mars"), whole(data, 1))[0]
    np.testing.assert_array_equal(nobody, unheard)


def test_an_item_that_nobody_rated_is_answered_from_its_attributes(fitted) -> None:
    strategy, data, means, _ = fitted
    new = data.item_ids.index("i40")
    predicted = strategy.predict(data.histories(profiles=True), whole(data))[:, new]
    assert np.corrcoef(predicted, means[:, -1])[0, 1] > 0.9


def test_ratings_move_a_new_user(fitted) -> None:
    strategy, data, _, _ = fitted
    new = data.item_ids.index("i40")
    fan, foe = (
        request(data, {"i00": good, "i02": good, "i01": bad, "i03": bad}) for good, bad in ((5.0, 1.0), (1.0, 5.0))
    )
    assert strategy.predict(fan, whole(data, 1))[0, new] > strategy.predict(foe, whole(data, 1))[0, new] + 0.8


def test_predictions_stay_inside_the_scale_and_padding_is_nan(fitted) -> None:
    strategy, data, _, _ = fitted
    cheer = request(data, dict.fromkeys(data.item_ids.ids[:30], 5.0))
    assert strategy.predict(cheer, whole(data, 1)).max() <= 5.0
    padded = strategy.predict(cheer, np.array([[3, -1]], np.int32))
    assert np.isnan(padded).tolist() == [[False, True]]
    assert strategy.predict(cheer, np.empty((1, 0), np.int32)).shape == (1, 0)


def test_saved_and_loaded_it_foretells_the_same(fitted, tmp_path: Path) -> None:
    strategy, data, _, _ = fitted
    strategy.save(tmp_path / "model")
    loaded = FactorizationMachine.load(tmp_path / "model")
    histories = data.histories(profiles=True)
    np.testing.assert_array_equal(loaded.predict(histories, whole(data)), strategy.predict(histories, whole(data)))


@pytest.mark.parametrize("implicit", ["none", "items", "users", "both"])
def test_the_same_seed_gives_the_same_and_another_one_another(implicit: str) -> None:
    data, _, _ = log()
    histories = data.histories(profiles=True)
    first, again, other = (
        FactorizationMachine(**QUICK, implicit=implicit, seed=seed).fit(data).predict(histories, whole(data))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_without_ratings_it_ranks_and_foretells_nothing() -> None:
    data, _, _ = log()
    clicks = Dataset.of(
        pl.DataFrame(
            {
                "user": data.user_ids[data.events["user"]]
                if False
                else [data.user_ids[u] for u in data.events["user"]],
                "item": [data.item_ids[i] for i in data.events["item"]],
            }
        ),
        data.items,
        data.users,
    )
    strategy = FactorizationMachine(**QUICK).fit(clicks)
    assert np.isnan(strategy.predict(clicks.histories(), whole(clicks))).all()
    assert np.isfinite(strategy.score(clicks.histories())).all()


def test_histories_that_hold_high_ratings_alone_are_not_taken_for_enthusiasm() -> None:
    data, means, seen = log(minimum=3.5)
    strategy = FactorizationMachine(factors=4, samples=15, burn_in=20, thin=2).fit(data)
    predicted = strategy.predict(data.histories(profiles=True), whole(data))
    held = ~seen[:, :-1]
    assert abs((predicted - means)[:, :-1][held].mean()) < 0.15


def test_constant_features_and_ratings() -> None:
    """One value for all says nothing; all ratings alike are foretold as they are."""
    events = pl.DataFrame({"user": ["a", "a", "b", "c"], "item": ["x", "y", "x", "y"], "kind": "rating", "value": 4.0})
    people = pl.DataFrame({"user": ["a", "b", "c"], "country": "NL", "empty": ""})
    data = Dataset.of(events, None, people)
    strategy = FactorizationMachine(**QUICK, least=1).fit(data)
    assert len(strategy._attributes) == 0
    np.testing.assert_array_equal(strategy.predict(data.histories(profiles=True), whole(data)), 4.0)


def test_one_user_and_one_item() -> None:
    data = Dataset.of(pl.DataFrame({"user": ["a"], "item": ["x"], "kind": "rating", "value": 2.5}))
    strategy = FactorizationMachine(**QUICK).fit(data)
    np.testing.assert_array_equal(strategy.predict(data.histories(), whole(data)), [[2.5]])
    assert np.isfinite(strategy.score(data.histories())).all()


def test_only_low_ratings_leave_no_history_and_are_still_foretold() -> None:
    data, _, _ = log(minimum=99.0)
    predicted = FactorizationMachine(**QUICK).fit(data).predict(data.histories(profiles=True), whole(data))
    assert np.isfinite(predicted).all()


# ---- attributes


def test_attributes_read_every_kind_of_column() -> None:
    table = pl.DataFrame(
        {
            "genres": ["a|b", "b", "a, c", "", "b"],
            "price": [1.0, 2.0, None, 4.0, 5.0],
            "released": pl.Series(["1994-01-01", "1994-05-01", "2001-01-01", None, "2001-02-02"]).str.to_date(),
            "tags": [["x"], ["x", "y"], None, [], ["y"]],
            "title": ["t1", "t2", "t3", "t4", "t5"],
            "adult": [True, False, True, False, None],
            "blob": pl.Series([b"1", b"2", b"3", b"4", b"5"]),
        }
    )
    found = Attributes.of(table, least=2)
    kept = set(zip(found.columns.tolist(), found.values.tolist(), strict=True))
    assert {("genres", "a"), ("genres", "b"), ("tags", "x"), ("adult", "true"), ("released", "1994")} <= kept
    assert not {"title", "blob"} & set(found.columns)
    X = found.encode(Attributes.texts(table), 5).toarray()
    a, b = (np.flatnonzero((found.columns == "genres") & (found.values == value))[0] for value in "ab")
    np.testing.assert_allclose(X[:, a], [2**-0.5, 0, 2**-0.5, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(X[:, b], [2**-0.5, 1, 0, 0, 1], rtol=1e-6)
    steps = np.flatnonzero((found.columns == "price") & ~np.isnan(found.edges))
    assert (np.diff(X[[0, 1, 3, 4]][:, steps].sum(axis=1)) >= 0).all()  # stairs: a higher price has climbed more
    assert X[2, steps].sum() == 0
    restored = Attributes.restore("user", found.arrays("user"))
    np.testing.assert_array_equal(restored.encode(Attributes.texts(table), 5).toarray(), X)


def test_attributes_of_nothing() -> None:
    empty = Attributes.of(pl.DataFrame(), 3)
    assert empty.encode({"age": np.array(["1"], dtype=object)}, 1).shape == (1, 0)
    assert Attributes.of(pl.DataFrame({"age": pl.Series([None, None, None], dtype=pl.Int64)}), 1).columns.size == 0


def test_a_long_description_is_no_feature() -> None:
    table = pl.DataFrame(
        {"description": ["word, " * 20_000 + str(row) for row in range(4)], "emoji": ["🍋|寿司"] * 3 + [""]}
    )
    found = Attributes.of(table, least=3)
    assert set(found.values.tolist()) == {"🍋", "寿司"}


@pytest.mark.data
@pytest.mark.slow
def test_movielens_first_fold(data_dir: Path) -> None:
    columns = ["user", "item", "value", "time"]
    base, test = (
        pl.read_csv(data_dir / f"ml-100k/raw/u1.{part}", separator="\t", has_header=False, new_columns=columns)
        .with_columns(pl.col("user", "item").cast(pl.String), kind=pl.lit("rating"))
        .with_columns(column=pl.int_range(pl.len()).over("user"))
        for part in ("base", "test")
    )
    everybody = pl.concat([base, test])
    data = Dataset.of(base, everybody.select("item").unique(), everybody.select("user").unique())
    users, places = data.user_ids.indices(test["user"]), test["column"].to_numpy()
    asked = np.full((data.n_users, int(places.max()) + 1), -1, dtype=np.int32)
    asked[users, places] = data.item_ids.indices(test["item"])
    strategy = FactorizationMachine(factors=16, samples=20, burn_in=40, thin=4).fit(data)
    predicted = strategy.predict(data.histories(), asked)[users, places]
    assert np.sqrt(np.mean((predicted - test["value"].to_numpy()) ** 2)) < 0.915  # without any attribute
