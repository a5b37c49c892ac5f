import numpy as np
import pytest

from recloop.bandits.normal_best import chance_of_greatest
from recloop.stats.adaptive.best_arm import probability_best_mean


@pytest.mark.parametrize(("widths", "error"), [(1.0, 5e-5), (5.0, 5e-5), (30.0, 2e-3)])
@pytest.mark.parametrize("k", [2, 5, 20])
def test_it_is_the_exact_one(widths: float, error: float, k: int) -> None:
    rng = np.random.default_rng(k)
    mean, deviation = rng.normal(size=(25, k)), np.exp(rng.uniform(-np.log(widths), 0, (25, k)))
    exact = [probability_best_mean(m, s) for m, s in zip(mean, deviation, strict=True)]
    np.testing.assert_allclose(chance_of_greatest(mean, deviation), exact, atol=error)


def test_certainty_and_ties() -> None:
    share = chance_of_greatest(np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5]]), np.array([[0.0, 0.0, 0.0], [0.1] * 3]))
    np.testing.assert_allclose(share, [[1, 0, 0], [1 / 3] * 3], atol=1e-6)
    assert chance_of_greatest(np.zeros((2, 1)), np.ones((2, 1))).tolist() == [[1.0], [1.0]]
