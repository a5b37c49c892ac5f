"""Numbers that can be computed in another way: by hand, by another solver, or by simulation."""

import numpy as np
import pytest
from scipy import optimize, stats

from recloop.bandits import (
    KLUCB,
    UCB1,
    BetaThompson,
    EpsilonGreedy,
    Exp3,
    GaussianThompson,
    LinTS,
    LinUCB,
    LogisticThompson,
    Outcomes,
    TopTwo,
)
from recloop.bandits.beta_prior import learned_prior
from recloop.bandits.evidence import Spectrum, ridge_and_noise
from recloop.bandits.indices import bernoulli_divergence, kl_ucb_index, ucb1_index
from recloop.bandits.logistic import laplace
from recloop.bandits.thompson import top_two

RNG = np.random.default_rng(8)


def test_ucb1_is_the_formula_of_auer_and_others() -> None:
    # Auer, Cesa-Bianchi & Fischer 2002, figure 1: mean + sqrt(2 ln n / n_j), n the choices so far
    state = UCB1().initial(["a", "b", "c"])
    state = UCB1().update(state, Outcomes(["a"] * 4 + ["b"] * 2, [1, 1, 0, 0, 1, 0]))
    index = ucb1_index(state.array("pulls"), state.array("total"), 6.0)
    np.testing.assert_allclose(index[:2], [0.5 + np.sqrt(2 * np.log(6) / 4), 0.5 + np.sqrt(2 * np.log(6) / 2)])
    assert index[2] == np.inf
    assert UCB1().propensities(state).tolist() == [[0.0, 0.0, 1.0]]


def test_kl_ucb_is_what_another_solver_finds() -> None:
    pulls, total, n = np.array([5.0, 80.0, 12.0, 30.0]), np.array([1.0, 60.0, 0.0, 30.0]), 127.0
    found = kl_ucb_index(pulls, total, n, slack=3.0)
    bound = np.log(n) + 3 * np.log(np.log(n))
    for place in range(2):
        mean = total[place] / pulls[place]
        q = optimize.brentq(
            lambda q, m=mean, p=pulls[place]: p * bernoulli_divergence(np.array(m), np.array(q)) - bound,
            mean,
            1 - 1e-12,
        )
        assert found[place] == pytest.approx(q, abs=1e-9)
    # with no success kl(0, q) = -ln(1 - q): q = 1 - exp(-bound / n)
    assert found[2] == pytest.approx(1 - np.exp(-bound / 12), abs=1e-9)
    assert found[3] == pytest.approx(1.0)
    assert KLUCB().propensities(KLUCB().initial(["a", "b"])).tolist() == [[0.5, 0.5]]


def test_exp3_weights() -> None:
    # Bubeck & Cesa-Bianchi 2012, figure 3.1: p ~ exp(-eta * sum of loss / chance)
    bandit = Exp3(rate=0.2)
    came = Outcomes(["a", "b", "a"], [0.25, 1.0, 0.0], propensities=np.array([0.5, 0.5, 0.25]))
    losses = np.array([0.75 / 0.5 + 1 / 0.25, 0.0])
    expected = np.exp(-0.2 * losses) / np.exp(-0.2 * losses).sum()
    state = bandit.update(bandit.initial(["a", "b"]), came)
    np.testing.assert_allclose(bandit.propensities(state)[0], expected)
    falling = np.exp(-np.sqrt(np.log(2) / (2 * 3)) * losses)
    state = Exp3().update(Exp3().initial(["a", "b"]), came)
    np.testing.assert_allclose(Exp3().propensities(state)[0], falling / falling.sum())


def test_epsilon_falls_as_it_should() -> None:
    bandit = EpsilonGreedy(epsilon=5.0, decay=1.0)
    state = bandit.update(bandit.initial(["a", "b"]), Outcomes(["a"] * 50 + ["b"] * 50, [1.0] * 50 + [0.0] * 50))
    np.testing.assert_allclose(bandit.propensities(state)[0], [0.95, 0.05])  # 5 * 2 / 100 even


def test_lin_ucb_is_the_formula_of_li_and_others() -> None:
    # Li et al. 2010, algorithm 1: x' A^-1 b + alpha sqrt(x' A^-1 x), A = I + sum x x'; alpha is width * noise
    x, arms, y = RNG.normal(size=(50, 4)), RNG.integers(0, 3, 50), RNG.normal(size=50)
    bandit = LinUCB(ridge=1.0, noise=0.7, width=1.5)
    state = bandit.update(bandit.initial(["a", "b", "c"], features=4), Outcomes(arms, y, x))
    at = RNG.normal(size=(5, 4))
    found = bandit.bounds(state, at)
    for arm in range(3):
        own = arms == arm
        a = np.eye(4) + x[own].T @ x[own]
        inverse = np.linalg.inv(a)
        expected = at @ inverse @ x[own].T @ y[own] + 1.5 * 0.7 * np.sqrt(np.einsum("nd,de,ne->n", at, inverse, at))
        np.testing.assert_allclose(found[:, arm], expected, rtol=1e-10)


def test_beliefs_are_reshaped_by_their_width() -> None:
    # Chapelle & Li 2011, section 3: Beta(a / w², b / w²); with w = .5 Beta(2, 1) and Beta(1, 2) become (8, 4) and (4, 8)
    came = Outcomes(["a", "b"], [1.0, 0.0])
    bandit = BetaThompson(prior="fixed", width=0.5)
    share = bandit.propensities(bandit.update(bandit.initial(["a", "b"]), came))[0]
    rate = np.linspace(0, 1, 20_001)
    expected = np.trapezoid(stats.beta.pdf(rate, 8, 4) * stats.beta.cdf(rate, 4, 8), rate)
    np.testing.assert_allclose(share, [expected, 1 - expected], atol=1e-7)
    wide, narrow = GaussianThompson(), GaussianThompson(width=0.5)
    state = wide.update(wide.initial(["a", "b"]), Outcomes(["a", "a", "b", "b"], [1.0, 0.8, 0.3, 0.1]))
    mean, deviation = wide.posterior(state)
    reach = (mean[0] - mean[1]) / np.hypot(*deviation)
    np.testing.assert_allclose(wide.propensities(state)[0, 0], stats.norm.cdf(reach), atol=1e-7)
    np.testing.assert_allclose(narrow.propensities(state)[0, 0], stats.norm.cdf(2 * reach), atol=1e-7)


def test_top_two_is_what_drawing_gives() -> None:
    best = np.array([[0.7, 0.2, 0.08, 0.02]])
    n = 200_000
    first = RNG.choice(4, n, p=best[0])
    second = first.copy()
    while (again := second == first).any():
        second[again] = RNG.choice(4, int(again.sum()), p=best[0])
    drawn = np.where(RNG.random(n) < 0.5, first, second)
    share = top_two(best, 0.5)[0]
    assert (np.abs(np.bincount(drawn, minlength=4) / n - share) < 5 * np.sqrt(share / n)).all()
    np.testing.assert_allclose(top_two(np.array([[1.0, 0.0, 0.0]]), 0.5), [[0.5, 0.25, 0.25]])


@pytest.mark.slow
def test_top_two_finds_the_best_arm_sooner() -> None:
    """A simulation: after 1,500 outcomes of close arms, top-two is surer which is the best than Thompson sampling."""
    rates = np.array([0.5, 0.42, 0.4, 0.38, 0.35])
    sure = {}
    for name, bandit in (("top", TopTwo(prior="fixed")), ("thompson", BetaThompson(prior="fixed"))):
        right = []
        for seed in range(30):
            rng, state = np.random.default_rng(seed), bandit.initial(list("abcde"))
            for _ in range(15):
                share = np.broadcast_to(bandit.propensities(state), (100, 5))
                arms = (rng.random(100)[:, None] >= np.cumsum(share, axis=1)[:, :-1]).sum(axis=1)
                state = bandit.update(state, Outcomes(arms, (rng.random(100) < rates[arms]).astype(float)))
            right.append(BetaThompson(prior="fixed")._share(state, None)[0, 0])
        sure[name] = float(np.mean(right))
    assert sure["top"] > sure["thompson"]


def test_posterior_samples_have_the_right_covariance_and_independent_arms() -> None:
    bandit = LinTS(ridge=1.0, noise=0.5)
    x, arms = RNG.normal(size=(30, 3)) @ np.array([[1, 0.8, 0], [0, 1, 0.3], [0, 0, 0.4]]), RNG.integers(0, 2, 30)
    state = bandit.update(bandit.initial(["a", "b"], features=3), Outcomes(arms, x.sum(axis=1), x))
    posterior = bandit.posterior(state)
    n = 60_000
    draws = posterior.samples(np.random.default_rng(1), n).reshape(n, 6)
    found = np.cov(draws.T)
    expected = np.zeros((6, 6))
    for arm in range(2):
        own = x[arms == arm]
        expected[3 * arm : 3 * arm + 3, 3 * arm : 3 * arm + 3] = 0.25 * np.linalg.inv(np.eye(3) + own.T @ own)
    # the variance of a sampled covariance: (s_ij² + s_ii s_jj) / n, off the blocks, where arms meet, too
    error = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / n)
    assert (np.abs(found - expected) < 5 * error).all()
    np.testing.assert_allclose(
        draws.mean(axis=0), posterior.means.ravel(), atol=5 * np.sqrt(np.diag(expected).max() / n)
    )


def test_updates_one_by_one_stay_exact() -> None:
    bandit = LinTS(ridge=0.5)
    x, arms = RNG.normal(size=(3000, 12)), RNG.integers(0, 9, 3000)
    y = x.sum(axis=1)
    state = bandit.initial([str(arm) for arm in range(9)], features=12)
    bandit.posterior(state)
    for row in range(3000):
        one = slice(row, row + 1)
        state = bandit.update(state, Outcomes(arms[one], y[one], x[one]))
    fresh = bandit.posterior(type(state).of(state.to_dict()))
    np.testing.assert_allclose(bandit.posterior(state).inverses, fresh.inverses, atol=1e-10)
    np.testing.assert_allclose(bandit.posterior(state).means, fresh.means, atol=1e-10)


def test_the_ridge_is_the_one_of_greatest_evidence() -> None:
    """Against the density of a multivariate normal distribution, computed in full."""
    from scipy.stats import multivariate_normal

    x = RNG.normal(size=(40, 5))
    y = x @ RNG.normal(0, 0.3, 5) + RNG.normal(0, 0.5, 40)
    sums = Spectrum.of((x.T @ x)[None], (x.T @ y)[None])
    ridge, noise = ridge_and_noise(sums, np.array([40.0]), np.array([y @ y]), 0.5)

    def evidence(at: float, variance: float) -> float:
        own = multivariate_normal.logpdf(y, np.zeros(40), variance * (np.eye(40) + x @ x.T / at))
        advance = -0.5 * 2 * (np.log(variance) + 0.25 / variance)  # two outcomes of the noise that is expected
        return float(own + advance - 0.5 * (np.log(at) / 2) ** 2)

    best = evidence(ridge, noise)
    assert all(best >= evidence(ridge * factor, noise) - 1e-9 for factor in (0.5, 0.74, 1.35, 2.0))
    assert all(best >= evidence(ridge, noise * factor) - 1e-9 for factor in (0.8, 0.95, 1.05, 1.25))


def test_a_learned_prior_is_the_most_likely_one() -> None:
    from scipy.special import betaln

    won, lost = np.array([3.0, 8, 1, 5, 0]), np.array([40.0, 60, 30, 41, 22])
    a, b = learned_prior(tuple(won), tuple(lost))

    def fit(p: float, q: float) -> float:
        size = np.log(p + q)
        return float((betaln(p + won, q + lost) - betaln(p, q)).sum() + np.log(p * q) - 2.5 * size)

    assert all(fit(a, b) > fit(a * r, b * s) for r in (0.8, 1, 1.25) for s in (0.8, 1, 1.25) if (r, s) != (1, 1))
    assert learned_prior((0.0, 0.0), (0.0, 0.0)) == (1.0, 1.0)


def test_laplace_finds_the_mode() -> None:
    x = RNG.normal(size=(60, 3)) * 3
    y = (RNG.random(60) < 1 / (1 + np.exp(-x @ [1, -1, 0.5]))).astype(float)
    mean, precision = np.array([0.2, 0.0, 0.0]), np.diag([1.0, 2.0, 0.5])

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, x @ w).sum() - y @ (x @ w) + 0.5 * (w - mean) @ precision @ (w - mean))

    mode, curve = laplace(mean, precision, x, y)
    np.testing.assert_allclose(mode, optimize.minimize(loss, mean, method="BFGS", tol=1e-10).x, atol=1e-5)
    rate = 1 / (1 + np.exp(-x @ mode))
    np.testing.assert_allclose(curve, precision + (x * (rate * (1 - rate))[:, None]).T @ x)
    hard = laplace(np.zeros(3), np.eye(3) * 1e-3, x * 100, y)[0]  # long steps do not run away
    assert np.isfinite(hard).all()
    assert LogisticThompson().initial(["a"], features=2).array("mean").shape == (1, 2)
