"""Exposure against merit, by hand."""

import math

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, MissingError
from recloop.experience.fair import ndkl, provider_fairness

DECISIONS = pl.DataFrame(
    {
        "id": ["1", "2", "3"],
        "user": ["ann", "bob", "cem"],
        "variant": ["new", "new", "old"],
        "time": [0.0, 0.0, 0.0],
        "items": [["x", "y"], ["x", "z"], ["z", "y"]],
    }
)
ITEMS = pl.DataFrame({"item": ["x", "y", "z", "w"], "provider": ["big", "small", "small", "small"]})


def events(*rows: tuple[str, str, float]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True))
    return pl.DataFrame({"user": columns[0], "item": columns[1], "kind": "click", "time": columns[2]})


TAKEN = events(("ann", "x", 5.0), ("ann", "w", 6.0), ("bob", "z", -1.0), ("bob", "w", 4.0))


def test_exposure_is_discounted_and_merit_counts_users() -> None:
    found = provider_fairness(DECISIONS, TAKEN, ITEMS, "new", column="provider")
    by = {one.name: one for one in found.providers}
    second = 1 / math.log2(3)
    assert by["big"].exposure.estimate == pytest.approx(1 / (1 + second))
    assert by["small"].merit == 0.75
    assert by["small"].ratio == pytest.approx(second / (1 + second) / 0.75)
    # of what users wanted, big was shown before; z was wanted before it was shown, and w never was
    assert by["big"].opportunity is None  # one user alone wanted it
    assert by["small"].opportunity is not None and by["small"].opportunity.estimate == 0.0
    assert (found.starved, found.with_merit) == (1, 3)  # w
    assert found.to_dict()["providers"][0]["name"] == "small"


def test_the_long_tail_is_what_comes_after_four_fifths_of_merit() -> None:
    rows = [(f"u{n}", "x", 1.0) for n in range(8)] + [("u0", "y", 1.0), ("u1", "z", 1.0)]
    found = provider_fairness(DECISIONS, events(*rows), ITEMS, "new", column="provider")
    assert found.long_tail_merit == pytest.approx(0.2)
    second = 1 / math.log2(3)
    assert found.long_tail.estimate == pytest.approx(second / (1 + second))


def test_ndkl_is_the_discounted_mean_of_the_prefixes() -> None:
    # Geyik, Ambler & Kenthapadi 2019, definition 2, by hand: prefixes (1, 0), (1/2, 1/2), (2/3, 1/3)
    weights = [1.0, 1 / math.log2(3), 0.5]
    third = 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)
    wanted = (weights[0] * math.log(2) + weights[2] * third) / sum(weights)
    assert ndkl(np.array([[0, 1, 0]]), np.array([0.5, 0.5]))[0] == pytest.approx(wanted)
    assert ndkl(np.array([[0, 1, -1]]), np.array([0.5, 0.5]))[0] == pytest.approx(0.42500, abs=1e-5)
    assert ndkl(np.array([[1, -1]]), np.array([0.0, 1.0]))[0] == pytest.approx(0.0, abs=1e-5)


def test_the_interval_of_exposure_covers_as_said() -> None:
    hit, items = 0, pl.DataFrame({"item": ["x", "y"], "provider": ["one", "two"]})
    for seed in range(120):
        rng = np.random.default_rng(seed)
        taste = rng.beta(1, 1, 150)  # users differ: slates of one user are alike
        slates = rng.integers(1, 8, 150)
        who = np.repeat(np.arange(150), slates)
        log = pl.DataFrame(
            {
                "id": np.arange(who.size).astype(str),
                "user": who.astype(str),
                "variant": "v",
                "time": 0.0,
                "items": [["x"] if one else ["y"] for one in rng.random(who.size) < taste[who]],
            }
        )
        found = provider_fairness(log, events(("0", "x", 1.0), ("1", "y", 1.0)), items, column="provider")
        one = next(p for p in found.providers if p.name == "one").exposure
        hit += one.low <= 0.5 <= one.high
    assert 107 <= hit <= 119  # 95%, give or take 2.6 standard errors


def test_many_kinds_become_twenty() -> None:
    items = pl.DataFrame({"item": [f"i{n}" for n in range(500)], "provider": [f"p{n}" for n in range(500)]})
    log = DECISIONS.with_columns(items=pl.Series([["i1", "i2"], ["i3"], ["i499"]]))
    found = provider_fairness(log, events(("ann", "i1", 1.0), ("bob", "i2", 1.0)), items, column="provider")
    assert len(found.providers) == 20
    assert {"p1", "p2", "(other)"} <= {one.name for one in found.providers}


def test_what_is_missing_is_said() -> None:
    with pytest.raises(DataError, match="the items have no column category"):
        provider_fairness(DECISIONS, TAKEN, ITEMS)
    with pytest.raises(MissingError, match="no item was clicked, saved or bought"):
        provider_fairness(DECISIONS, TAKEN.with_columns(kind=pl.lit("view")), ITEMS, column="provider")
    with pytest.raises(MissingError, match="0 users have slates"):
        provider_fairness(DECISIONS, TAKEN, ITEMS, "nwe", column="provider")
    with pytest.raises(DataError, match="repeat an item"):
        provider_fairness(DECISIONS, TAKEN, pl.concat([ITEMS, ITEMS]), column="provider")
