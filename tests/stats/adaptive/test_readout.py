"""The readout of a bandit: values and contrasts as the estimators give them, plain means beside with a warning."""

import numpy as np
import pytest

from recloop.errors import DataError, MissingError
from recloop.stats.adaptive import AdaptiveLog, aipw, arm_values, contrast, evaluation_weights, read_adaptive


def test_values_contrasts_and_plain_means(small: AdaptiveLog) -> None:
    found = read_adaptive(small, ["a", "b", "c"], "a")
    scores, h = aipw(small), evaluation_weights(small.propensities)
    values, gap = arm_values(scores, h), contrast(scores, h, 2, 0)
    low, high = values.interval()
    assert [arm.value for arm in found.arms] == pytest.approx(values.value)
    assert [arm.low for arm in found.arms] == pytest.approx(low)
    assert [arm.high for arm in found.arms] == pytest.approx(high)
    assert [arm.naive for arm in found.arms] == pytest.approx([small.rewards[small.arms == k].mean() for k in range(3)])
    assert [arm.pulls for arm in found.arms] == np.bincount(small.arms).tolist()
    effect = found.contrasts["c"]
    assert effect.estimate == pytest.approx(float(gap.value))
    assert (effect.low, effect.high) == pytest.approx([float(end) for end in gap.interval()])
    assert (effect.p_value < 0.05) == (effect.low > 0 or effect.high < 0)
    assert set(found.contrasts) == {"b", "c"}
    assert effect.method == "adaptively weighted, two-point"
    assert "biased" in found.warning


def test_the_sentence_names_the_arms_that_can_be_told_apart() -> None:
    rng = np.random.default_rng(1)
    arms = rng.integers(0, 3, 3000)
    rewards = (rng.random(3000) < np.array([0.2, 0.2, 0.6])[arms]).astype(float)
    found = read_adaptive(AdaptiveLog.of(arms, rewards, np.full((3000, 3), 1 / 3)), ["pop", "als", "lm"], "pop")
    assert found.sentence.startswith("Told from 'pop' (95% intervals, made for one look): 'lm' by +0.")
    assert "'als'" not in found.sentence
    assert found.contrasts["lm"].bounded


def test_an_arm_without_a_pull_has_no_plain_mean() -> None:
    found = read_adaptive(AdaptiveLog.of([0, 0], [1.0, 0.0], [[0.9, 0.1]] * 2), ["a", "b"], "a")
    assert np.isnan(found.arms[1].naive)
    assert found.arms[1].pulls == 0


def test_what_a_readout_needs(small: AdaptiveLog) -> None:
    with pytest.raises(MissingError, match="there is no arm 'd'; arms are a, b, c"):
        read_adaptive(small, ["a", "b", "c"], "d")
    with pytest.raises(DataError, match="2 names for 3 arms"):
        read_adaptive(small, ["a", "b"], "a")
