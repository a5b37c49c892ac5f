"""Each objective by its formula, on numbers small enough to be checked by hand; and the scale they share."""

import numpy as np
import polars as pl
import pytest

from recloop.compose.objectives.config import ConstraintConfig, ObjectivesConfig
from recloop.compose.objectives.features import feature_names, features
from recloop.compose.objectives.items import DRAWN, ItemTable
from recloop.compose.objectives.offered import Offered
from recloop.compose.objectives.scale import Scale
from recloop.compose.objectives.signals import SMOOTH, Terms, signal
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError

DAY = 86400.0
EVENTS = pl.DataFrame(
    {
        "user": ["a", "b", "c", "d", "a", "b", "c"],
        "item": ["w", "w", "w", "w", "x", "x", "y"],
        "kind": ["rating", "rating", "rating", "rating", "rating", "dwell", "dwell"],
        "value": [5.0, 5.0, 4.0, 4.0, 1.0, 9.0, 99.0],
        "time": [0.0, DAY, 2 * DAY, 3 * DAY, 10 * DAY, 20 * DAY, 30 * DAY],
    }
)
ITEMS = pl.DataFrame(
    {
        "item": ["w", "x", "y", "z"],
        "category": ["tea", "tea|mug", "mug", ""],
        "brand": ["A", "A", "B", None],
        "price": [1.0, 2.0, None, 4.0],
    }
)
DATA = Dataset.of(EVENTS, ITEMS)
VECTORS = np.array([[1, 0], [0, 2], [3, 3], [0, 0]], np.float32)


def table(**changes: object) -> ItemTable:
    return ItemTable.of(DATA, VECTORS, **changes)


def offered(k: int = 2, history: tuple[int, ...] = (0, 1)) -> Offered:
    items = np.array([[0, 1, 2, 3, -1]], np.int32)
    scores = np.array([[0.9, 0.5, 0.4, 0.1, -np.inf]], np.float32)
    sources = {"one": Rankings(np.array([[1, 0]], np.int32), np.array([[8.0, 6.0]], np.float32))}
    return Offered(Histories.of([list(history)], n_items=4), items, scores, sources, k)


def of(name: str, **changes: object) -> list[float]:
    return signal(name, offered(), table(), {}, Terms(**changes))[0].tolist()


def test_novelty_is_self_information_and_padding_is_unknown() -> None:
    assert of("novelty")[:4] == [0.0, 1.0, 2.0, 2.0]  # of 4 users: 4, 2, 1, none
    assert np.isnan(of("novelty")[4])


def test_freshness_halves_with_each_half_life() -> None:
    # the last event is at day 30; first events are at days 0, 10, 30, and none, which is new
    assert of("freshness", half_life=10.0)[:4] == pytest.approx([0.125, 0.25, 1.0, 1.0])


def test_new_items_are_the_youngest_share() -> None:
    assert of("new", new_share=0.5)[:4] == [0.0, 0.0, 1.0, 1.0]
    assert of("new", new_share=0.25)[:4] == [0.0, 0.0, 0.0, 1.0]


def test_provider_exposure_and_fairness() -> None:
    assert of("provider:B")[:4] == [0.0, 0.0, 1.0, 0.0]
    # A owns 2 of 3 items and had 6 of 7 users; one is added for each item, and log(share of items / share seen) remains
    owned, seen = np.array([3.0, 2.0]) / 5, np.array([9.0, 3.0]) / 12
    gap = np.log(owned / seen)
    assert of("fairness")[:3] == pytest.approx([gap[0], gap[0], gap[1]])
    assert gap[1] > 0 > gap[0]
    assert np.isnan(of("fairness")[3])


def test_means_are_drawn_to_the_mean_of_all() -> None:
    ratings = np.array([5, 5, 4, 4, 1.0])
    assert of("satisfaction")[0] == pytest.approx((18 + DRAWN * ratings.mean()) / (4 + DRAWN))
    logs = np.log1p([9.0, 99.0])
    assert of("dwell")[1] == pytest.approx((logs[0] + DRAWN * logs.mean()) / (1 + DRAWN))


def test_diversity_is_the_distance_from_the_middle_of_the_slate() -> None:
    # the best two are (1, 0) and (0, 1): their middle points to (1, 1), as item y does; z has no vector
    assert of("diversity")[:4] == pytest.approx([1 - 0.5**0.5, 1 - 0.5**0.5, 0.0, 1.0], abs=1e-6)


def test_calibration_is_the_slope_of_the_divergence() -> None:
    """An item's value is what a little of it takes from KL(tastes | slate), up to a constant."""
    made = offered(k=1, history=(0, 1))
    found = signal("calibration", made, table(), {})[0]
    wanted, shown = np.array([0.25, 0.75]), np.array([0.0, 1.0])  # mug, tea: of w (tea) and x (half of each)
    shares = np.array([[0, 1], [0.5, 0.5], [1, 0]])

    def divergence(slate: np.ndarray) -> float:
        q = (1 - SMOOTH) * slate + SMOOTH * wanted
        return float((wanted * np.log(wanted / q)).sum())

    step = 1e-7
    slopes = [(divergence(shown) - divergence(shown + step * share)) / step for share in shares]
    assert (1 - SMOOTH) * found[:3] == pytest.approx(slopes, rel=1e-4)
    assert found[2] > found[1] > found[0]


def test_money_is_the_chance_of_a_sale_times_the_price() -> None:
    told = {"conversion": np.array([[0.5, 0.25, 0.1, 0.2, np.nan]])}
    found = signal("revenue", offered(), table(), told)[0]
    assert found[[0, 1, 3]].tolist() == [0.5, 0.5, 0.8]
    assert np.isnan(found[[2, 4]]).all()  # no price; padding


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("margin", DATA, "needs the column 'margin' of the catalogue"),
        ("click", DATA, "nothing foretells 'click'"),
        ("provider:C", DATA, "no item is of the provider 'C'"),
        ("freshness", Dataset.of(EVENTS.drop("time"), ITEMS), "needs times or years"),
        ("calibration", Dataset.of(EVENTS), "needs categories"),
    ],
)
def test_what_the_data_does_not_hold_is_said(name: str, data: Dataset, message: str) -> None:
    told = {"conversion": np.zeros((1, 5))} if name == "margin" else {}
    with pytest.raises(SettingError, match=message):
        signal(name, offered(), ItemTable.of(data, None), told)


def test_features_say_what_sources_said() -> None:
    found = features(offered(), table(), ["one", "absent"])[0]
    names = feature_names(["one", "absent"])
    assert found.shape == (5, len(names))
    assert found[:4, names.index("one: score")].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert found[:4, names.index("one: rank")] == pytest.approx([61 / 62, 1.0, 0.0, 0.0])
    assert found[:4, names.index("one: named")].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert np.isnan(found[:, names.index("absent: score")]).all()
    assert found[:4, names.index("likeness-last")] == pytest.approx([0.0, 1.0, 0.5**0.5, 0.0], abs=1e-6)
    assert found[2, names.index("taste")] == pytest.approx(0.25)
    assert np.isnan(found[4]).all()


# ---- the common scale


@pytest.mark.parametrize("kind", ["robust", "quantile"])
def test_a_weight_means_the_same_in_any_unit(kind: str) -> None:
    values = np.random.default_rng(0).lognormal(size=(200, 30))
    values[3, 4:] = np.nan
    cents = 100 * values + 7
    assert Scale.of(cents, kind)(cents) == pytest.approx(Scale.of(values, kind)(values), abs=1e-9)


def test_one_is_the_usual_spread_inside_a_request() -> None:
    """What differs between requests only moves no slate, and must not count."""
    rng = np.random.default_rng(1)
    values = 1000.0 * rng.normal(size=(300, 1)) + 2.0 * rng.normal(size=(300, 40))
    assert Scale.of(values, "robust").spread == pytest.approx(2.0, rel=0.05)


def test_one_absurd_value_does_not_set_the_scale() -> None:
    values = np.random.default_rng(2).normal(size=(100, 20))
    values[0, 0] = 1e9
    scale = Scale.of(values, "robust")
    assert scale.spread < 1.5
    assert scale(values).max() < 4


def test_rare_exposures_keep_a_scale() -> None:
    values = (np.random.default_rng(3).random((200, 50)) < 0.004).astype(float)
    scaled = Scale.of(values, "robust")(values)
    assert scaled[values > 0].min() > scaled[values == 0].max()


def test_a_scale_of_nothing_or_of_one_value() -> None:
    nothing = Scale.of(np.full((2, 3), np.nan), "robust")
    assert nothing(np.array([[np.nan, 0.0]])).tolist() == [[0.0, 0.0]]
    same = Scale.of(np.full((2, 3), 5.0), "robust")
    assert same(np.full((1, 2), 5.0)).tolist() == [[0.0, 0.0]]
    back = Scale.from_dict(same.to_dict())
    assert (back.kind, back.centre, back.spread, back.quantiles.tolist()) == (
        same.kind,
        same.centre,
        same.spread,
        same.quantiles.tolist(),
    )


def test_ties_stand_in_the_middle_of_their_quantiles() -> None:
    values = np.array([[0.0] * 80 + [1.0] * 20])
    scaled = Scale.of(values, "quantile")(np.array([0.0, 1.0]))
    assert scaled == pytest.approx([0.4 - 0.5, 0.9 - 0.5], abs=0.01)


# ---- settings


def test_settings_name_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"there is no objective 'novlty'\. Did you mean 'novelty'"):
        ObjectivesConfig(weights={"novlty": 1.0})
    with pytest.raises(SettingError, match="'click' weighs -1"):
        ObjectivesConfig(weights={"click": -1.0})
    with pytest.raises(SettingError, match="at least one must be above 0"):
        ObjectivesConfig(weights={"relevance": 0.0})
    with pytest.raises(SettingError, match=r"a constraint is of 'revenu'.*Did you mean 'revenue'"):
        ConstraintConfig(of="revenu", at_least=1.0)
    with pytest.raises(SettingError, match="two constraints on 'new'"):
        ObjectivesConfig(
            constraints=[ConstraintConfig(of="new", at_least=0.1), ConstraintConfig(of="new", at_least=0.2)]
        )
