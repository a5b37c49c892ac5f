import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.evaluate import front


def test_a_beaten_point_is_not_on_the_front() -> None:
    merits = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [2.0, 1.0], [np.nan, 9.0]])
    assert front(merits).tolist() == [True, True, True, False, False]


def test_equal_points_share_the_front() -> None:
    assert front(np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])).tolist() == [True, True, False]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_agrees_with_the_definition(points: list[tuple[int, int]]) -> None:
    def beaten(point: tuple[int, int]) -> bool:
        return any(o[0] >= point[0] and o[1] >= point[1] and o != point for o in points)

    assert front(np.array(points, dtype=float)).tolist() == [not beaten(point) for point in points]
