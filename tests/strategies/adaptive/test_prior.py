"""The posterior of a head, against Bayes' rule written out; learning, against a world that is known."""

import numpy as np
import pytest
from scipy import sparse

from recloop.strategies.adaptive.learn import Learner, Meta
from recloop.strategies.adaptive.packed import pack, twice, unpack
from recloop.strategies.adaptive.prior import Evidence, Prior


def some_prior(m: int = 7, d: int = 3, f: int = 2, seed: int = 0) -> tuple[Prior, np.ndarray]:
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(m, d + 1))
    half = rng.normal(0, 0.3, (m, d + 1, d + 1))
    covariances = half @ half.transpose(0, 2, 1)
    moments = pack(items[:, :, None] * items[:, None, :] + covariances)
    return Prior(items, moments, rng.normal(size=(f, d)), 0.5), covariances


def ratings(n: int, m: int, seed: int = 1) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    return sparse.csr_array(np.where(rng.random((n, m)) < 0.5, rng.integers(1, 6, (n, m)), 0).astype(np.float32))


@pytest.mark.parametrize("unseen", [0.0, 0.1])
def test_the_posterior_is_bayes_rule(unseen: float) -> None:
    prior, covariances = some_prior()
    table = ratings(4, 7)
    profiles = np.random.default_rng(2).normal(size=(4, 2))
    found = prior.adapt(Evidence(Evidence.of(table).counts, table, unseen), sparse.csr_array(profiles))
    for user in range(4):
        precision, pull = np.eye(prior.d), profiles[user] @ prior.profile
        for item in range(7):
            b, v, C = prior.items[item, 0], prior.items[item, 1:], covariances[item]
            seen = float(table[user, item] != 0)
            second = np.outer(v, v) + C[1:, 1:]
            precision = precision + (seen + unseen) / prior.noise * second
            target = seen * table[user, item] * v - (seen + unseen) * (b * v + C[0, 1:])
            pull = pull + target / prior.noise
        np.testing.assert_allclose(found.covariance[user], np.linalg.inv(precision), atol=1e-10)
        np.testing.assert_allclose(found.mean[user], np.linalg.solve(precision, pull), atol=1e-9)


def test_no_evidence_leaves_what_the_profile_says() -> None:
    prior, _ = some_prior()
    profiles = sparse.csr_array(np.array([[1.0, 0.0], [1.0, 1.0]]))
    found = prior.adapt(Evidence.of(sparse.csr_array((2, 7), dtype=np.float32)), profiles)
    np.testing.assert_allclose(found.mean, profiles @ prior.profile)
    np.testing.assert_allclose(found.covariance, np.tile(np.eye(3), (2, 1, 1)))


def test_doubt_is_the_deviation_of_draws() -> None:
    prior, covariances = some_prior()
    heads = prior.adapt(Evidence.of(ratings(1, 7)), sparse.csr_array(np.ones((1, 2))))
    rng = np.random.default_rng(3)
    w = rng.multivariate_normal(heads.mean[0], heads.covariance[0], 200_000)
    for item in range(7):
        t = rng.multivariate_normal(prior.items[item], covariances[item], 200_000)
        answers = t[:, 0] + (t[:, 1:] * w).sum(axis=1)
        doubt = prior.doubt(heads, prior.expect(heads))[0, item]
        assert doubt == pytest.approx(answers.std(), rel=0.02)


def test_packed_matrices() -> None:
    rng = np.random.default_rng(0)
    A, B = (x + x.transpose(0, 2, 1) for x in rng.normal(size=(2, 5, 4, 4)))
    np.testing.assert_array_equal(unpack(pack(A), 4), A)
    np.testing.assert_allclose(pack(A) @ (twice(4) * pack(B)).T, np.einsum("nij,mji->nm", A, B))


def world(n: int, m: int, d: int, p: int, f: int, noise: float, seed: int = 0):
    """Answers of the model itself, half of them seen."""
    rng = np.random.default_rng(seed)
    X = np.c_[np.ones(m), rng.normal(size=(m, p - 1))]
    Z = np.c_[np.ones(n), rng.integers(2, size=(n, f - 1))]
    A = np.c_[np.r_[3.0, rng.normal(0, 0.3, p - 1)], rng.normal(0, 0.4, (p, d))]
    M = rng.normal(0, 0.8, (f, d))
    t = X @ A + rng.normal(0, 0.2, (m, d + 1))
    w = Z @ M + rng.normal(size=(n, d))
    clean = t[:, 0] + w @ t[:, 1:].T
    answers = clean + rng.normal(0, noise, (n, m))
    seen = rng.random((n, m)) < 0.5
    return X, Z, clean, np.where(seen, answers, 0), seen


def blank(p: int, f: int, d: int, answers: np.ndarray, seen: np.ndarray) -> Meta:
    return Meta.blank(p, f, d, float(answers[seen].mean()), float(answers[seen].var()))


def test_rounds_find_the_world_that_made_the_answers() -> None:
    X, Z, clean, answers, seen = world(n=400, m=60, d=2, p=5, f=2, noise=0.5)
    evidence = Evidence.of(sparse.csr_array(np.where(seen, answers, 0)))
    profiles = sparse.csr_array(Z)
    learner = Learner(
        sparse.csr_array(X), np.array([0, 1, 1, 1, 1]), blank(5, 2, 2, answers, seen), rng=np.random.default_rng(1)
    )
    for _ in range(25):
        learner.round(evidence, profiles)
    prior = learner.prior()
    assert np.sqrt(prior.noise) == pytest.approx(0.5, rel=0.05)
    expected = prior.expect(prior.adapt(evidence, profiles))
    unseen_error = np.sqrt(np.mean((expected - clean)[~seen] ** 2))
    assert unseen_error < 0.3 * clean[~seen].std()
    # a calibrated doubt: how far expectations are off, in their own standard deviations
    doubt = prior.doubt(prior.adapt(evidence, profiles), expected)
    assert 0.8 < np.sqrt(np.mean(((expected - clean) / doubt)[~seen] ** 2)) < 1.25


def test_turning_heads_changes_no_expectation() -> None:
    X, Z, _, answers, seen = world(n=50, m=20, d=3, p=3, f=2, noise=0.5)
    profiles = sparse.csr_array(Z)
    learner = Learner(sparse.csr_array(X), np.array([0, 1, 1]), blank(3, 2, 3, answers, seen))
    heads = np.random.default_rng(5).normal(0, 2, (50, 3))
    before = np.c_[np.ones(50), heads] @ learner.items.T
    learner._heads(heads, np.eye(3), profiles)
    after = learner.items
    own = np.linalg.lstsq(after[:, 1:], before.T - after[:, :1], rcond=None)[0].T
    np.testing.assert_allclose(np.c_[np.ones(50), own] @ after.T, before, atol=1e-8)


def test_features_that_tell_nothing_are_not_heard() -> None:
    X, Z, _, answers, seen = world(n=300, m=80, d=2, p=4, f=2, noise=0.5)
    noisy = np.c_[X, np.random.default_rng(7).normal(size=(80, 20))]
    groups = np.array([0, 1, 1, 1] + [2] * 20)
    evidence, profiles = Evidence.of(sparse.csr_array(np.where(seen, answers, 0))), sparse.csr_array(Z)
    learner = Learner(sparse.csr_array(noisy), groups, blank(24, 2, 2, answers, seen), rng=np.random.default_rng(1))
    for _ in range(15):
        learner.round(evidence, profiles)
    assert learner.ridge[4] > 20 * learner.ridge[1]
