"""Every built-in strategy, and the example of a stranger's, obeys the laws of ``recloop.testing``."""

import importlib.util
from pathlib import Path

from recloop.strategies.ease import Ease
from recloop.strategies.ials import IALS
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.strategies.transitions import Transitions
from recloop.testing import StrategyContract

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "my_strategy.py"


def example() -> type:
    specification = importlib.util.spec_from_file_location("my_strategy", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.Together


class TestRandom(StrategyContract):
    make, personal = Random, False


class TestPopular(StrategyContract):
    make, personal = Popular, False


class TestPopularLately(StrategyContract):
    make, personal, settings = Popular, False, {"window": 7, "half_life": 2.0}


class TestPopularPerSegment(StrategyContract):
    make, personal, settings = Popular, False, {"segment": "age"}


class TestTransitions(StrategyContract):
    make = Transitions


class TestItemKNN(StrategyContract):
    make = ItemKNN


class TestEase(StrategyContract):
    make = Ease


class TestIALS(StrategyContract):
    make = IALS


class TestMyStrategy(StrategyContract):
    make = example()


def test_the_example_is_short() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    assert len(lines) < 30
