"""Matrices in fewer bytes."""

import numpy as np
import pytest

from recloop.strategies.compact import compact, expand


@pytest.mark.parametrize("columns", [8, 9])
@pytest.mark.parametrize(("form", "least", "error"), [("int6", 4.0, 0.03), ("int8", 3.0, 0.01), ("f16", 1.9, 0.001)])
def test_a_form_is_smaller_and_near(form: str, least: float, error: float, columns: int) -> None:
    matrix = np.random.default_rng(0).standard_normal((50, columns * 8 + columns % 2)).astype(np.float32)
    arrays = {"W": matrix, "names": np.arange(3), "prior": np.ones(4, np.float32)}
    small = compact(arrays, form)
    again = expand(small)
    assert set(again) == set(arrays)
    assert again["W"].shape == matrix.shape
    assert again["W"].dtype == np.float32
    assert np.linalg.norm(again["W"] - matrix) / np.linalg.norm(matrix) < error
    assert matrix.nbytes / sum(a.nbytes for name, a in small.items() if name.startswith("W")) > least
    np.testing.assert_array_equal(again["prior"], arrays["prior"])
    np.testing.assert_array_equal(expand(compact(again, form))["W"].shape, matrix.shape)


def test_rows_of_zeros_and_matrices_without_rows() -> None:
    arrays = {"zeros": np.zeros((2, 9), np.float32), "none": np.zeros((0, 9), np.float32)}
    for form in ("int6", "int8", "f16"):
        for name, array in expand(compact(arrays, form)).items():
            np.testing.assert_array_equal(array, arrays[name])


def test_what_is_no_number_stays() -> None:
    matrix = np.full((2, 8), np.nan, np.float32)
    for form in ("int6", "int8", "f16"):
        assert np.isnan(expand(compact({"W": matrix}, form))["W"]).all()
