"""A source that is late is stood in for, never piles up, and changes nothing where nobody waits."""

import threading
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from recloop.compose import SlateConfig
from recloop.compose.budget import Budget, LateError, awaited
from recloop.compose.policy import build
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random


class Held:
    """Work that ends when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        self.go.wait(60.0)
        return 7


@pytest.fixture
def held() -> Iterator[Held]:
    work = Held()
    yield work
    work.go.set()


def test_who_is_late_is_not_waited_for_nor_asked_again(held: Held) -> None:
    budget = Budget(0.01)
    with awaited():
        with pytest.raises(LateError, match=r"it did not answer within 0\.01 seconds"):
            budget.run(held)
        with pytest.raises(LateError, match=r"it has not ended what took longer than 0\.01 seconds"):
            budget.run(held)
        assert held.asked == 1
        held.go.set()
        assert budget._late is not None
        budget._late.join(60.0)
        budget.seconds = 60.0
        assert budget.run(held) == 7


def test_what_goes_wrong_is_raised_where_it_is_waited_for() -> None:
    with awaited(), pytest.raises(ZeroDivisionError):
        Budget(60.0).run(lambda: 1 // 0)


def test_where_nobody_waits_there_is_no_clock(held: Held) -> None:
    held.go.set()
    here = threading.current_thread()
    assert Budget(1e-9).run(threading.current_thread) is here
    with awaited():
        assert Budget(None).run(threading.current_thread) is here
        assert Budget(60.0).run(threading.current_thread) is not here


def test_the_fallback_stands_in_and_the_slate_says_so(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Dataset.of(pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"]}))
    strategies = {"random": Random().fit(shop), "popular": Popular().fit(shop)}
    late = strategies["random"]
    score = late.score
    monkeypatch.setattr(late, "score", lambda histories: (held(), score(histories))[1])
    policy = build(SlateConfig(sources=["random"], budget=0.01), strategies)
    nobody = Histories.of([[]], n_items=2)
    with awaited():
        choices = policy.choose({}, nobody, 2, np.random.default_rng(1))
    assert choices.slates(policy.items)[0].ids == ("x", "y")
    assert choices.fallbacks.tolist() == ["popular"]
    assert choices.failures == {"random": "it did not answer within 0.01 seconds"}
    held.go.set()
    assert policy.choose({}, nobody, 2, np.random.default_rng(1)).fallbacks.tolist() == [""]


def test_a_budget_is_above_zero() -> None:
    from recloop.compose.config import policy_config
    from recloop.errors import SettingError

    with pytest.raises(SettingError, match="budget"):
        policy_config({"sources": ["popular"], "budget": 0})
