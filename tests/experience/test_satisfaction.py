"""The interval holds whatever the predictions are, and is narrow where they are good."""

import numpy as np
import pytest

from recloop.errors import DataError
from recloop.experience.satisfaction import predicted, reliability, satisfaction

# what all users that there could be would answer on average; an interval over users is about that
MEAN = np.clip(np.rint(3.4 + np.random.default_rng(99).normal(size=2_000_000)), 1, 5).mean()


def world(rng, n=1500, noise=0.5):
    liking = rng.normal(size=n)
    truth = np.clip(np.rint(3.4 + liking), 1, 5)
    chance = 0.06 + 0.14 / (1 + np.exp(-2 * liking))  # the content answer more often
    answers = np.where(rng.random(n) < chance, truth, np.nan)
    features = rng.normal(size=(n, 3)) if noise is None else liking[:, None] + rng.normal(0, noise, (n, 1))
    return truth, answers, features, chance


@pytest.mark.parametrize(("noise", "narrower"), [(0.4, 0.75), (None, 1.1)], ids=["good", "useless"])
def test_the_interval_covers_the_truth_and_narrows_with_good_predictions(noise, narrower):
    rng, covered, widths, naive = np.random.default_rng(1), 0, [], 0
    worlds = 250
    for _ in range(worlds):
        _, answers, features, chance = world(rng, noise=noise)
        found = satisfaction(answers, features, chance, rng)
        covered += found.low <= MEAN <= found.high
        widths.append((found.high - found.low) / (found.plain_high - found.plain_low))
        naive += abs(np.nanmean(answers) - MEAN) < 0.1
    assert 0.92 <= covered / worlds <= 0.98
    assert np.mean(widths) < narrower
    assert naive / worlds < 0.3  # who answers is no fair draw: their plain mean is wrong


def test_a_prediction_that_says_the_opposite_does_no_harm():
    rng = np.random.default_rng(2)
    truth, answers, features, chance = world(rng, n=4000)
    found = satisfaction(answers, -features, chance, rng)  # a linear model turns it round
    assert found.low <= truth.mean() <= found.high
    assert found.correlation > 0.5


def test_no_user_is_predicted_by_their_own_answer():
    rng = np.random.default_rng(3)
    answers = np.full(400, np.nan)
    answers[:100] = rng.integers(1, 6, 100)
    features = rng.normal(size=(400, 90))  # enough to learn 80 answers by heart
    guess = predicted(answers, features, rng)
    assert abs(np.corrcoef(guess[:100], answers[:100])[0, 1]) < 0.35


def test_answers_needed_and_what_is_told():
    rng = np.random.default_rng(4)
    _, answers, features, chance = world(rng, n=5000, noise=0.2)
    found = satisfaction(answers, features, chance, rng, ages=np.full(5000, 2 * 86_400.0))
    assert found.needed < 0.5 * found.needed_plain
    assert found.auc > 0.85
    assert found.age == 2
    assert "predictions save" in found.sentence
    assert [one.n for one in found.reliability] == pytest.approx([found.answers / 5] * 5, abs=1)
    assert all(abs(one.predicted - one.answered) < 0.35 for one in found.reliability)
    assert found.to_dict()["answers"] == found.answers


def test_features_that_are_missing_for_half_are_no_harm():
    rng = np.random.default_rng(5)
    truth, answers, features, chance = world(rng, n=4000)
    features[::2] = np.nan
    found = satisfaction(answers, features, chance, rng)
    assert found.low <= truth.mean() <= found.high


def test_few_answers():
    rng = np.random.default_rng(6)
    answers = np.full(100, np.nan)
    with pytest.raises(DataError, match="0 answers; at least two are wanted; ask more users"):
        satisfaction(answers, np.zeros((100, 1)), np.full(100, 0.1), rng)
    answers[:12] = [1, 2, 3, 4, 5, 4, 3, 4, 5, 4, 4, 3]
    found = satisfaction(answers, rng.normal(size=(100, 4)), np.full(100, 0.12), rng)
    assert found.low < np.nanmean(answers) < found.high
    with pytest.raises(DataError, match="100 users come with 3 rows"):
        satisfaction(answers, np.zeros((3, 1)), np.full(100, 0.1), rng)
    assert reliability(np.empty(0), np.empty(0)) == ()
