"""The contract catches what it is there to catch."""

import time

import numpy as np
import pytest

import recloop.testing
from recloop.strategies.base import Strategy, setting
from recloop.strategies.ease import Ease
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop


class Peeking(Ease):
    """A row depends on the batch it comes in."""

    name = "peeking"

    def _score(self, histories):
        scores = super()._score(histories)
        return scores - scores.mean(axis=0)


class Forgetful(Ease):
    """Does not save what it learned."""

    name = "forgetful"

    def _arrays(self):
        return {"_weights": np.zeros_like(self._weights), "_prior": self._prior}


class Careless(Ease):
    """Answers an empty history with NaN."""

    name = "careless"

    def _score(self, histories):
        scores = super()._score(histories)
        with np.errstate(invalid="ignore", divide="ignore"):
            return scores / (histories.lengths[:, None] > 0)


class Vandal(Ease):
    """Writes into its input."""

    name = "vandal"

    def _score(self, histories):
        scores = super()._score(histories)
        histories.keys[:] = 0
        return scores


class Restless(Ease):
    """Another fit, another answer."""

    name = "restless"

    def _fit(self, dataset, progress):
        super()._fit(dataset, progress)
        self._weights *= 1 + (time.perf_counter_ns() % 1000) / 1000


class Boastful(Ease):
    """Shows items that were seen."""

    name = "boastful"

    def _rank_block(self, histories, k, *, hide_seen, allowed):
        return super()._rank_block(histories, k, hide_seen=False, allowed=allowed)


class Lax(Strategy):
    """Computes in its constructor."""

    name = "lax"
    summary = "lax"
    size: int = setting(3, "how many", low=1, high=10)

    def __post_init__(self):
        self.double = [self.size]

    def _fit(self, dataset, progress):
        self._n = dataset.n_items

    def _score(self, histories):
        return np.ones((len(histories), histories.n_items), np.float32)


@pytest.mark.parametrize(
    ("strategy", "law"),
    [
        (Peeking, "test_rows_do_not_touch_each_other"),
        (Forgetful, "test_saved_and_loaded_it_answers_the_same"),
        (Careless, "test_strangers_are_answered"),
        (Vandal, "test_fit_returns_itself_and_leaves_its_input_alone"),
        (Restless, "test_fit_twice_is_equal"),
        (Boastful, "test_seen_items_are_hidden"),
        (Boastful, "test_rankings_are_sorted_scores"),
        (Lax, "test_the_constructor_only_stores_settings"),
        (Lax, "test_a_bad_setting_is_refused_with_a_sentence"),
        (Lax, "test_history_changes_the_answer"),
    ],
)
def test_a_law_broken_is_a_law_that_fails(strategy: type[Strategy], law: str) -> None:
    class Judged(StrategyContract):
        make = strategy

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(Judged(), law)()


def test_the_small_shop_is_worth_learning_from() -> None:
    data = small_shop()
    assert data.has_times
    assert data.n_users == 60
    assert "untouched" in data.item_ids
    assert data.item_texts()[data.item_ids.index("i0")].startswith("crime story 0")
    assert small_shop().fingerprint == data.fingerprint != small_shop(seed=1).fingerprint


def test_contracts_are_loaded_on_first_use() -> None:
    import subprocess
    import sys

    code = "import sys, recloop.testing; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="no attribute 'StrategyContrat'"):
        recloop.testing.StrategyContrat
