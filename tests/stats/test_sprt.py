"""Wald's sequential test against his worked example, enumeration of all paths, and simulation."""

import itertools
import math

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.stats import SPRT


def test_the_lines_of_wald() -> None:
    """Wald (1947), section 5.3: continue while h0 + s m < successes < h1 + s m, by his formulas for p0 = .1, p1 = .3."""
    test = SPRT.wald(0.1, 0.3, alpha=0.02, beta=0.03)
    odds = math.log(0.3 / 0.1) - math.log(0.7 / 0.9)
    h0, h1, slope = math.log(0.03 / 0.98) / odds, math.log(0.97 / 0.02) / odds, math.log(0.9 / 0.7) / odds
    for draws in range(1, 60):
        for successes in range(draws + 1):
            line = "null" if successes <= h0 + slope * draws else "open"
            line = "alternative" if successes >= h1 + slope * draws else line
            assert test.answer(successes, draws) == line


@pytest.mark.parametrize(("p0", "p1", "p"), [(0.3, 0.6, 0.45), (0.7, 0.4, 0.7), (0.2, 0.8, 0.2)])
def test_characteristic_against_all_paths(p0: float, p1: float, p: float) -> None:
    """Every sequence of 13 draws, each followed until its test ends."""
    test, most = SPRT.wald(p0, p1, alpha=0.1, beta=0.2), 13
    chances = dict.fromkeys(("alternative", "null", "open"), 0.0)
    expected = 0.0
    for path in itertools.product((0, 1), repeat=most):
        chance = p ** sum(path) * (1 - p) ** (most - sum(path))
        answers = [test.answer(sum(path[:m]), m) for m in range(1, most + 1)]
        end = next((m for m, answer in enumerate(answers) if answer != "open"), most - 1)
        chances[answers[end]] += chance
        expected += chance * (end + 1)
    found = test.characteristic(p, most)
    assert (found.alternative, found.null, found.open) == pytest.approx(tuple(chances.values()), abs=1e-12)
    assert found.expected == pytest.approx(expected, abs=1e-10)


def test_errors_of_wald_and_of_the_exact_boundaries() -> None:
    """Wald's guarantee is alpha / (1 - beta) and beta / (1 - alpha); the exact boundaries keep both and need less."""
    alpha, beta = 0.02, 0.03
    wald, exact = SPRT.wald(0.1, 0.3, alpha=alpha, beta=beta), SPRT.exact(0.1, 0.3, alpha=alpha, beta=beta)
    null, alternative = wald.characteristic(0.1), wald.characteristic(0.3)
    assert null.alternative <= alpha / (1 - beta)
    assert alternative.null <= beta / (1 - alpha)
    for p, bound in ((0.1, alpha), (0.3, beta)):
        found = exact.characteristic(p)
        error = found.alternative if p == 0.1 else found.null
        assert 0.9 * bound < error <= bound
        assert found.expected < wald.characteristic(p).expected
        assert found.open < 1e-11


def test_fewer_draws_than_a_test_of_fixed_size() -> None:
    """Wald and Wolfowitz: about half at both shares. 0.1 against 0.2 at alpha = 0.05, beta = 0.2."""
    test = SPRT.wald(0.1, 0.2, alpha=0.05, beta=0.2)
    fixed = ((1.645 * (0.1 * 0.9) ** 0.5 + 0.8416 * (0.2 * 0.8) ** 0.5) / 0.1) ** 2
    assert test.characteristic(0.1).expected < 0.6 * fixed
    assert test.characteristic(0.2).expected < 0.75 * fixed


def test_pairs_of_two_arms_by_simulation() -> None:
    """Untied pairs: the error holds whatever the control's share is."""
    test, rng, worlds, pairs = SPRT.pairs(2.0, alpha=0.05, beta=0.2), np.random.default_rng(9), 2000, 1200
    assert (test.p0, test.p1) == (0.5, pytest.approx(2 / 3))
    for base in (0.1, 0.5):
        t, c = rng.random((2, worlds, pairs)) < base
        wins, untied = (t & ~c).cumsum(axis=1), (t ^ c).cumsum(axis=1)
        win, loss = math.log(test.p1 / 0.5), math.log((1 - test.p1) / 0.5)
        ratio = wins * win + (untied - wins) * loss
        up, down = ratio >= test.upper, ratio <= test.lower
        first_up, first_down = (np.where(x.any(axis=1), x.argmax(axis=1), pairs) for x in (up, down))
        error = (first_up < first_down).mean()
        assert error == pytest.approx(test.characteristic(0.5).alternative, abs=4 * (0.05 / worlds) ** 0.5)


def test_errors() -> None:
    with pytest.raises(SettingError, match="p0 is 0; a share between 0 and 1"):
        SPRT.wald(0, 0.3)
    with pytest.raises(SettingError, match=r"p0 and p1 are both 0\.3"):
        SPRT.wald(0.3, 0.3)
    with pytest.raises(SettingError, match=r"beta is 0\.5"):
        SPRT.exact(0.1, 0.3, beta=0.5)
    with pytest.raises(SettingError, match="lower < 0 < upper"):
        SPRT(0.1, 0.3, 1.0, 2.0)
    with pytest.raises(SettingError, match="odds_ratio is 0"):
        SPRT.pairs(0)
    with pytest.raises(DataError, match="5 successes in 4 draws"):
        SPRT.wald(0.1, 0.3).answer(5, 4)
    with pytest.raises(SettingError, match="p is 2"):
        SPRT.wald(0.1, 0.3).characteristic(2)
