import numpy as np
import pytest

from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.errors import SettingError

HISTORIES = Histories.of([[0, 1], [], [2]], n_items=6)


def shown(rules: Rules) -> list[list[int]]:
    scores = np.zeros((3, 6), np.float32)
    rules.apply(scores, HISTORIES)
    return [np.flatnonzero(np.isfinite(row)).tolist() for row in scores]


def test_seen_items_are_hidden_unless_asked_for() -> None:
    assert shown(Rules()) == [[2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 5]]
    assert shown(Rules(hide_seen=False)) == [[0, 1, 2, 3, 4, 5]] * 3


def test_what_is_not_available_is_hidden_for_all() -> None:
    allowed = np.array([True, True, True, False, False, True])
    assert shown(Rules(allowed=allowed)) == [[2, 5], [0, 1, 2, 5], [0, 1, 5]]


def test_candidates_limit_only_the_requests_that_have_them() -> None:
    assert shown(Rules(candidates=[[1, 3, 3], None, []])) == [[3], [0, 1, 2, 3, 4, 5], []]


def test_excluded_and_unknown_items() -> None:
    assert shown(Rules(exclude=[[5, -1], [0], ()])) == [[2, 3, 4], [1, 2, 3, 4, 5], [0, 1, 3, 4, 5]]
    assert shown(Rules(candidates=[[-1], [-1, 4], None])) == [[], [4], [0, 1, 3, 4, 5]]


def test_contradictory_rules_leave_nothing() -> None:
    assert shown(Rules(exclude=[[4], [4], [4]], candidates=[[4], [4], [4]])) == [[], [], []]


def test_block_and_take_keep_the_rows_together() -> None:
    rules = Rules(exclude=[[0], [1], [2]], candidates=[[3], None, [5]])
    assert rules.block(1, 3) == Rules(exclude=[[1], [2]], candidates=[None, [5]])
    assert rules.take(np.array([2, 0])) == Rules(exclude=[[2], [0]], candidates=[[5], [3]])


def test_rules_that_do_not_fit() -> None:
    with pytest.raises(SettingError) as caught:
        Rules(exclude=[[0]]).check(3, 6)
    assert str(caught.value) == "'exclude' has 1 rows; one per request is needed: 3."
    with pytest.raises(SettingError) as caught:
        Rules(allowed=np.ones(4, dtype=bool)).check(3, 6)
    assert str(caught.value) == "'allowed' has the shape (4,); one entry per item is needed: (6,)."
