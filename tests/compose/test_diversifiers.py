"""Diversifiers against loops that are written as the papers write them, and against numbers worked out elsewhere."""

import numpy as np
import pytest
from scipy import sparse

from recloop.compose.diversity import (
    Categories,
    Diversifier,
    calibrated,
    determinantal,
    explicit_aspects,
    proportional,
    unit,
)
from recloop.compose.diversity.diversify import diversify
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError

BY_CATEGORY = {"xquad": explicit_aspects, "pm2": proportional, "calibrated": calibrated}


def candidates(n: int, m: int, n_items: int, seed: int, *, short: bool = True) -> Rankings:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(n_items)[:m] for _ in range(n)]).astype(np.int32)
    scores = -np.sort(-rng.random((n, m)), axis=1).astype(np.float32)
    for row in range(n if short else 0):  # some rows hold fewer candidates than others, some fewer than the slate
        held = rng.integers(1, m + 1)
        items[row, held:], scores[row, held:] = -1, -np.inf
    return Rankings(items, scores)


def in_range(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)


def row(rankings: Rankings, at: int) -> tuple[np.ndarray, np.ndarray]:
    held = rankings.items[at] >= 0
    return rankings.items[at, held], in_range(rankings.scores[at, held].astype(np.float64))


def first_best(gains: dict[int, float]) -> int:
    return min(c for c, gain in gains.items() if gain >= max(gains.values()) - 1e-6)


@pytest.mark.parametrize("diversity", [0.3, 0.5, 0.8])
def test_determinants_against_numpy(diversity: float) -> None:
    # the greedy choice by the determinant itself: Chen, Zhang & Zhou 2018, equation 5
    vectors = unit(np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32))
    rankings = candidates(25, 12, 60, seed=2)
    found = determinantal(rankings, vectors, 6, diversity=diversity)
    steep = (1 - diversity) / diversity / 2
    for at in range(25):
        items, relevant = row(rankings, at)
        quality = np.exp(steep * relevant)
        kernel = quality[:, None] * (vectors[items].astype(float) @ vectors[items].T.astype(float)) * quality[None]
        taken: list[int] = []
        while len(taken) < min(6, len(items)):
            gains = {
                c: float(np.linalg.det(kernel[np.ix_([*taken, c], [*taken, c])]))
                for c in range(len(items))
                if c not in taken
            }
            best = max(gains.values())
            taken.append(min(c for c, gain in gains.items() if gain >= best * (1 - 1e-5)))
        assert found[at][found[at] >= 0].tolist() == taken


def test_a_determinant_of_two_by_hand() -> None:
    # cosines .8 (items 0, 1) and 0 (items 0, 2): det = 1 - cos^2 = .36 and 1, times q^2 = exp(2 a r), a = 1/2:
    # .36 e^.9 = .885 against e^.5 = 1.649, so item 2 comes second although it is less relevant
    rankings = Rankings(np.array([[0, 1, 2, 3]], np.int32), np.array([[1.0, 0.9, 0.5, 0.0]], np.float32))
    vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    assert determinantal(rankings, vectors, 4, diversity=0.5).tolist() == [[0, 2, 1, 3]]


def test_what_the_slate_spans_already_follows_in_order_of_relevance() -> None:
    rankings = Rankings(np.array([[0, 1, 2, 3]], np.int32), np.array([[4.0, 3.0, 2.0, 1.0]], np.float32))
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    assert determinantal(rankings, vectors, 4, diversity=0.9).tolist() == [[0, 3, 1, 2]]


def test_no_diversity_keeps_the_order() -> None:
    rankings = candidates(10, 9, 30, seed=3)
    vectors = unit(np.random.default_rng(3).normal(size=(30, 4)).astype(np.float32))
    shares, wanted = np.full((30, 2), 0.5, np.float32), np.full((10, 2), 0.5, np.float32)
    order = np.where(rankings.items[:, :5] >= 0, np.arange(5), -1)
    np.testing.assert_array_equal(determinantal(rankings, vectors, 5, diversity=0.0), order)
    np.testing.assert_array_equal(explicit_aspects(rankings, shares, wanted, 5, diversity=0.0), order)
    np.testing.assert_array_equal(calibrated(rankings, shares, wanted, 5, diversity=0.0), order)


def world(seed: int) -> tuple[Rankings, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shares = (rng.random((50, 6)) < 0.35).astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return candidates(30, 14, 50, seed), shares, rng.dirichlet(np.ones(6), 30).astype(np.float32)


@pytest.mark.parametrize("diversity", [0.2, 0.6, 0.95])
def test_aspects_against_the_loop(diversity: float) -> None:
    rankings, shares, wanted = world(4)
    found = explicit_aspects(rankings, shares, wanted, 7, diversity=diversity)
    for at in range(30):
        items, relevant = row(rankings, at)
        taken: list[int] = []
        while len(taken) < min(7, len(items)):
            left = np.prod([1 - shares[items[t]].astype(float) for t in taken], axis=0) if taken else np.ones(6)
            gains = {
                c: (1 - diversity) * relevant[c] + diversity * float(wanted[at] * shares[items[c]] @ left)
                for c in range(len(items))
                if c not in taken
            }
            taken.append(first_best(gains))
        assert found[at][found[at] >= 0].tolist() == taken


@pytest.mark.parametrize("diversity", [0.5, 0.8, 1.0])
def test_proportionality_against_the_loop(diversity: float) -> None:
    rankings, shares, wanted = world(5)
    found = proportional(rankings, shares, wanted, 7, diversity=diversity)
    for at in range(30):
        items, relevant = row(rankings, at)
        taken: list[int] = []
        seats = np.zeros(6)
        while len(taken) < min(7, len(items)):
            quotient = wanted[at] / (2 * seats + 1)
            turn = int(quotient.argmax())
            weight = np.where(np.arange(6) == turn, diversity, 1 - diversity) * quotient
            gains = {c: relevant[c] * float(shares[items[c]] @ weight) for c in range(len(items)) if c not in taken}
            best = first_best(gains)
            taken.append(best)
            total = shares[items[best]].sum()
            seats += shares[items[best]] / total if total else 0
        assert found[at][found[at] >= 0].tolist() == taken


def test_seats_of_an_election() -> None:
    # votes of 53,000, 24,000 and 23,000 for seven seats: 3, 2 and 2 by Sainte-Lague
    shares = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    rankings = Rankings(np.arange(30, dtype=np.int32)[None], np.linspace(1, 0.5, 30, dtype=np.float32)[None])
    found = proportional(rankings, shares, np.array([[0.53, 0.24, 0.23]], np.float32), 7, diversity=1.0)
    assert np.bincount(found[0] // 10).tolist() == [3, 2, 2]


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    mixed = 0.99 * q + 0.01 * p
    return float(sum(a * np.log(a / b) for a, b in zip(p, mixed, strict=True) if a > 0))


@pytest.mark.parametrize("diversity", [0.3, 0.7, 0.99])
def test_calibration_against_the_loop(diversity: float) -> None:
    rankings, shares, wanted = world(6)
    shares[shares.sum(axis=1) == 0, 0] = 1  # Steck's q is a distribution: every item is of something
    found = calibrated(rankings, shares, wanted, 7, diversity=diversity)
    for at in range(30):
        items, relevant = row(rankings, at)
        taken: list[int] = []
        while len(taken) < min(7, len(items)):
            gains = {
                c: (1 - diversity) * float(relevant[[*taken, c]].sum())
                - diversity
                * divergence(wanted[at].astype(float), shares[items[[*taken, c]]].mean(axis=0).astype(float))
                for c in range(len(items))
                if c not in taken
            }
            taken.append(first_best(gains))
        assert found[at][found[at] >= 0].tolist() == taken


def test_a_calibrated_slate_has_the_shares_of_the_history() -> None:
    # Steck 2018, section 1: 70 romances and 30 action films watched, so 7 and 3 of ten are to be recommended
    shares = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)
    scores = np.concatenate([np.linspace(1, 0.9, 20), np.linspace(0.5, 0.4, 20)]).astype(np.float32)
    rankings = Rankings(np.arange(40, dtype=np.int32)[None], scores[None])
    taste = np.array([[0.7, 0.3]], np.float32)
    assert np.bincount(calibrated(rankings, shares, taste, 10, diversity=0.0)[0] // 20, minlength=2).tolist() == [10, 0]
    assert np.bincount(calibrated(rankings, shares, taste, 10, diversity=0.99)[0] // 20).tolist() == [7, 3]


def test_taste_is_the_weighted_share_of_categories() -> None:
    categories = Categories.of(sparse.csr_array(np.array([[1, 1], [0, 1], [0, 0]], np.float32)), ("drama", "war"))
    histories = Histories.of([[0, 1], [2], []], n_items=3)
    histories.weights[:2] = [1.0, 3.0]
    # (.5 * 1, .5 * 1 + 1 * 3) / 4
    assert categories.taste(histories).tolist() == [[0.125, 0.875], [0.0, 0.0], [0.0, 0.0]]
    rankings = Rankings(np.array([[0, 1]] * 3, np.int32), np.ones((3, 2), np.float32))
    assert categories.wanted(histories, rankings).tolist() == [[0.125, 0.875], [0.25, 0.75], [0.25, 0.75]]


def test_a_user_without_a_history_gets_the_order_calibrated() -> None:
    categories = Categories.of(sparse.csr_array(np.eye(3, dtype=np.float32)), ("a", "b", "c"))
    rankings = Rankings(np.array([[2, 0, 1]], np.int32), np.array([[3.0, 2.0, 1.0]], np.float32))
    how = Diversifier(kind="calibrated", strength=0.9)
    assert diversify(how, rankings, Histories.of([[]], n_items=3), 3, categories=categories).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("kind", list(BY_CATEGORY))
def test_the_size_of_a_batch_changes_nothing(kind: str) -> None:
    rankings, shares, wanted = world(7)
    whole = BY_CATEGORY[kind](rankings, shares, wanted, 8, diversity=0.6)
    for at in range(30):
        one = Rankings(rankings.items[at : at + 1], rankings.scores[at : at + 1])
        np.testing.assert_array_equal(
            BY_CATEGORY[kind](one, shares, wanted[at : at + 1], 8, diversity=0.6)[0], whole[at]
        )


def test_determinants_one_by_one_and_in_blocks() -> None:
    rankings = candidates(80, 100, 300, seed=8, short=False)
    vectors = unit(np.random.default_rng(8).normal(size=(300, 64)).astype(np.float32))
    whole = determinantal(rankings, vectors, 10, diversity=0.6)
    for at in range(80):
        one = Rankings(rankings.items[at : at + 1], rankings.scores[at : at + 1])
        np.testing.assert_array_equal(determinantal(one, vectors, 10, diversity=0.6)[0], whole[at])


@pytest.mark.parametrize("kind", ["mmr", "dpp", "xquad", "pm2", "calibrated"])
def test_nothing_to_choose_from(kind: str) -> None:
    categories = Categories.of(sparse.csr_array(np.eye(2, dtype=np.float32)), ("a", "b"))
    vectors, histories = np.eye(2, dtype=np.float32), Histories.of([[], [0]], n_items=2)
    for m in (0, 3):
        empty = Rankings(np.full((2, m), -1, np.int32), np.full((2, m), -np.inf, np.float32))
        how = Diversifier(kind=kind, strength=0.5)
        assert diversify(how, empty, histories, 2, vectors=vectors, categories=categories).tolist() == [[-1, -1]] * 2


def test_wrong_input() -> None:
    rankings, shares, wanted = world(9)
    with pytest.raises(SettingError) as caught:
        proportional(rankings, shares, wanted, 3, diversity=-0.1)
    assert str(caught.value) == "diversity is -0.1; it must be a number between 0 and 1."
    for wrong in (wanted[:-1], wanted[:, :-1], np.where(wanted > 0.5, np.nan, wanted), -wanted):
        with pytest.raises(SettingError, match="shares of at least 0 are needed for 30 requests and 6 categories"):
            explicit_aspects(rankings, shares, wrong, 3, diversity=0.5)
    with pytest.raises(SettingError, match="no item of the catalogue has a category, which the policy needs"):
        Categories.of(sparse.csr_array((3, 0), dtype=np.float32), ())
