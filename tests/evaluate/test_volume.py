import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import SettingError
from recloop.evaluate import hypervolume


def test_the_front_of_zdt1_as_a_reference_implementation_has_it() -> None:
    """Each tenth of 100 points of the front, times 1.1, to (1.2, 1.2): 0.9631646448182305 by pymoo's manual."""
    x = np.linspace(0, 1, 100)[::10]
    points = np.stack([x, 1 - np.sqrt(x)], axis=1) * 1.1
    assert hypervolume(-points, np.array([-1.2, -1.2])) == pytest.approx(0.9631646448182305, abs=1e-12)


def test_a_point_beyond_the_reference_on_one_axis_adds_nothing() -> None:
    low = np.zeros(2)
    assert hypervolume(np.array([[2.0, 3.0], [9.0, 0.0], [np.nan, 5.0]]), low) == 6.0
    assert hypervolume(np.empty((0, 2)), low) == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.data())
def test_agrees_with_counting_cells(d: int, data: st.DataObject) -> None:
    """On whole numbers the volume is the number of unit cells below a point."""
    points = np.array(data.draw(st.lists(st.lists(st.integers(0, 4), min_size=d, max_size=d), min_size=1, max_size=9)))
    cells = np.stack(np.meshgrid(*[np.arange(4)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    counted = (points[None, :, :] > cells[:, None, :]).all(axis=2).any(axis=1).sum()
    assert hypervolume(points.astype(float), np.zeros(d)) == pytest.approx(counted)


def test_axes_must_fit() -> None:
    with pytest.raises(SettingError, match="the reference point has 3 axes"):
        hypervolume(np.ones((2, 2)), np.zeros(3))
