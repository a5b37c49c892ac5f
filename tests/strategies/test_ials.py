import time

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies.factors import descend, solve, to_eigenbasis
from recloop.strategies.ials import IALS
from recloop.strategies.popular import Popular
from recloop.testing.strategy import small_shop


def weight_of_a_pair(X: np.ndarray, strategy: IALS) -> float:
    """What a pair without an event weighs, as the docstring writes it."""
    return float(strategy.unobserved * X.sum() / ((X > 0).any(axis=1).sum() * (X > 0).any(axis=0).sum()))


def loss(X: np.ndarray, U: np.ndarray, V: np.ndarray, unobserved: float, reg: float) -> float:
    """The objective as its docstring writes it, term by term."""
    P = U @ V.T
    n_u, n_i = (X > 0).sum(axis=1), (X > 0).sum(axis=0)
    n_users, n_items = (n_u > 0).sum(), (n_i > 0).sum()
    return float(
        (X * (P - 1) ** 2).sum()
        + unobserved * (P**2).sum()
        + reg * ((n_u + unobserved * n_items) * (U**2).sum(axis=1)).sum()
        + reg * ((n_i + unobserved * n_users) * (V**2).sum(axis=1)).sum()
    )


def solve_one(x: np.ndarray, Y: np.ndarray, unobserved: float, reg: float) -> np.ndarray:
    """The normal equations of one row, with nothing clever. An item without events has a vector of zeros."""
    ridge = reg * ((x > 0).sum() + unobserved * Y.any(axis=1).sum())
    A = unobserved * Y.T @ Y + (Y * x[:, None]).T @ Y + ridge * np.eye(Y.shape[1])
    return np.linalg.solve(A, Y.T @ x)


def exact_als(X: np.ndarray, strategy: IALS) -> np.ndarray:
    rng = np.random.default_rng(strategy.seed)
    V = rng.standard_normal((X.shape[1], strategy.factors)) * 0.1 / np.sqrt(strategy.factors)
    unobserved = weight_of_a_pair(X, strategy)
    for _ in range(strategy.iterations):
        U = np.stack([solve_one(row, V, unobserved, strategy.reg) for row in X])
        V = np.stack([solve_one(column, U, unobserved, strategy.reg) for column in X.T])
    return V


def test_training_reaches_the_loss_of_exact_least_squares() -> None:
    data = small_shop(users=80, items=40)
    X = data.matrix().toarray().astype(np.float64)
    strategy = IALS(factors=8, iterations=30, unobserved=0.3, reg=0.01).fit(data)
    unobserved = weight_of_a_pair(X, strategy)

    def best_loss(V: np.ndarray) -> float:
        U = np.stack([solve_one(row, V, unobserved, strategy.reg) for row in X])
        return loss(X, U, V, unobserved, strategy.reg)

    start = best_loss(IALS(factors=8, iterations=1, unobserved=0.3, reg=0.01).fit(data)._factors.astype(np.float64))
    mine, exact = best_loss(strategy._factors.astype(np.float64)), best_loss(exact_als(X, strategy))
    assert exact < 0.9 * start
    assert mine == pytest.approx(exact, rel=0.02)


def test_fold_in_solves_the_normal_equations() -> None:
    data = small_shop()
    strategy = IALS(factors=8).fit(data)
    histories = Histories.of([[0, 3, 3, 7], [], [5], list(range(40))], data.n_items)
    folded = strategy.fold_in(histories)
    unobserved = weight_of_a_pair(data.matrix().toarray(), strategy)
    for row, x in enumerate(histories.matrix().toarray().astype(np.float64)):
        expected = solve_one(x, strategy._factors.astype(np.float64), unobserved, strategy.reg)
        np.testing.assert_allclose(folded[row], expected, atol=1e-4)
        np.testing.assert_allclose(strategy.fold_in(histories.block(row, row + 1))[0], expected, atol=1e-4)
    assert (folded[1] == 0).all()


def test_who_and_what_has_no_event_does_not_change_what_is_learned() -> None:
    """Registered users and catalogued items without events do not thin the data out."""
    pairs = [(user, item) for user in range(12) for item in range(8) if (user * item) % 3 != 1]
    log = pl.DataFrame({"user": [f"u{user:02}" for user, _ in pairs], "item": [f"i{item:02}" for _, item in pairs]})
    items = pl.DataFrame({"item": [f"i{item:02}" for item in range(30)]})
    users = pl.DataFrame({"user": [f"u{user:02}" for user in range(50)]})
    history = [[0, 3, 5]]
    # the starting vectors are drawn row by row, so that the first items start alike in both
    alone, among = (Dataset.of(log, *tables) for tables in ((), (items, users)))
    assert (among.n_users, among.n_items) == (50, 30)
    first, second = (IALS(factors=4, iterations=30).fit(data) for data in (alone, among))
    np.testing.assert_allclose(
        second.score(Histories.of(history, 30))[:, :8], first.score(Histories.of(history, 8)), atol=1e-3
    )


def test_eigenbasis_keeps_dot_products() -> None:
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((50, 6)).astype(np.float32)
    turned, spectrum, basis = to_eigenbasis(Y)
    np.testing.assert_allclose(turned @ turned.T, Y @ Y.T, atol=1e-4)
    np.testing.assert_allclose(turned.T @ turned, np.diag(spectrum), atol=1e-4)
    np.testing.assert_allclose(Y @ basis, turned, atol=1e-5)


def test_steps_lead_to_the_solution() -> None:
    rng = np.random.default_rng(1)
    rows = sparse.csr_array(sparse.random_array((20, 30), density=0.3, rng=rng, dtype=np.float32))
    Y, spectrum, _ = to_eigenbasis(rng.standard_normal((30, 5)).astype(np.float32))
    ridges = np.full(20, 0.5, np.float32)
    goal = solve(rows, Y, spectrum, ridges)
    start = np.ones((20, 5), np.float32)
    far = [np.abs(descend(rows, Y, spectrum, ridges, start, steps) - goal).max() for steps in (0, 2, 20)]
    assert far[0] > far[1] > far[2]
    assert far[2] < 1e-4


def test_events_of_no_or_negative_weight_do_no_harm() -> None:
    data = small_shop()
    strategy = IALS(factors=4, iterations=3).fit(data)
    histories = Histories.of([[1, 2]], data.n_items)
    histories.weights[:] = [-1, 1]
    assert np.isfinite(strategy.score(histories)).all()


def test_empty_histories_get_what_is_popular() -> None:
    data = small_shop()
    empty = Histories.of([[]], data.n_items)
    assert (
        IALS(factors=4, iterations=2).fit(data).rank(empty, 5).items.tolist()
        == Popular().fit(data).rank(empty, 5).items.tolist()
    )


def test_fold_in_of_one_history_is_quick() -> None:
    """Under 0.3 ms of CPU for 50 events and 64 factors on a free core; the best of many runs, as others use the machine."""
    data = small_shop(users=300, items=400, length=50)
    strategy = IALS(iterations=1).fit(data)
    histories = [data.histories(np.array([user])) for user in range(100)]
    runs = []
    for _ in range(10):
        start = time.process_time()
        for history in histories:
            strategy.fold_in(history)
        runs.append((time.process_time() - start) / len(histories))
    assert min(runs) < 0.0006


def test_the_seed_is_the_only_chance() -> None:
    data: Dataset = small_shop()
    histories = data.histories()
    first, same, other = (IALS(factors=4, seed=seed).fit(data).score(histories) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-6
