"""Coverage, concentration and personalisation: against the definition, and their intervals against many worlds."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, MissingError
from recloop.experience import POPULATION, Shown, coverage, exposure_gini, personalisation, population


def world(rng: np.random.Generator, users: int = 80, items: int = 60) -> pl.DataFrame:
    fame = 1 / np.arange(1, items + 1)
    rows = [
        (f"u{n}", [f"i{i}" for i in rng.choice(items, 5, replace=False, p=fame / fame.sum())])
        for n in range(users)
        for _ in range(int(rng.integers(1, 4)))
    ]
    return pl.DataFrame(rows, schema=["user", "items"], orient="row").with_columns(variant=pl.lit("v"))


SMALL = pl.DataFrame({"user": list("abcd"), "items": [["x", "y"], ["x"], ["z", "x"], ["w"]]})


@pytest.mark.parametrize("drawn", [1, 2, 3])
def test_coverage_is_the_mean_over_all_draws(drawn: int) -> None:
    sets = [set(row) for row in SMALL["items"].to_list()]
    found = [len(set().union(*some)) for some in combinations(sets, drawn)]
    assert coverage(Shown.of(SMALL, 10), drawn).value == pytest.approx(np.mean(found) / 10)


def test_personalisation_is_one_less_the_mean_likeness_of_pairs() -> None:
    sets = [set(row) for row in SMALL["items"].to_list()]
    alike = [len(a & b) / np.sqrt(len(a) * len(b)) for a, b in combinations(sets, 2)]
    assert personalisation(Shown.of(SMALL)).value == pytest.approx(1 - np.mean(alike))


def test_gini_of_one_to_four_is_a_quarter_and_of_one_item_near_one() -> None:
    table = pl.DataFrame({"user": ["a", "b"], "items": [list("xyyzzzwww"), ["w"]]})
    assert exposure_gini(Shown.of(table)).value == pytest.approx(0.25)
    alone = pl.DataFrame({"user": ["a", "b"], "items": [["x"], ["x"]]})
    assert exposure_gini(Shown.of(alone, 100)).value == pytest.approx(0.99)


@pytest.mark.parametrize(("drawn", "name"), [(40, name) for name in POPULATION])
def test_standard_errors_are_those_of_many_worlds(name: str, drawn: int) -> None:
    rng = np.random.default_rng(4)
    found = [POPULATION[name].compute(Shown.of(world(rng), 60), drawn) for _ in range(80)]
    true = np.std([one.value for one in found], ddof=1)
    said = np.sqrt(np.mean([one.variance for one in found]))
    assert 0.8 * true < said < 1.6 * true  # not too small; of coverage somewhat too large


def test_arms_of_unequal_size_and_one_policy_have_one_coverage() -> None:
    rng = np.random.default_rng(1)
    log = pl.concat([
        world(rng, 400).with_columns(variant=pl.lit("new")),
        world(rng, 15).with_columns(pl.col("user") + "b", variant=pl.lit("old")),
    ])  # fmt: skip
    row = population(log, "new", ["old"], 60)[0]
    assert row.metric == "coverage" and row.users == 7
    assert row.effect is not None and row.effect.low < 0 < row.effect.high
    plain = [log.filter(variant=name)["items"].explode().n_unique() for name in ("new", "old")]
    assert plain[0] > 1.1 * plain[1]  # what a plain count would have called a difference


def test_few_users_and_no_users_are_said() -> None:
    log = SMALL.with_columns(variant=pl.Series(["a", "a", "a", "b"]))
    assert population(log, "a")[0].reason == "3 users are too few"
    assert population(log, "a")[0].to_dict()["value"] is None
    with pytest.raises(MissingError, match="variant 'c' has no slates"):
        population(log, "c")
    with pytest.raises(DataError, match="coverage of 4 users of 4"):
        coverage(Shown.of(SMALL), 4)


def test_everybody_sees_the_same() -> None:
    log = pl.DataFrame({"user": list("abcdef"), "variant": ["a", "b"] * 3, "items": [["x"]] * 6})
    rows = population(pl.concat([log, log.with_columns(pl.col("user") + "2")]), "a", ["b"])
    assert {row.reason for row in rows if row.effect is None} == {"every user's slates are alike"}
