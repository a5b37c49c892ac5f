from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from recloop.data.dataset import Dataset
from recloop.strategies.adaptive.strategy import Adaptive
from recloop.testing.strategy import CLOSE, StrategyContract
from recloop.types import Event, Request

from .shop import rated_shop


class TestAdaptive(StrategyContract):
    make = Adaptive
    settings: ClassVar[dict[str, Any]] = {"factors": 4, "rounds": 3}


class TestAdaptiveOnRatings(StrategyContract):
    make = Adaptive
    settings: ClassVar[dict[str, Any]] = {"factors": 2, "rounds": 4, "encoder": "", "caution": 0.0}
    dataset: ClassVar[Callable[[], Dataset]] = staticmethod(lambda: rated_shop(users=40, items=20, each=8))

    def test_history_changes_the_answer(self) -> None:
        strategy, data = self._fitted()
        item = data.item_ids[0]
        low, high, none = strategy.score(
            [Request(history=(Event("x", item, "rating", value=value),)) for value in (1.0, 5.0)]
            + [Request(history=(Event("x", item, "click"),))]
        )
        assert high.mean() > low.mean() + 0.1
        np.testing.assert_array_equal(none, strategy.score([Request()])[0])

    def test_a_request_is_a_history(self) -> None:
        strategy, data = self._fitted()
        histories = data.histories(np.arange(5), profiles=True)
        requests = [
            Request(
                history=tuple(
                    Event("x", data.item_ids[item], "rating", value=float(value))
                    for item, value in zip(histories.items[own], histories.ratings[own], strict=True)
                ),
                profile={"age": histories.profiles["age"][row]},
            )
            for row in range(5)
            for own in [slice(histories.indptr[row], histories.indptr[row + 1])]
        ]
        np.testing.assert_allclose(strategy.score(requests), strategy.score(histories), **CLOSE)
