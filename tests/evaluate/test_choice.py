import numpy as np
import pytest

from recloop.errors import SettingError
from recloop.evaluate import Guardrail, knee, topsis


def test_the_knee_bulges_farthest() -> None:
    x = np.linspace(0, 1, 101)
    circle = np.stack([np.sqrt(1 - x**2), x], axis=1)  # of a quarter circle: at 45 degrees
    assert circle[knee(circle)] == pytest.approx([0.5**0.5, 0.5**0.5], abs=0.01)
    assert knee(circle * [1000, 1] + [5, 5]) == knee(circle)  # in any unit


def test_topsis_by_hand() -> None:
    """Two columns (3, 4) and (4, 3) of length 5, weights 1/2: each is .1 from the best on one, and from the worst."""
    assert topsis(np.array([[3.0, 4.0], [4.0, 3.0]])).tolist() == pytest.approx([0.5, 0.5])
    # weights 3 to 1: the distances are .15 and .05
    weighed = topsis(np.array([[3.0, 4.0], [4.0, 3.0]]), [3, 1])
    assert weighed.tolist() == pytest.approx([0.05 / 0.2, 0.15 / 0.2])
    assert topsis(np.array([[2.0, 2.0]])).tolist() == [1.0]


def test_what_there_is_no_choice_from() -> None:
    with pytest.raises(SettingError, match="there is no point to choose from"):
        knee(np.empty((0, 2)))
    with pytest.raises(SettingError, match="there is no point to choose from"):
        topsis(np.array([[np.nan, 1.0]]))
    with pytest.raises(SettingError, match="2 numbers of at least 0 are wanted"):
        topsis(np.ones((3, 2)), [1.0])


def test_guardrails() -> None:
    base = {"ndcg@10": 0.5}
    kept = Guardrail.parse("ndcg@10>=98%")
    assert kept.keeps({"ndcg@10": 0.49}, base)
    assert not kept.keeps({"ndcg@10": 0.48}, base)
    assert not kept.keeps({"recall@10": 1.0}, base)
    assert str(kept) == "ndcg@10 at least 98% of the baseline's"
    assert Guardrail.parse("gini@10<=0.9").keeps({"gini@10": 0.9}, {})
    assert Guardrail.parse("churn <= 1.05x") == Guardrail("churn", 1.05, least=False, relative=True)
    with pytest.raises(SettingError, match="'ndcg' is no guardrail; it is a metric, >= or <=, and a number"):
        Guardrail.parse("ndcg")
