import numpy as np
import pytest

from recloop.errors import DataError
from recloop.stats.log_odds import log_odds


def test_equations_of_monroe_and_others():
    a, b, prior = np.array([12.0, 3, 40]), np.array([2.0, 9, 60]), np.array([0.5, 0.5, 4])
    odds = [np.log((c[0] + 0.5) / (c.sum() + 5 - c[0] - 0.5)) for c in (a, b)]
    wanted = (odds[0] - odds[1]) / np.sqrt(1 / 12.5 + 1 / 2.5)
    assert log_odds(a, b, prior)[0] == pytest.approx(wanted)
    assert log_odds(b, a, prior) == pytest.approx(-log_odds(a, b, prior))


def test_a_prior_pulls_rare_words_to_nothing():
    weak, strong = (log_odds([3, 997], [1, 999], [p, 99 * p])[0] for p in (0.01, 100))
    assert weak > 2 * strong > 0


def test_words_that_do_not_differ_pass_two_standard_errors_one_time_in_twenty():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(300))
    ours, theirs = rng.multinomial(20_000, shares, size=40), rng.multinomial(20_000, shares, size=40)
    prior = np.full(300, 0.1)
    z = np.concatenate([log_odds(a, b, prior) for a, b in zip(ours, theirs, strict=True)])
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.05, abs=0.01)


def test_what_is_refused():
    with pytest.raises(DataError, match="counts of 2 and 1 words come with 2 pseudo-counts; one of each per word"):
        log_odds([1, 2], [1], [1, 1])
    with pytest.raises(DataError, match="pseudo-count not above 0"):
        log_odds([1], [1], [0])
