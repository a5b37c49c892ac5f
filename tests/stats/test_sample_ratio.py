import math

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import SettingError
from recloop.stats import srm


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(40, 9000), st.floats(0.5, 3)), min_size=2, max_size=5))
def test_against_scipy(arms: list[tuple[int, float]]) -> None:
    counts = {str(i): count for i, (count, _) in enumerate(arms)}
    weights = {str(i): weight for i, (_, weight) in enumerate(arms)}
    total, mass = sum(counts.values()), sum(weights.values())
    expected = [weight / mass * total for weight in weights.values()]
    if min(expected) >= 5:
        oracle = scipy.stats.chisquare(list(counts.values()), expected)
        assert srm(counts, weights).p_value == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-300)


def test_sentences() -> None:
    fine = srm({"a": 5010, "b": 4990}, {"a": 1, "b": 1})
    assert not fine.red
    assert fine.sentence.startswith("Traffic was split as planned: a 50.1% of users (planned 50.0%)")
    broken = srm({"a": 5400, "b": 4600}, {"a": 1, "b": 1})
    assert broken.red
    assert "not split as planned: a 54.0%" in broken.sentence


def test_an_arm_without_traffic_is_its_own_alarm() -> None:
    found = srm({"a": 50, "b": 50, "off": 1, "ghost": 2}, {"a": 1, "b": 1, "off": 0})
    assert found.red
    assert found.strangers == ("off", "ghost")
    assert "'off' (1 users), 'ghost' (2 users)" in found.sentence


def test_an_arm_with_no_users_is_red() -> None:
    assert srm({"a": 500}, {"a": 1, "b": 1}).red


def test_too_few_to_tell() -> None:
    found = srm({"a": 4, "b": 0}, {"a": 1, "b": 1})
    assert math.isnan(found.p_value)
    assert not found.red
    assert "too few" in found.sentence


def test_bad_weights() -> None:
    with pytest.raises(SettingError, match="none is negative"):
        srm({"a": 1}, {"a": -1, "b": 2})
    with pytest.raises(SettingError, match="no count is negative"):
        srm({"a": -1}, {"a": 1, "b": 2})
