from typing import ClassVar

from recloop.strategies.two_tower.strategy import TwoTower
from recloop.testing import StrategyContract


class TestTwoTowerWithoutTraining(StrategyContract):
    make = TwoTower
    settings: ClassVar = {"factors": 8}
