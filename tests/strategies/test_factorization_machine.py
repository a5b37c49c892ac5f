from typing import ClassVar

from recloop.strategies.factorization_machine import FactorizationMachine
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop


class TestFactorizationMachine(StrategyContract):
    make = FactorizationMachine
    settings: ClassVar = {"factors": 3, "samples": 4, "burn_in": 4}
