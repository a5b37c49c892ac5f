"""The split of traffic, checked after every user."""

import math

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial, multinomial

from recloop.errors import SettingError
from recloop.stats import sequential_srm


def test_the_p_value_is_one_over_the_bayes_factor() -> None:
    """Lindon and Malek (2022): Dirichlet-multinomial over multinomial; scipy's, whose coefficients cancel."""
    counts, weights = {"a": 320, "b": 410, "c": 190}, {"a": 1, "b": 1.2, "c": 0.5}
    n, shares = list(counts.values()), np.array([1, 1.2, 0.5]) / 2.7
    log = multinomial.logpmf(n, 920, shares) - dirichlet_multinomial.logpmf(n, 40 * shares, 920)
    assert sequential_srm(counts, weights, concentration=40).p_value == pytest.approx(math.exp(min(log, 0.0)))


def test_red_sentences_and_strangers() -> None:
    found = sequential_srm({"a": 5600, "b": 4400}, {"a": 1, "b": 1})
    assert found.red
    assert found.sentence.startswith("Traffic was not split as planned: a 56.0% of users (planned 50.0%)")
    off = sequential_srm({"a": 50, "b": 50, "off": 3}, {"a": 1, "b": 1, "off": 0})
    assert (off.red, off.strangers, off.p_value) == (True, ("off",), 1.0)


def test_nobody_yet_and_a_single_arm() -> None:
    for found in (sequential_srm({}, {"a": 1, "b": 1}), sequential_srm({"a": 9}, {"a": 1})):
        assert math.isnan(found.p_value)
        assert not found.red
        assert "too few" in found.sentence


def test_error_rate_at_a_hundred_looks_and_users_until_a_fault_is_found() -> None:
    rng, worlds, users = np.random.default_rng(4), 250, 4000
    weights, alpha, alarms, found = {"a": 1, "b": 2}, 0.05, 0, []
    looks = np.arange(40, users + 1, 40)
    for share in (1 / 3, 0.40):
        draws = (rng.random((worlds, users)) < share).cumsum(axis=1)[:, looks - 1]
        for row in draws[: worlds if share < 0.4 else 40]:
            first = next(
                (n for n, k in zip(looks.tolist(), row.tolist(), strict=True) if red(k, n, weights, alpha)), None
            )
            if share < 0.4:
                alarms += first is not None
            else:
                found.append(first or users)
    assert alarms / worlds < alpha + 3 * (alpha * 0.95 / worlds) ** 0.5
    assert np.median(found) < 1000


def red(a: int, n: int, weights: dict[str, float], alpha: float) -> bool:
    return sequential_srm({"a": a, "b": n - a}, weights, alpha, concentration=100).red


def test_errors() -> None:
    with pytest.raises(SettingError, match="concentration is 0"):
        sequential_srm({"a": 1}, {"a": 1, "b": 1}, concentration=0)
    with pytest.raises(SettingError, match="none is negative"):
        sequential_srm({"a": 1}, {"a": -1, "b": 1})
