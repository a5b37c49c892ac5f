import numpy as np
import pytest
from scipy import special

from recloop.stats.adaptive.best_arm import probability_best


def closed_form(a: int, b: int, c: int, d: int) -> float:
    """P(Beta(a, b) > Beta(c, d)) for whole numbers: Cook 2005, "Exact calculation of beta inequalities"."""
    i = np.arange(a)
    return float(
        np.exp(special.betaln(c + i, b + d) - np.log(b + i) - special.betaln(1 + i, b) - special.betaln(c, d)).sum()
    )


@pytest.mark.parametrize(
    ("a", "b", "c", "d"), [(1, 1, 1, 1), (2, 1, 1, 2), (5, 40, 3, 50), (120, 9100, 100, 9000), (1, 1, 5000, 50000)]
)
def test_two_arms_against_the_closed_form(a: int, b: int, c: int, d: int) -> None:
    assert probability_best([a, c], [b, d])[0] == pytest.approx(closed_form(a, b, c, d), abs=1e-8)


def test_equal_arms_are_chosen_alike() -> None:
    np.testing.assert_allclose(probability_best([3] * 7, [50] * 7), 1 / 7, atol=1e-12)


def test_five_arms_against_a_million_draws() -> None:
    rng = np.random.default_rng(11)
    a, b = np.array([1.0, 12, 30, 4.5, 300]), np.array([1.0, 100, 200, 60, 2600])
    draws = np.bincount(rng.beta(a, b, (1_000_000, 5)).argmax(axis=1), minlength=5) / 1e6
    exact = probability_best(a, b)
    error = np.sqrt(exact * (1 - exact) / 1e6)
    assert (np.abs(draws - exact) < 5 * error).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_probabilities_whatever_the_evidence(scale: float) -> None:
    rng = np.random.default_rng(12)
    share = probability_best(rng.random(10) * scale + 1e-3, rng.random(10) * scale + 1e-3)
    assert (share >= 0).all()
    assert share.sum() == pytest.approx(1.0, abs=1e-12)


def test_nearly_no_evidence() -> None:
    # P(Beta(ε, 1) > U) = E[Beta(ε, 1)] = ε / (1 + ε)
    assert probability_best([0.01, 1], [1, 1])[0] == pytest.approx(0.01 / 1.01, abs=1e-8)


def test_one_arm_is_the_best() -> None:
    assert probability_best([3], [4]).tolist() == [1.0]


def test_the_answer_may_be_changed_by_its_owner() -> None:
    first = probability_best([2, 3], [4, 5])
    first[:] = 0
    assert probability_best([2, 3], [4, 5]).sum() == pytest.approx(1.0)
