from recloop.strategies.adaptive.strategy import Adaptive
from recloop.testing.strategy import StrategyContract


class TestAdaptive(StrategyContract):
    make = Adaptive
    settings = {"factors": 4, "rounds": 3}
