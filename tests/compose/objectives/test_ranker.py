"""Click, conversion after a click, and rating: learned over all candidates, without the bias of who clicks."""

import numpy as np
import pytest
from scipy.special import expit

from recloop.compose.objectives.experts import Experts
from recloop.compose.objectives.labels import Labels
from recloop.compose.objectives.lesson import Lesson
from recloop.compose.objectives.trees import Trees, _Entire
from recloop.errors import ArtifactError


def lesson(n: int, seed: int) -> tuple[Lesson, np.ndarray, np.ndarray]:
    """Clicks hang on a and b, conversions on b and, against it, on a: who clicks is not who would convert."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    click, convert = expit(1.5 * x[:, 0] + x[:, 1] - 1), expit(1.5 * x[:, 1] - 1.5 * x[:, 0])
    clicked = rng.random(n) < click
    converted = clicked & (rng.random(n) < convert)
    stars = np.where(clicked, 3 + x[:, 2] + 0.3 * rng.normal(size=n), np.nan)
    x[:, 3] = np.where(rng.random(n) < 0.3, np.nan, x[:, 3])  # noise, often unknown
    made = Lesson(x, clicked.astype(float), converted.astype(float), stars, np.ones(n))
    return made, click, click * convert


class Weighted:
    """What LightGBM hands to a loss."""

    def __init__(self, label: np.ndarray, weight: np.ndarray | None) -> None:
        self.label, self.weight = label, weight

    def get_label(self) -> np.ndarray:
        return self.label

    def get_weight(self) -> np.ndarray | None:
        return self.weight


@pytest.mark.parametrize("weighed", [True, False])
def test_the_slope_of_the_entire_space_loss(weighed: bool) -> None:
    rng = np.random.default_rng(0)
    click, raw = rng.uniform(0.05, 0.95, 50), rng.normal(size=50)
    label = (rng.random(50) < 0.3).astype(float)
    weight = rng.uniform(0.5, 4, 50) if weighed else None
    data = Weighted(label, weight)
    loss = _Entire(click, click)
    first, second = loss.gradient(raw, data)
    scale = np.ones(50) if weight is None else weight
    step = 1e-6

    def total(at: np.ndarray) -> float:
        return loss.value(at, data)[1] * scale.sum()

    for row in range(0, 50, 7):
        up = np.zeros(50)
        up[row] = step
        assert first[row] == pytest.approx((total(raw + up) - total(raw - up)) / (2 * step), rel=1e-4, abs=1e-7)
    assert (second > 0).all()


def judged(kind: type[Trees] | type[Experts], n: int) -> dict[str, float]:
    train, held = lesson(n, 1)[0], lesson(n // 4, 2)[0]
    test, click, both = lesson(6_000, 3)
    core = kind.learn(train, held, seed=0)
    back = kind.from_dict(core.to_dict())
    told, again = core.raw(test.x), back.raw(test.x)
    for task, values in told.items():
        assert again[task] == pytest.approx(values, abs=1e-5)
    given = told["conversion"] / told["click"]
    return {
        "click": float(np.sqrt(((told["click"] - click) ** 2).mean())),
        "conversion": float(np.sqrt(((told["conversion"] - both) ** 2).mean())),
        "given": float(np.sqrt(((given - both / click) ** 2).mean())),
        "satisfaction": float(np.sqrt(((told["satisfaction"] - 3 - test.x[:, 2]) ** 2).mean())),
        "spread": float(both.std()),
    }


@pytest.mark.parametrize(
    ("kind", "n"), [(Trees, 5_000), (Experts, 2_500), pytest.param(Experts, 40_000, marks=pytest.mark.slow)]
)
def test_both_models_find_what_is_there(kind: type[Trees] | type[Experts], n: int) -> None:
    pytest.importorskip("lightgbm" if kind is Trees else "lightning")
    found, loose = judged(kind, n), 1.0 if n > 20_000 else 1.5
    assert found["click"] < 0.08 * loose  # of a spread of .35
    assert found["conversion"] < 0.35 * loose * found["spread"]
    assert found["given"] < 0.15 * loose  # over all candidates, those that nobody like them clicked too
    assert found["satisfaction"] < 0.3 * loose


def test_a_damaged_forest_is_refused() -> None:
    pytest.importorskip("lightgbm")
    with pytest.raises(ArtifactError, match="a forest of objectives cannot be read"):
        Trees({"click": "tree\nnonsense"}).raw(np.zeros((1, 2), np.float32))


def test_candidates_without_a_click_are_drawn_and_stand_for_all() -> None:
    rng = np.random.default_rng(0)
    click = rng.random((200, 50)) < 0.05
    labels = Labels(click, click & (rng.random((200, 50)) < 0.5), None)
    held = np.ones((200, 50), bool)
    held[:, 40:] = False
    made = Lesson.of(np.zeros((200, 50, 3), np.float32), labels, held, rng, rows=2_000)
    assert made.click.sum() == (click & held).sum()
    assert 1_700 < len(made.click) < 2_300
    assert made.weight.sum() == pytest.approx(held.sum(), rel=0.05)
    assert made.rating is None
    assert made.convert is not None
    assert Lesson.of(np.zeros((200, 50, 3), np.float32), labels, held).weight.tolist() == [1.0] * 8_000
