import numpy as np
import pytest

from recloop.strategies.adaptive.cuts import LEVELS, Cuts

STARS = np.arange(1.0, 6.0)


def skewed(n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Expectations of high ratings on a scale that ends, and what was given."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(4.2, 0.8, n)
    given = np.clip(np.round(latent + rng.normal(0, 0.9, n)), 1, 5)
    slope, start = np.polyfit(latent, given, 1)
    return start + slope * latent, given


def test_medians_err_less_than_rounded_means() -> None:
    expected, given = skewed()
    train, test = slice(0, 10_000), slice(10_000, None)
    cuts = Cuts.of(expected[train], given[train], STARS)
    error = np.abs(cuts.median(expected[test]) - given[test]).mean()
    rounded = np.abs(np.clip(np.round(expected[test]), 1, 5) - given[test]).mean()
    plain = np.abs(expected[test] - given[test]).mean()
    assert error < rounded - 0.01 < plain - 0.01


def test_the_cuts_are_near_the_best_ones() -> None:
    expected, given = skewed()
    cuts = Cuts.of(expected, given, STARS)
    grid = np.linspace(1, 5.5, 300)
    for place in (2, 3):  # the boundaries that many ratings are near
        wrong = [np.mean((expected > cut) != (given > STARS[place])) for cut in grid]
        own = np.mean((expected > cuts.cuts[place]) != (given > STARS[place]))
        assert own < min(wrong) + 0.005


def test_without_ratings_cuts_lie_in_the_middle() -> None:
    assert Cuts.of(np.empty(0), np.empty(0), STARS).cuts.tolist() == [1.5, 2.5, 3.5, 4.5]
    one = Cuts.of(np.array([3.0]), np.array([3.0]), STARS)
    np.testing.assert_allclose(one.cuts, [1.5, 2.5, 3.5, 4.5], atol=0.3)


def test_cuts_ascend_whatever_the_ratings() -> None:
    rng = np.random.default_rng(1)
    cuts = Cuts.of(rng.normal(3, 1, 200), rng.integers(1, 6, 200).astype(float), STARS)
    assert (np.diff(cuts.cuts) >= 0).all()


@pytest.mark.parametrize("levels", [np.array([4.0]), np.linspace(0, 1, LEVELS + 1), np.empty(0)])
def test_a_scale_of_one_or_very_many_steps_keeps_expectations(levels: np.ndarray) -> None:
    cuts = Cuts.of(np.array([0.3]), levels[:1], levels)
    assert cuts.median(np.array([[0.3, np.nan]])).tolist()[0][0] == 0.3


def test_half_stars() -> None:
    halves = np.arange(0.5, 5.5, 0.5)
    rng = np.random.default_rng(2)
    expected = rng.uniform(0.5, 5, 5000)
    given = np.clip(np.round(2 * (expected + rng.normal(0, 0.4, 5000))) / 2, 0.5, 5)
    found = Cuts.of(expected, given, halves).median(expected)
    assert set(found) <= set(halves)
    assert np.abs(found - given).mean() < 0.4
